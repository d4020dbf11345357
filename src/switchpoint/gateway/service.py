"""Service: what the gateway serves, as one value, so that a new configuration takes the place of the old at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

import msgspec

from switchpoint.core.model import Usage
from switchpoint.core.principal import ANONYMOUS, Principal
from switchpoint.core.protocols import Admission, Gate, Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine
from switchpoint.gateway.limits import LIMITS, InputLimits

MAX_BODY_BYTES = 10_000_000
HEARTBEAT_S = 10.0


class Routing(Protocol):
    """What a caller may name as `model`."""

    @property
    def routes(self) -> Mapping[str, Strategy]:
        """The named routes, in the order of their listing."""
        ...

    def resolve(self, name: str) -> Strategy:
        """Return the strategy for a name; raises RequestError (UnknownModel) where there is none."""
        ...


class Vectors(Protocol):
    """An embeddings endpoint that callers' requests are passed on to."""

    @property
    def model(self) -> str:
        """The model's name there."""
        ...

    async def forward(self, fields: Mapping[str, msgspec.Raw]) -> tuple[dict[str, msgspec.Raw], Usage, Decimal | None]:
        """Return the fields of the answer, what was used, and what it cost; raises UpstreamError."""
        ...

    def expected_usd(self, input_tokens: int) -> float | None:
        """Return what a request of so many tokens is expected to cost; None is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admission that sets nothing aside."""

    query: Query
    told: Sequence[tuple[bytes, bytes]] = ()

    def settle(self, record: Record | None) -> None:
        """Do nothing."""


class OpenGate:
    """Everybody may ask for everything: the gate of a configuration without keys."""

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return the anonymous principal; whatever key was sent is not looked at."""
        return ANONYMOUS

    async def admit(self, principal: Principal, route: str, query: Query) -> Admission:
        """Let every query in."""
        return Admitted(query)


def nobody_minds(principal: Principal, feedback: Feedback) -> None:
    """Let everybody say what he thinks of any answer: where there are no keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that requests need. A request is served to its end by the service that it began with.

    add_feedback : may block; raises RequestError for a record that it does not know.
    check_feedback : raises what keeps a principal from saying this of a record; may block.
    metrics : the body of GET /metrics, in Prometheus' text format.
    embeddings : by name, whom POST /v1/embeddings asks.
    max_body_bytes : of a request. limits : of what is in one.
    heartbeat_s : how long a stream may be silent before one is sent; 0 sends none.
    trace_share : see `switchpoint.core.trace.enter`.
    """

    engine: Engine
    routing: Routing
    add_feedback: Callable[[Feedback], None]
    metrics: Callable[[], bytes]
    gate: Gate = field(default_factory=OpenGate)
    check_feedback: Callable[[Principal, Feedback], None] = nobody_minds
    max_body_bytes: int = MAX_BODY_BYTES
    limits: InputLimits = LIMITS
    heartbeat_s: float = HEARTBEAT_S
    embeddings: Mapping[str, Vectors] = field(default_factory=dict)
    trace_share: float | None = None


Current = Callable[[], Service]
"""Returns the service that a request which comes now is served by."""
