"""What the rooms expect of each other. They meet through these, in `switchpoint.assembly`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from switchpoint.core.attempt import Answer, Attempt, Chunk, Verdict
from switchpoint.core.decision import Step
from switchpoint.core.estimate import Estimates, Prediction
from switchpoint.core.health import Health
from switchpoint.core.model import Model
from switchpoint.core.principal import Principal
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.core.record import Record


class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def name(self) -> str:
        """What an artifact that depends on these vectors remembers."""
        ...

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, dim), rows of norm 1, or 0 for a text without a known token."""
        ...


class Estimator(Protocol):
    """Predicts one number for every model on every query: quality, cost or latency."""

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; exists once fitted."""
        ...

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict for a batch; a query's prediction does not depend on the others in the batch."""
        ...


class Strategy(Protocol):
    """Says what to do next, given the attempts so far. Pure: a router is one, a cascade is one."""

    @property
    def name(self) -> str:
        """The name under which the configuration and the records know it."""
        ...

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Return the next step; raises NoEligibleModel when no model may take the query."""
        ...


class Upstream(Protocol):
    """Calls a model."""

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the whole answer; raises UpstreamError."""
        ...

    def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the answer as it comes; raises UpstreamError, also in the middle. Closing it ends the call."""
        ...

    async def close(self) -> None:
        """Release every connection."""
        ...


Policy = Callable[[Estimates], tuple[IntArray, FloatArray]]
"""Chooses a column for each query, and says how probable that choice was: both of shape (n_queries,).

Among eligible columns only; every row has one. Pure: its only randomness is `Estimates.draw`.
"""

Verifier = Callable[[Query, Answer], Awaitable[Verdict]]
"""Scores an answer already produced."""

Preparation = Callable[[Query], Awaitable[Query]]
"""Adds what deciding needs and only the network knows: `Query.signals`, `Query.vector`; and what that cost.

On failure, or after its time-box, it returns the query without it; it never raises.
"""

Sink = Callable[[Record], None]
"""Takes a finished record; must not block."""


class KeyValue(Protocol):
    """Small values that outlive a request and may be lost: sessions, cached answers, health seen by other replicas.

    In one process a table in memory, for many a Redis. A store that fails behaves as if it were empty, quickly: what it
    holds is never needed to answer.
    """

    async def get(self, key: str) -> bytes | None:
        """Return the value, None where there is none, it has expired, or the store does not answer."""
        ...

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so long; it may be lost earlier."""
        ...

    async def delete(self, key: str) -> None:
        """Forget a value."""
        ...


HealthReport = Callable[[], Mapping[str, Health]]
"""What was seen of every model's calls lately; must be quick, since the engine asks before every step."""


class Admission(Protocol):
    """A request that was let in; what it set aside is held until it is settled."""

    @property
    def query(self) -> Query:
        """The query within what the principal may use: fewer models, less money, its tenant among the tags."""
        ...

    @property
    def told(self) -> Sequence[tuple[bytes, bytes]]:
        """Headers for the caller, such as how near he is to a limit."""
        ...

    def settle(self, record: Record | None) -> None:
        """Give back what was set aside and book what was spent; None for a request that never ran. Never blocks."""
        ...


class Gate(Protocol):
    """Knows who asks, and lets requests in or not."""

    async def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal:
        """Return whose request this is, by its headers, their names in lower case; raises Unauthenticated."""
        ...

    async def admit(self, principal: Principal, route: str, query: Query) -> Admission:
        """Let a query in; raises Forbidden, LimitReached, BudgetSpent or Overloaded."""
        ...
