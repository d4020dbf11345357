"""Identity: which conversation a query continues, by what the caller says of it, else by how it begins."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from switchpoint.core.conversation import opening
from switchpoint.core.query import Query, window
from switchpoint.core.session import Claim

OPENING = "opening"
"""The last rung: the first system text and the user's first words."""

NAMES_A_CONVERSATION = frozenset({"x-switchpoint-session", "x-session-id", "metadata.session_id", "conversation"})
"""Rungs whose value names one conversation. Any other names a program or a person, who may hold several at a time:
there the opening tells them apart."""

OPENING_CHARS = 4_000
"""So much of each text of an opening is looked at, its beginning and its end: it bounds the time."""


class Identity(NamedTuple):
    """Who a conversation is: its id, and the rung of the ladder that told."""

    id: str
    rung: str


def identify(query: Query, tenant: str, secret: bytes) -> Identity:
    """Return the identity of a query's conversation: a keyed hash (BLAKE2b, RFC 7693) of tenant and claim.

    The tenant is part of what is hashed, so two tenants never share a conversation, whatever they claim; the secret
    keeps an id from being guessed or traced back. 32 hexadecimal digits.
    """
    claim = claimed(query)
    parts = [tenant, claim.rung, claim.value]
    if claim.rung not in NAMES_A_CONVERSATION:
        parts += [window(text, OPENING_CHARS) for text in opening(query.messages)]
    return Identity(blake2b(_joined(parts), key=_key(secret), digest_size=16).hexdigest(), claim.rung)


def claimed(query: Query) -> Claim:
    """Return the first rung of the ladder on which the caller says something; the opening says nothing of its own.

    The rungs: the headers x-switchpoint-session (or `switchpoint.session` in the body), x-session-id and
    x-claude-code-session-id; in the body metadata.session_id, metadata.user_id, prompt_cache_key, conversation, user.
    """
    if query.claim is not None:
        return query.claim
    said = query.parameters
    metadata = said.get("metadata")
    if isinstance(metadata, Mapping):
        for name in ("session_id", "user_id"):
            if (value := _text(metadata, name)) is not None:
                return Claim(f"metadata.{name}", value)
    for name in ("conversation", "prompt_cache_key", "user"):
        if (value := _text(said, name)) is not None:
            return Claim(name, value)
    return Claim(OPENING, "")


def _key(secret: bytes) -> bytes:
    """Return a secret as a key, which is 64 bytes long at most."""
    return secret if len(secret) <= blake2b.MAX_KEY_SIZE else blake2b(secret).digest()


def _text(holder: Mapping[str, Any], name: str) -> str | None:
    value = holder.get(name)
    if isinstance(value, Mapping):  # the Responses API's {"id": ...}
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _joined(parts: list[str]) -> bytes:
    """Join texts so that no two lists of them give the same bytes."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(b"%d:%s" % (len(part), part) for part in encoded)
