"""Keys: how a caller says who he is. Only the SHA-256 of a key is ever kept.

A plain hash is enough, and a slow one would only cost time: a key holds 192 random bits, so nobody finds it by guessing
from its hash, as somebody might with a password.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from switchpoint.core.errors import Unauthenticated
from switchpoint.core.principal import CALLERS, Permission, Principal

PREFIX = "sp-"
RANDOM_BYTES = 24
SHAPE = re.compile(r"sp-(?P<random>[0-9a-f]{48})(?P<checksum>[0-9a-f]{8})")
"""A key made here: 24 random bytes and their CRC-32. Typing errors are found without asking a database."""

BEARER = b"bearer "
HEADERS = frozenset({b"authorization", b"x-api-key", b"api-key"})
"""Where clients put a key: OpenAI's, Anthropic's and Azure's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is known of a key; see `switchpoint.core.principal.Principal` for what it allows.

    digest : SHA-256 of the key, 64 hex digits.
    created, expires : with time zone; a key that expires at None never does.
    """

    id: str
    digest: str
    name: str
    created: datetime
    tenant: str = "default"
    team: str | None = None
    permissions: frozenset[Permission] = CALLERS
    routes: frozenset[str] | None = None
    models: frozenset[str] | None = None
    expires: datetime | None = None
    disabled: bool = False

    def principal(self) -> Principal:
        """Return whoever shows this key."""
        return Principal(
            id=self.id,
            tenant=self.tenant,
            team=self.team,
            permissions=self.permissions | {Permission.PUBLIC},
            routes=self.routes,
            models=self.models,
        )


def new_secret() -> str:
    """Return a new key; it is shown once and never kept."""
    random = secrets.token_hex(RANDOM_BYTES)
    return f"{PREFIX}{random}{_checksum(random)}"


def well_formed(secret: str) -> bool:
    """Say whether a text is a key as they are made here: its form, and its checksum."""
    found = SHAPE.fullmatch(secret)
    return found is not None and found["checksum"] == _checksum(found["random"])


def digest(secret: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id() -> str:
    """Return the id of a new key: what people and records call it by."""
    return "key-" + secrets.token_hex(6)


def presented(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the key that a request shows, None where it shows none.

    headers : names in lower case, as ASGI gives them.
    Raises Unauthenticated for several different keys: a proxy before us and we might each believe another one.
    """
    found: bytes | None = None
    for name, value in headers:
        if name not in HEADERS:
            continue
        shown = _credential(name, value)
        if not shown:
            continue
        if found is not None and shown != found:
            raise Unauthenticated("The request shows several different keys. Send one, in one header.")
        found = shown
    return None if found is None else found.decode("latin-1")


def _credential(name: bytes, value: bytes) -> bytes:
    """Return the key in a header; an authorization of another scheme than Bearer is none of ours."""
    if name != b"authorization":
        return value.strip()
    return value[len(BEARER) :].strip() if value[: len(BEARER)].lower() == BEARER else b""


def _checksum(random: str) -> str:
    return f"{zlib.crc32(random.encode()):08x}"
