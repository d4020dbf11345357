"""Run: one query on its way through the loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from switchpoint.core.attempt import Attempt, Chunk, Failure, best_answered
from switchpoint.core.copying import but
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Reason, Step, Verify
from switchpoint.core.errors import (
    DeadlineExceeded,
    NoAnswer,
    NoEligibleModel,
    Refused,
    UpstreamTimeout,
)
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.calling import CANCELLED, OpenCall, begin, failure_of, sent
from switchpoint.engine.leaving import without
from switchpoint.engine.limits import over_limit, spent_usd
from switchpoint.engine.savings import baseline_cost_usd
from switchpoint.engine.verifying import verdict

if TYPE_CHECKING:
    from switchpoint.engine.engine import Engine

T = TypeVar("T")


class Run:
    """Ask the strategy, do what it says, remember all of it; until an answer is accepted or nothing is left.

    Made by `Engine.start`; `chunks()` drives it. A streamed run yields the committed answer piece by piece; one that
    is not streamed yields nothing, and its answer is in the record.

    decision : of the call in progress, then of the accepted answer; None before the first.
    accept_reason : why an answer was accepted; None before it was.
    """

    def __init__(
        self, engine: Engine, strategy: Strategy, query: Query, *, record_id: str, route: str, stream: bool
    ) -> None:
        self.engine = engine
        self.strategy = strategy
        self.query = query
        self.id = record_id
        self.route = route
        self.stream = stream
        self.attempts: list[Attempt] = []
        self.decision: Decision | None = None
        self.accept_reason: str | None = None
        self._open: OpenCall | None = None
        self._held: dict[int, tuple[Chunk, ...]] = {}
        self._accepted: int | None = None
        self._record: Record | None = None
        self._decide_s = 0.0
        self._preparation_s = 0.0
        self._waited_s = 0.0  # for verifiers while no call was under way, and between retries
        self._ttft_s: float | None = None
        self._at = engine.now()
        self._start = engine.clock()

    @property
    def ended(self) -> bool:
        """Whether the run is over, so that there is a record."""
        return self._record is not None

    @property
    def record(self) -> Record:
        """The record of the run; there is none before its end."""
        if self._record is None:
            raise RuntimeError("The run has not ended: exhaust or close chunks() first.")
        return self._record

    async def chunks(self) -> AsyncGenerator[Chunk, None]:
        """Drive the run, yielding what is committed to the caller.

        Raises NoAnswer when nothing is left to try, RequestError when no model may take the query, and the
        UpstreamError of an answer that broke after its first committed token. However it ends, its record is made and
        given to the sink.
        """
        outcome, ended = "failed", None
        try:
            await self._prepare()
            while self._accepted is None:
                for chunk in await self._turn():
                    yield chunk
                while (pieces := await self._more()) is not None:  # one generator: each costs every chunk its share
                    for chunk in pieces:
                        yield chunk
            outcome = "answered"
        except (asyncio.CancelledError, GeneratorExit):
            outcome, ended = "cancelled", CANCELLED
            raise
        except Refused:
            outcome = "refused"
            raise
        finally:
            try:
                await self._end(ended)
            finally:
                self._finish(outcome)

    async def _prepare(self) -> None:
        """Fetch what the strategy decides on, within the deadline; until it is there its cost is unknown."""
        if not self.engine.preparations_of(self.strategy):
            return
        before, query = self.engine.clock(), self.query
        within_s = None if query.deadline_s is None else self._left_s()
        try:
            self.query = await self.engine.prepare(self.strategy, query, within_s=within_s)
        except BaseException:
            self.query = replace(query, preparation_usd=None)
            raise
        finally:
            self._preparation_s = self.engine.clock() - before

    async def _turn(self) -> Sequence[Chunk]:
        """Ask the strategy and do what it says; return what that commits to the caller."""
        match self._next():
            case Call() as call:
                await self._begin(call)
            case Accept(attempt=number, reason=reason):
                return self._committed(await self._accept(number, reason))
            case Verify(attempt=number, verifier=verifier):
                await self._verify(number, verifier)
            case GiveUp(reason=reason):
                raise NoAnswer(reason, self.attempts)
        return ()

    def _next(self) -> Step:
        """Ask the strategy, within the limits of the query: of time, of money and of calls."""
        given = bool(self.attempts) and self.attempts[-1].committed and self.attempts[-1].answered
        if not given and self._left_s() <= 0:
            return self._best_or("deadline", DeadlineExceeded(self._too_late(), self.attempts))
        before = self.engine.clock()
        self._look_at_health()
        step = self.engine.next(self.strategy, self.query, tuple(self.attempts))
        self._decide_s += self.engine.clock() - before
        last = len(self.attempts) - 1
        if given and not (isinstance(step, Verify) or (isinstance(step, Accept) and step.attempt == last)):
            return Accept(attempt=last, reason="already given")  # the caller has it: nothing is re-routed any more
        return self._allowed(step) if isinstance(step, Call) else step

    def _look_at_health(self) -> None:
        """Tell the strategy how the models do, where anything is known, at the start and after every failure."""
        if self.attempts and self.attempts[-1].failure is None:
            return
        health = None if self.engine.health is None else self.engine.health()
        if health is not None and health is not self.query.health and (health or self.query.health):
            self.query = but(self.query, health=health)

    def _allowed(self, call: Call) -> Step:
        """Return the call, or what is done instead where a limit forbids it."""
        if len(self.attempts) >= self.engine.max_attempts:
            limit = f"{self.engine.max_attempts} calls are the limit for one request"
            return self._best_or("best in hand", NoAnswer(limit, self.attempts), beginning=True)
        if call.decision.reason is Reason.RETRIED and not self._may_retry(call):
            return self._instead_of(call)
        if self._left_s() <= call.delay_s:
            return self._best_or("deadline", DeadlineExceeded(self._too_late(), self.attempts))
        if self.query.max_cost_usd is None:
            return call
        spent = spent_usd(self.query, self.attempts, self.engine.catalog)
        model = call.decision.model
        too_much = over_limit(self.engine.catalog[model], sent(self.query, call), spent)
        if too_much is None:
            return call
        error = NoAnswer(f"{model} {too_much}", self.attempts) if self.attempts else NoEligibleModel({model: too_much})
        return self._best_or("cost limit", error, beginning=True)

    def _may_retry(self, call: Call) -> bool:
        """Whether there is time for the pause, and a retry left for the whole engine."""
        retries = self.engine.retries
        return call.delay_s < self._left_s() and (retries is None or retries.take())

    def _instead_of(self, call: Call) -> Step:
        """Leave a model that must not be retried for what the strategy does without it."""
        late = self._left_s() <= call.delay_s
        self.query = without(call.decision.model, self.query, self.engine.catalog)
        step = self._next()
        if late and isinstance(step, GiveUp):
            return self._best_or("deadline", DeadlineExceeded(self._too_late(), self.attempts))
        return step

    def _best_or(self, reason: str, error: Exception, *, beginning: bool = False) -> Accept:
        """Accept the best answer in hand; raises the error where there is none.

        beginning : where there is no whole answer, a beginning that is held is streamed on.
        """
        best = best_answered(self.attempts)
        if best is None and beginning and self._open is not None:
            best = self._open.number
        if best is None:
            raise error
        return Accept(attempt=best, reason=reason)

    async def _begin(self, call: Call) -> None:
        """Open a call of a model, in place of the one whose beginning was held."""
        await self._end(None)
        if call.delay_s > 0:
            before = self.engine.clock()
            await asyncio.sleep(call.delay_s)
            self._waited_s += self.engine.clock() - before
        if self.engine.retries is not None and call.decision.reason is not Reason.RETRIED:
            self.engine.retries.earn()
        self.decision = call.decision
        self._open = begin(self.engine, call, sent(self.query, call), len(self.attempts), stream=self.stream)

    async def _more(self) -> Sequence[Chunk] | None:
        """Read on in the open call; return what is committed by that, None at its end or that of a held beginning."""
        call = self._open
        if call is None or call.draft.at_prefix:
            return None
        try:
            if await self._in_time(call.read()):
                if not call.draft.at_prefix:
                    return self._committed(call.draft.ready())
                self._note(call, None, partial=True)
            else:
                call.draft.check()
                await self._end(None)
        except Exception as error:
            await self._end(failure_of(call.model, error))
            if call.draft.committed:
                raise
        return None

    def _committed(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        if chunks and self._ttft_s is None:
            self._ttft_s = self.engine.clock() - self._start
        return chunks

    async def _end(self, failure: Failure | None) -> None:
        """Close the open call, if there is one, and note its attempt: a held beginning that was not accepted stays."""
        if self._open is None:
            return
        ended, self._open = self._open, None
        try:
            with suppress(Exception):  # what goes wrong in hanging up costs nobody an answer
                await ended.close()
        finally:
            self._note(ended, failure, partial=failure is None and ended.draft.at_prefix)
            self._held[ended.number] = ended.draft.held()
            if failure is not None and self._accepted == ended.number:
                self._accepted = None  # its beginning was accepted, and the rest never came

    def _note(self, call: OpenCall, failure: Failure | None, *, partial: bool) -> None:
        verdicts = self.attempts[call.number].verdicts if call.number < len(self.attempts) else ()
        self.attempts[call.number :] = [call.draft.attempt(failure, verdicts=verdicts, partial=partial)]

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Wait for one piece of work, no longer than the query's deadline."""
        if self.query.deadline_s is None:
            return await work
        try:
            async with asyncio.timeout(self._left_s()):
                return await work
        except TimeoutError as error:
            raise UpstreamTimeout(self._too_late()) from error

    def _left_s(self) -> float:
        deadline_s = math.inf if self.query.deadline_s is None else self.query.deadline_s
        return max(0.0, deadline_s - (self.engine.clock() - self._start))

    def _too_late(self) -> str:
        return f"the request's deadline of {self.query.deadline_s} s has passed"

    async def _verify(self, number: int, verifier: str) -> None:
        """Note the verifier's verdict on an answer in hand, or on the beginning that is held."""
        attempt = self._in_hand(number)
        assert attempt.answer is not None
        if attempt.verdict_of(verifier) is not None:
            again = f"attempt {number} to be verified twice by {verifier!r}"
            raise NoAnswer(f"the strategy {self.strategy.name!r} asked for {again}")
        within_s = min(self._left_s(), self.engine.verify_time_box_s)
        before = self.engine.clock()
        said = await verdict(self.engine.verifiers, verifier, self.query, attempt.answer, within_s)
        if self._open is None:  # else the open call's own time runs on
            self._waited_s += self.engine.clock() - before
        self.attempts[number] = replace(attempt, verdicts=(*attempt.verdicts, said))

    async def _accept(self, number: int, reason: str) -> Sequence[Chunk]:
        """Give an answer to the caller; return what was held of it. Of a held beginning the rest is still to come."""
        attempt = self._in_hand(number)
        self.accept_reason, self.decision = reason, attempt.decision
        self._accepted = number
        if self._open is not None and self._open.number == number:
            return self._open.draft.commit()
        await self._end(None)
        self.attempts[number] = but(attempt, committed=True)
        return self._held.get(number, ())

    def _in_hand(self, number: int) -> Attempt:
        attempt = self.attempts[number] if 0 <= number < len(self.attempts) else None
        held = self._open is not None and self._open.number == number
        if attempt is None or not (attempt.answered or held):
            raise NoAnswer(f"the strategy {self.strategy.name!r} chose attempt {number}, which has no answer")
        return attempt

    def _overhead_s(self, latency_s: float) -> float | None:
        """Return the time that was spent here; None where calls ran side by side, so that their times say nothing."""
        calls_s = sum(attempt.latency_s for attempt in self.attempts)
        overhead_s = latency_s - self._preparation_s - self._waited_s - calls_s
        return overhead_s if overhead_s >= 0 else None

    def _finish(self, outcome: str) -> None:
        engine = self.engine
        latency_s = engine.clock() - self._start
        self._record = Record(
            id=self.id,
            at=self._at,
            query_id=self.query.id,
            route=self.route,
            strategy=self.strategy.name,
            attempts=tuple(self.attempts),
            accepted=self._accepted,
            outcome=outcome,
            decide_s=self._decide_s,
            latency_s=latency_s,
            tags=self.query.tags,
            needs=self.query.needs,
            baseline_model=engine.baseline_model,
            baseline_cost_usd=self._baseline_cost_usd(),
            config=engine.config,
            artifact=engine.artifact,
            messages=self.query.messages if engine.store_prompts else None,
            preparation_usd=self.query.preparation_usd,
            preparation_s=self._preparation_s,
            accept_reason=self.accept_reason,
            ttft_s=self._ttft_s,
            overhead_s=self._overhead_s(latency_s),
            session=self.query.session,
        )
        engine.sink(self._record)

    def _baseline_cost_usd(self) -> Decimal | None:
        if self._accepted is None or self.engine.baseline_model is None:
            return None
        baseline = self.engine.catalog[self.engine.baseline_model]
        return baseline_cost_usd(baseline, self.attempts, self.attempts[self._accepted])
