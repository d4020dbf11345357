"""Query: what is routed. It knows nothing of HTTP; the gateway and the dataset readers make it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from switchpoint.core.health import Health
from switchpoint.core.session import Session

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

EMPTY: Mapping[str, Any] = MappingProxyType({})

ROUTING_CHARS = 2_000
"""Deciding reads at most this many characters: the first and the last half. It bounds the time of a decision."""

TOKENS_PER_BYTE = 0.25
"""English prose runs at about four bytes a token; estimates before the call use it, bills never do."""

IMAGE_TOKENS = 1_000
"""What one image part counts for in the estimate of the input; vendors charge 85 to 1,600."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One request for an answer.

    id : unique; the seed of every draw that is made for it.
    messages : the conversation, OpenAI's form.
    parameters : every other field of the request (tools, temperature, unknown ones), passed on unchanged.
    needs : capabilities a model must have, of `switchpoint.core.model.CAPABILITIES`.
    allow : ids of the models that may answer; None is the whole catalog. Health and access rules only narrow it.
    max_cost_usd, deadline_s : what the caller will pay and wait at most; None is no limit.
    min_quality : the lowest estimated quality that will do, in [0, 1]; None leaves it to the router.
    tags : tenant, session, role, task type, user tier: what rules may look at.
    vector : shape (dim,), only where the embedder is remote.
    signals : what was found out about the query before deciding, each in [0, 1]; one that is absent is unknown.
    preparation_usd : what finding that out has cost so far; None is unknown.
    session : the conversation that the query continues; None where it is unknown, or sessions are not kept.
    health : by model, what was seen of its calls lately, as of this step; an absent model is not known to be ill.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    parameters: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    needs: frozenset[str] = frozenset()
    allow: frozenset[str] | None = None
    max_cost_usd: float | None = None
    deadline_s: float | None = None
    min_quality: float | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    vector: FloatArray | None = field(default=None, compare=False)
    signals: Mapping[str, float] = field(default_factory=lambda: EMPTY)
    preparation_usd: Decimal | None = Decimal(0)
    session: Session | None = None
    health: Mapping[str, Health] = field(default_factory=lambda: EMPTY, compare=False)

    @classmethod
    def of(cls, text: str, *, id: str | None = None, tags: Mapping[str, str] = EMPTY) -> Query:
        """Make a query of one user message; its id is the hash of the text unless given."""
        return cls(id=id or text_id(text), messages=({"role": "user", "content": text},), tags=tags)

    @property
    def text(self) -> str:
        """The part that is routed on: the last user message, at most `ROUTING_CHARS` of it (see `window`).

        Without a user message it is the last message that holds text; without any text it is empty.
        """
        return window(self.full_text)

    @property
    def full_text(self) -> str:
        """The last user message whole, its text parts joined by newlines."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return content_text(message.get("content"))
        texts = (content_text(message.get("content")) for message in reversed(self.messages))
        return next((text for text in texts if text), "")

    @property
    def input_tokens(self) -> int:
        """Estimated tokens of the whole request, tools included; an estimate from bytes, for eligibility and cost."""
        tokens = 0.0
        for message in self.messages:
            tokens += _content_tokens(message.get("content"))
        tools = self.parameters.get("tools")
        return max(1, int(tokens + (len(str(tools)) * TOKENS_PER_BYTE if tools else 0)))

    @property
    def draw(self) -> float:
        """A number in [0, 1) that depends on the id alone: the only randomness of a policy."""
        return int.from_bytes(blake2b(self.id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") / 2**64


def text_id(text: str) -> str:
    """Return the id of a text: the first 16 hex digits of its SHA-256."""
    from hashlib import sha256

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def window(text: str, chars: int = ROUTING_CHARS) -> str:
    """Return the first and the last half of `chars` characters; the middle of a long prompt is rarely the question."""
    if len(text) <= chars:
        return text
    half = chars // 2
    return f"{text[:half]}\n{text[-half:]}"


def content_text(content: object) -> str:
    """Return the text of a message's content: a string, or the text parts of a list; anything else has none."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(_text_parts(content))
    return ""


def _text_parts(parts: Sequence[object]) -> Iterator[str]:
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        if isinstance(text, str):
            yield text


def _content_tokens(content: object) -> float:
    if isinstance(content, str):
        # Characters beyond ASCII take two to four bytes each, and about as many more tokens.
        size = len(content) if content.isascii() else len(content.encode("utf-8", "surrogatepass"))
        return size * TOKENS_PER_BYTE
    parts = content if isinstance(content, Sequence) else ()
    images = sum(1 for part in parts if isinstance(part, Mapping) and part.get("type") == "image_url")
    return _content_tokens(content_text(content)) + images * IMAGE_TOKENS
