"""Run: one query on its way through the loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from switchpoint.core.attempt import Attempt, Chunk, Failure, Verdict
from switchpoint.core.decision import Accept, Call, Decision, GiveUp, Step, Verify
from switchpoint.core.errors import BadAnswer, DeadlineExceeded, NoAnswer, Refused, UpstreamError, UpstreamTimeout
from switchpoint.core.model import Model
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.draft import Draft

if TYPE_CHECKING:
    from switchpoint.engine.engine import Engine

T = TypeVar("T")


class Run:
    """Ask the strategy, do what it says, remember all of it; until an answer is accepted or nothing is left.

    Made by `Engine.start`; `chunks()` drives it. A streamed run yields the committed answer piece by piece; one that
    is not streamed yields nothing, and its answer is in the record.

    decision : of the call in progress, then of the accepted answer; None before the first.
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
        self._held: dict[int, tuple[Chunk, ...]] = {}
        self._accepted: int | None = None
        self._accept_reason: str | None = None
        self._record: Record | None = None
        self._decide_s = 0.0
        self._preparation_s = 0.0
        self._at = engine.now()
        self._start = engine.clock()

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
        outcome = "failed"
        try:
            async with aclosing(self._loop()) as loop:
                async for chunk in loop:
                    yield chunk
            outcome = "answered"
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        except Refused:
            outcome = "refused"
            raise
        finally:
            self._finish(outcome)

    async def _loop(self) -> AsyncGenerator[Chunk, None]:
        await self._prepare()
        while self._accepted is None:
            match self._next():
                case Call() as call:
                    async with aclosing(self._call(call)) as chunks:
                        async for chunk in chunks:
                            yield chunk
                case Verify(attempt=number, verifier=verifier):
                    await self._verify(number, verifier)
                case Accept(attempt=number, reason=reason):
                    for chunk in self._accept(number, reason):
                        yield chunk
                case GiveUp(reason=reason):
                    raise NoAnswer(reason, self.attempts)

    async def _prepare(self) -> None:
        """Fetch what the strategy decides on, within the deadline; until it is there its cost is unknown."""
        if not self.engine.preparations_of(self.strategy):
            return
        before, query = self.engine.clock(), self.query
        self.query = replace(query, preparation_usd=None)
        within_s = None if query.deadline_s is None else self._left_s()
        try:
            self.query = await self.engine.prepare(self.strategy, query, within_s=within_s)
        finally:
            self._preparation_s = self.engine.clock() - before

    def _next(self) -> Step:
        before = self.engine.clock()
        step = self.engine.next(self.strategy, self.query, tuple(self.attempts))
        self._decide_s += self.engine.clock() - before
        if isinstance(step, Call) and len(self.attempts) >= self.engine.max_attempts:
            return GiveUp(reason=f"{self.engine.max_attempts} calls are the limit for one request")
        return step

    async def _call(self, call: Call) -> AsyncGenerator[Chunk, None]:
        """Call the model, yielding chunks as they are committed; the attempt is noted however the call ends."""
        await self._pause(call.delay_s)
        self.decision = call.decision
        model = self.engine.catalog[call.decision.model]
        draft = Draft(call.decision, call.hold, self.engine.clock)
        failure: Failure | None = None
        try:
            async with aclosing(self._pieces(model, draft)) as pieces:
                async for chunk in pieces:
                    yield chunk
            draft.check()
        except (asyncio.CancelledError, GeneratorExit):
            failure = Failure(kind="Cancelled", message="the caller went away")
            raise
        except Exception as error:
            failure = _failure(model, error)
            if draft.committed:
                raise
        finally:
            self._held[len(self.attempts)] = draft.held()
            self.attempts.append(draft.attempt(model, failure))

    async def _pieces(self, model: Model, draft: Draft) -> AsyncGenerator[Chunk, None]:
        """Fill the draft from the upstream, yielding what it commits."""
        upstream = self.engine.upstreams[model.upstream]
        if not self.stream:
            draft.whole(await self._in_time(upstream.complete(model, self.query)))
            return
        async with aclosing(upstream.stream(model, self.query)) as stream:
            while (chunk := await self._in_time(_next_of(stream))) is not None:
                for piece in draft.add(chunk):
                    yield piece

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Wait for one piece of work, no longer than the query's deadline."""
        if self.query.deadline_s is None:
            return await work
        try:
            async with asyncio.timeout(self._left_s()):
                return await work
        except TimeoutError as error:
            raise UpstreamTimeout(f"the request's deadline of {self.query.deadline_s} s has passed") from error

    def _left_s(self) -> float:
        deadline_s = math.inf if self.query.deadline_s is None else self.query.deadline_s
        return max(0.0, deadline_s - (self.engine.clock() - self._start))

    async def _pause(self, delay_s: float) -> None:
        if self._left_s() <= delay_s:
            raise DeadlineExceeded(f"the request's deadline of {self.query.deadline_s} s has passed", self.attempts)
        if delay_s > 0:
            await asyncio.sleep(delay_s)

    async def _verify(self, number: int, verifier: str) -> None:
        """Note the verifier's verdict; one that fails, or says nothing sensible, scores NaN, which nobody accepts."""
        attempt = self._whole_attempt(number)
        assert attempt.answer is not None
        if attempt.verdict_of(verifier) is not None:
            again = f"attempt {number} to be verified twice by {verifier!r}"
            raise NoAnswer(f"the strategy {self.strategy.name!r} asked for {again}")
        try:
            verdict = await self._in_time(self.engine.verifiers[verifier](self.query, attempt.answer))
        except Exception:
            verdict = Verdict(score=math.nan, cost_usd=None)
        if not 0.0 <= verdict.score <= 1.0:
            verdict = replace(verdict, score=math.nan)
        self.attempts[number] = replace(attempt, verdicts=(*attempt.verdicts, replace(verdict, verifier=verifier)))

    def _accept(self, number: int, reason: str) -> tuple[Chunk, ...]:
        attempt = self._whole_attempt(number)
        self._accept_reason = reason
        self._accepted, self.decision = number, attempt.decision
        self.attempts[number] = replace(attempt, committed=True)
        return self._held.get(number, ())

    def _whole_attempt(self, number: int) -> Attempt:
        attempt = self.attempts[number] if 0 <= number < len(self.attempts) else None
        if attempt is None or not attempt.answered:
            raise NoAnswer(f"the strategy {self.strategy.name!r} chose attempt {number}, which has no answer")
        return attempt

    def _finish(self, outcome: str) -> None:
        engine = self.engine
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
            latency_s=engine.clock() - self._start,
            tags=self.query.tags,
            needs=self.query.needs,
            baseline_model=engine.baseline_model,
            baseline_cost_usd=self._baseline_cost_usd(),
            config=engine.config,
            artifact=engine.artifact,
            messages=self.query.messages if engine.store_prompts else None,
            preparation_usd=self.query.preparation_usd,
            preparation_s=self._preparation_s,
            accept_reason=self._accept_reason,
        )
        engine.sink(self._record)

    def _baseline_cost_usd(self) -> Decimal | None:
        """What the baseline model would have cost: its own bill, else these tokens at its prices, else its estimate."""
        if self._accepted is None or self.engine.baseline_model is None:
            return None
        accepted = self.attempts[self._accepted]
        if accepted.decision.model == self.engine.baseline_model:
            return accepted.cost_usd
        usage = accepted.answer.usage if accepted.answer else None
        model = self.engine.catalog[self.engine.baseline_model]
        at_its_prices = None if usage is None else model.cost_usd(replace(usage, cost_usd=None))
        if at_its_prices is not None:
            return at_its_prices
        estimate = self.attempts[0].decision.cost_usd.get(model.id, math.nan)
        return None if math.isnan(estimate) else Decimal(repr(estimate))


async def _next_of(stream: AsyncGenerator[Chunk, None]) -> Chunk | None:
    return await anext(stream, None)


def _failure(model: Model, error: Exception) -> Failure:
    """An upstream's bug is an attempt that failed, not the end of the run."""
    if isinstance(error, UpstreamError):
        return Failure.of(error)
    return Failure.of(BadAnswer(f"{model.upstream}: {type(error).__name__}: {error}"))
