"""Hedged: a second call of the same model where the first is slow to begin; whoever says something first is heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from switchpoint.core.allowance import Allowance
from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query

T = TypeVar("T")

TIMES, MIN_TIMES = 200, 20
"""How many times to the first content are remembered, and how many are needed to tell their 95th percentile."""

SLOW = 0.95


@dataclass(slots=True, eq=False)
class _Start:
    """A stream up to its first chunk that says something."""

    chunks: AsyncGenerator[Chunk, None]
    begun: list[Chunk] = field(default_factory=list)

    async def read(self) -> _Start:
        async for chunk in self.chunks:
            self.begun.append(chunk)
            if chunk.speaks:
                break
        return self


class Hedged:
    """An upstream around another, which it may call twice at once; under a pool the second call has another key.

    after_s : how long the first call may be silent; None waits for the 95th percentile of the times to the first
        content that were seen lately, and does not hedge while too few are known.
    allowance : how many calls may be hedged.

    The first content wins and the other call is cancelled; where one fails, the other is waited for. Both are billed
    and what the cancelled one cost nobody says, so the usage of a hedged call is unknown to us (the caller still reads
    the winner's in its body).

    Source: "The tail at scale" (Dean and Barroso 2013). Differs: the delay is told by the first content.
    """

    def __init__(self, upstream: Upstream, after_s: float | None, allowance: Allowance) -> None:
        self.upstream = upstream
        self._after_s = after_s
        self._allowance = allowance
        self._times: deque[float] = deque(maxlen=TIMES)

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer that came first; raises UpstreamError where every call failed."""
        answer, hedged = await self._first(lambda: self.upstream.complete(model, query))
        return replace(answer, usage=None) if hedged else answer

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the stream that spoke first; raises UpstreamError, also in the middle."""
        starts: list[_Start] = []

        def start() -> Coroutine[Any, Any, _Start]:
            starts.append(_Start(self.upstream.stream(model, query)))
            return starts[-1].read()

        try:
            winner, hedged = await self._first(start)
            await _hang_up([each for each in starts if each is not winner])
            for chunk in winner.begun:
                yield replace(chunk, usage=None) if hedged else chunk
            async for chunk in winner.chunks:
                yield replace(chunk, usage=None) if hedged else chunk
        finally:
            await _hang_up(starts)

    async def close(self) -> None:
        """Release the connections of the upstream inside."""
        await self.upstream.close()

    async def _first(self, call: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Return what the first call brought that succeeded, and whether two were made; the other one is cancelled."""
        now = asyncio.get_running_loop().time
        begun = now()
        self._allowance.earn()
        tasks = [asyncio.create_task(call())]
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._wait_s())
            if not done and self._allowance.take():
                tasks.append(asyncio.create_task(call()))
            found = await _first_success(tasks)
            self._times.append(now() - begun)
            return found, len(tasks) > 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _wait_s(self) -> float | None:
        """Return how long the first call may be silent; None is for ever."""
        if self._after_s is not None or len(self._times) < MIN_TIMES:
            return self._after_s
        return sorted(self._times)[int(SLOW * len(self._times))]


async def _first_success(tasks: Sequence[asyncio.Task[T]]) -> T:
    """Return the first result; raises the first task's exception where every one failed."""
    pending = set(tasks)
    while pending:
        _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and task.exception() is None:
                return task.result()
    return tasks[0].result()


async def _hang_up(starts: Sequence[_Start]) -> None:
    for each in starts:
        with suppress(Exception):  # what goes wrong in hanging up costs nobody an answer
            await each.chunks.aclose()
