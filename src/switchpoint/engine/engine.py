"""Engine: holds what every run needs and starts runs. It knows neither routers nor upstreams, only the protocols."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from switchpoint.core.allowance import Allowance
from switchpoint.core.attempt import Attempt, best_answered
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Reason, Step
from switchpoint.core.errors import NoEligibleModel, RequestError
from switchpoint.core.ids import timed_id
from switchpoint.core.protocols import HealthReport, Preparation, Sink, Strategy, Upstream, Verifier
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.leaving import overloaded
from switchpoint.engine.run import Run


def utc_now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Runs queries through strategies.

    default_model : called when deciding itself fails.
    preparations : by name of a strategy, what is fetched for its queries before it decides, in this order.
    baseline_model : whose prices the savings of a record are measured against; None measures none.
    sink : takes every finished record, answered or not.
    config, artifact : hashes that every record carries.
    store_prompts : whether records keep the messages.
    max_attempts : calls of one query at most, whatever its strategy says.
    verify_time_box_s : how long a verifier may take for one verdict.
    max_held_bytes : data of a streamed answer that is held back at most. A longer beginning is judged by then; a longer
        answer that must be held whole is a failed attempt.
    health : asked before every step for what the strategy may know of the models' health; None is never.
    retries : how many calls of the whole engine may be retries; None is no limit but the strategies' own.
    """

    catalog: Catalog
    upstreams: Mapping[str, Upstream]
    sink: Sink
    default_model: str
    preparations: Mapping[str, Sequence[Preparation]] = field(default_factory=dict)
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    baseline_model: str | None = None
    config: str | None = None
    artifact: str | None = None
    store_prompts: bool = False
    max_attempts: int = 10
    verify_time_box_s: float = 10.0
    max_held_bytes: int = 1 << 20
    health: HealthReport | None = None
    retries: Allowance | None = None
    clock: Callable[[], float] = time.perf_counter
    now: Callable[[], datetime] = utc_now

    def next(self, strategy: Strategy, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Ask the strategy; where deciding fails, what is in hand is taken, else the default model is called, once.

        Raises RequestError (NoEligibleModel above all), which is the caller's to mend and not a failure to decide; and
        Overloaded where models could take the query but for their health.
        """
        try:
            step = strategy.next(query, attempts)
            if not isinstance(step, Step):
                raise TypeError(f"{strategy.name} returned a {type(step).__name__}, which is not a step")
            return step
        except NoEligibleModel as error:
            raise overloaded(error, query, self.catalog) or error from None
        except RequestError:
            raise
        except Exception as error:
            return self._undecided(strategy, attempts, error)

    def preparations_of(self, strategy: Strategy) -> Sequence[Preparation]:
        """Return what is fetched before a strategy decides; one at a caller's own setting, `NAME:...`, is NAME's."""
        name = strategy.name
        return self.preparations.get(name) or self.preparations.get(name.partition(":")[0], ())

    async def prepare(self, strategy: Strategy, query: Query, *, within_s: float | None = None) -> Query:
        """Return the query with what its strategy's preparations add to it; never raises.

        within_s : for all of them together; None is no limit but their own. What is not there by then is left out, and
        what it cost is unknown.
        """
        try:
            async with nullcontext() if within_s is None else asyncio.timeout(within_s):
                for preparation in self.preparations_of(strategy):
                    query = await _prepared(preparation, query)
        except TimeoutError:
            query = replace(query, preparation_usd=None)
        return query

    def decide(self, strategy: Strategy, query: Query) -> Decision:
        """Return the first decision for a query, without calling anything; `prepare` the query for it first."""
        step = self.next(strategy, query, ())
        if not isinstance(step, Call):  # nothing was attempted, so there is nothing to accept or verify
            raise RequestError(f"The strategy {strategy.name!r} does not start with a call. Got {type(step).__name__}.")
        return step.decision

    def start(self, strategy: Strategy, query: Query, *, route: str | None = None, stream: bool = False) -> Run:
        """Begin a run; iterate over `Run.chunks()` to make it happen, and read `Run.record` at its end."""
        return Run(self, strategy, query, record_id=timed_id(self.now()), route=route or strategy.name, stream=stream)

    async def run(self, strategy: Strategy, query: Query, *, route: str | None = None) -> Record:
        """Run a query to its end and return its record; raises NoAnswer or RequestError, after recording it."""
        run = self.start(strategy, query, route=route)
        async with aclosing(run.chunks()) as chunks:
            async for _ in chunks:
                pass
        return run.record

    async def close(self) -> None:
        """Release the connections of every upstream."""
        for upstream in self.upstreams.values():
            await upstream.close()

    def _undecided(self, strategy: Strategy, attempts: Sequence[Attempt], error: Exception) -> Step:
        in_hand = len(attempts) - 1 if attempts and attempts[-1].partial else best_answered(attempts)
        if in_hand is not None:
            return Accept(attempt=in_hand, reason="deciding failed")
        detail = f"deciding failed: {type(error).__name__}"
        if any(attempt.decision.reason is Reason.ROUTER_FAILED for attempt in attempts):
            return GiveUp(reason=f"{detail}, and so did the default model {self.default_model}")
        decision = Decision(model=self.default_model, router=strategy.name, reason=Reason.ROUTER_FAILED, detail=detail)
        return Call(decision=decision)


async def _prepared(preparation: Preparation, query: Query) -> Query:
    """A preparation that breaks its promise not to raise adds nothing, and what it cost is unknown."""
    try:
        return await preparation(query)
    except Exception:
        return replace(query, preparation_usd=None)
