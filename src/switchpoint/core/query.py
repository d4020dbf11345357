"""Query: what is routed. It knows nothing of HTTP; the gateway and the dataset readers make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from switchpoint.core.conversation import Turns, turns
from switchpoint.core.conversation import content_text as content_text
from switchpoint.core.health import Health
from switchpoint.core.session import Claim, Session

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

EMPTY: Mapping[str, Any] = MappingProxyType({})

ROUTING_CHARS = 2_000
"""Deciding reads at most this many characters: the first and the last half. It bounds the time of a decision."""

PREVIOUS_CHARS, ANSWER_CHARS = 400, 200
"""Of these, the user's previous message and the answer to it take at most so many; the rest is the last turn's."""

TOKENS_PER_BYTE = 0.25
"""English prose runs at about four bytes a token; estimates before the call use it, bills never do."""

IMAGE_TOKENS = 1_000
"""What one image part counts for in the estimate of the input; vendors charge 85 to 1,600."""

IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})
DEFINITIONS = ("tools", "functions")
"""Parameters that a model reads as part of its input."""
CALLS = ("tool_calls", "function_call")
"""Fields of a message that a model reads beside its content."""


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
    claim : by what name the caller's headers know the conversation; None where they say nothing.
    health : by model, what was seen of its calls lately, as of the start or the last failure; absent is not ill.
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
    claim: Claim | None = field(default=None, repr=False)
    health: Mapping[str, Health] = field(default_factory=lambda: EMPTY, compare=False)
    # What was read of the conversation, since deciding asks several times. A changed copy of a query takes it along, so
    # every entry says of which messages and parameters it is true.
    _read: dict[str, tuple[object, object, Any]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, text: str, *, id: str | None = None, tags: Mapping[str, str] = EMPTY) -> Query:
        """Make a query of one user message; its id is the hash of the text unless given."""
        return cls(id=id or text_id(text), messages=({"role": "user", "content": text},), tags=tags)

    @property
    def text(self) -> str:
        """What is routed on, in at most `ROUTING_CHARS` characters: the last turn, and after it the turn it follows on.

        The last turn comes first and has most of the room, so that whoever reads less of it still reads the question.
        A query of one turn is its text alone. Tool results and system text are never part of it.
        """
        text: str = self._once("text", lambda: _routed(self._said()))
        return text

    @property
    def last_turn(self) -> str:
        """The user's last words alone, at most `ROUTING_CHARS` characters: what rules and semantic routes look at."""
        return window(self._said().last)

    @property
    def full_text(self) -> str:
        """The user's last words whole; see `switchpoint.core.conversation.turns`."""
        return self._said().last

    @property
    def input_tokens(self) -> int:
        """Estimated tokens of the whole request: every message, system ones too, tool calls, and the tools on offer.

        An estimate from bytes, for eligibility and cost.
        """
        tokens: int = self._once("input_tokens", self._count)
        return tokens

    def _count(self) -> int:
        said = sum([_message_tokens(message) for message in self.messages])
        return max(1, int(said + _json_tokens(self.parameters, DEFINITIONS)))

    def _said(self) -> Turns:
        said: Turns = self._once("turns", lambda: turns(self.messages))
        return said

    def _once(self, name: str, read: Callable[[], Any]) -> Any:
        """Return what `read` returns for these messages and parameters, calling it the first time."""
        found = self._read.get(name)
        if found is not None and found[0] is self.messages and found[1] is self.parameters:
            return found[2]
        value = read()
        self._read[name] = self.messages, self.parameters, value
        return value

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


def _routed(said: Turns) -> str:
    if not said.previous:
        return window(said.last)
    answer = [window(said.answer, ANSWER_CHARS)] if said.answer else []
    before = "\n".join([window(said.previous, PREVIOUS_CHARS), *answer])
    return f"{window(said.last, ROUTING_CHARS - len(before) - 2)}\n{before}"


def _message_tokens(message: Mapping[str, Any]) -> float:
    return _content_tokens(message.get("content")) + _json_tokens(message, CALLS)


def _content_tokens(content: object) -> float:
    if isinstance(content, str):
        # Characters beyond ASCII take two to four bytes each, and about as many more tokens.
        size = len(content) if content.isascii() else len(content.encode("utf-8", "surrogatepass"))
        return size * TOKENS_PER_BYTE
    parts = content if isinstance(content, Sequence) else ()
    images = sum(1 for part in parts if isinstance(part, Mapping) and _is_image(part))
    return _content_tokens(content_text(content)) + images * IMAGE_TOKENS


def _is_image(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and kind in IMAGE_PARTS


def _json_tokens(holder: Mapping[str, Any], names: Sequence[str]) -> float:
    """Return the tokens of the named fields, as JSON, which is how they are sent."""
    return sum([_json_bytes(holder[name]) for name in names if holder.get(name)]) * TOKENS_PER_BYTE


def _json_bytes(value: object) -> int:
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, ValueError, RecursionError):  # such as half a surrogate pair
        return len(repr(value))
