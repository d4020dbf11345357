"""Service: what the gateway serves, as one value, so that a new configuration takes the place of the old at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from switchpoint.core.principal import ANONYMOUS, Principal
from switchpoint.core.protocols import Admission, Gate, Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine

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


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admission that sets nothing aside."""

    query: Query

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that requests need. A request is served to its end by the service that it began with.

    add_feedback : may block; raises RequestError for a record that it does not know.
    metrics : the body of GET /metrics, in Prometheus' text format.
    max_body_bytes : of a request. heartbeat_s : how long a stream may be silent before one is sent; 0 sends none.
    """

    engine: Engine
    routing: Routing
    add_feedback: Callable[[Feedback], None]
    metrics: Callable[[], bytes]
    gate: Gate = field(default_factory=OpenGate)
    max_body_bytes: int = MAX_BODY_BYTES
    heartbeat_s: float = HEARTBEAT_S


Current = Callable[[], Service]
"""Returns the service that a request which comes now is served by."""
