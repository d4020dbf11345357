"""Balanced: several deployments of the same models as one upstream; each call goes to the quicker of two."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from random import Random

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import UpstreamError, UpstreamUnreachable
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams.breaker import Breaker, Trip
from switchpoint.upstreams.health import callers_fault

DECAY_S = 10.0
"""A peak of latency has faded to 1/e after so long."""


@dataclass(slots=True, eq=False)
class _Deployment:
    """One of them; `peak_s` is a moving average that jumps to every peak and comes down slowly."""

    name: str
    upstream: Upstream
    breaker: Breaker
    in_flight: int = 0
    peak_s: float = 0.0
    seen_at: float = -math.inf

    def load_s(self, now: float) -> float:
        """Return how long a call would take that has to wait for those in flight; what is not called fades."""
        return self.peak_s * self._kept(now) * (self.in_flight + 1)

    def took(self, seconds: float, now: float) -> None:
        """Note the time to an answer, or to the beginning of one."""
        kept = self._kept(now)
        self.peak_s = max(seconds, self.peak_s * kept + seconds * (1.0 - kept))
        self.seen_at = now

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self.seen_at) / DECAY_S)


class Balanced:
    """Calls the less loaded of two deployments drawn at random; where it fails, the others in turn, each once.

    upstreams : by name, at least one. They belong to whoever made them: `close` leaves them open.
    clock : seconds that only grow. random : what the two are drawn with.

    A request that is at fault itself is not tried elsewhere, nor a stream that has begun. A deployment that keeps
    failing is left out by its breaker; raises UpstreamUnreachable while all of them are.

    Source: the power of two choices (Mitzenmacher 2001) over Finagle's peak EWMA. Differs: of a stream the time to its
    first chunk counts, not how much it had to say.
    """

    def __init__(
        self,
        name: str,
        upstreams: Mapping[str, Upstream],
        trip: Trip | None = None,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        self.name = name
        self._deployments = [_Deployment(n, each, Breaker(trip or Trip())) for n, each in upstreams.items()]
        self._clock = clock
        self._random = random or Random()

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the first answer; raises the last UpstreamError."""
        failure: UpstreamError | None = None
        for deployment in self._turns():
            try:
                with self._calling(deployment) as answered:
                    answer = await deployment.upstream.complete(model, query)
                    answered()
                    return answer
            except UpstreamError as error:
                failure = _elsewhere(error)
        raise failure or self._all_shut()

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the first answer that begins; raises UpstreamError, also in the middle."""
        failure: UpstreamError | None = None
        for deployment in self._turns():
            begun = False
            try:
                with self._calling(deployment) as answered:
                    async with aclosing(deployment.upstream.stream(model, query)) as chunks:
                        async for chunk in chunks:
                            if not begun:
                                begun = True
                                answered()
                            yield chunk
                    return
            except UpstreamError as error:
                if begun:
                    raise
                failure = _elsewhere(error)
        raise failure or self._all_shut()

    async def close(self) -> None:
        """Do nothing: the deployments are closed by whoever made them."""

    def _turns(self) -> Iterator[_Deployment]:
        """Yield the deployments that are not shut: the better of two drawn ones, then the rest by their load."""
        now = self._clock()
        well = [each for each in self._deployments if each.breaker.left_s(now) == 0]
        drawn = self._random.sample(well, min(2, len(well)))
        drawn.sort(key=lambda each: each.load_s(now))
        rest = sorted((each for each in well if each not in drawn[:1]), key=lambda each: each.load_s(now))
        yield from (*drawn[:1], *rest)

    @contextmanager
    def _calling(self, deployment: _Deployment) -> Iterator[Callable[[], None]]:
        """Count a call and what becomes of it; gives what is to be called once an answer is there."""
        start = self._clock()
        probe = deployment.breaker.enter(start)
        deployment.in_flight += 1
        settled = False

        def answered() -> None:
            nonlocal settled
            settled, now = True, self._clock()
            deployment.took(now - start, now)
            deployment.breaker.succeeded(now)

        try:
            yield answered
        except UpstreamError as error:
            settled = settled or not callers_fault(error)
            if not callers_fault(error):
                deployment.breaker.failed(self._clock(), type(error).__name__, probe=probe)
            raise
        finally:
            deployment.in_flight -= 1
            if not settled:
                deployment.breaker.passed_by(self._clock(), probe=probe)

    def _all_shut(self) -> UpstreamUnreachable:
        now = self._clock()
        left_s = min(each.breaker.left_s(now) for each in self._deployments)
        why = "; ".join(f"{each.name} {each.breaker.why}" for each in self._deployments)
        error = UpstreamUnreachable(f"upstream {self.name!r} has no deployment left for {left_s:.1f} s: {why}.")
        error.retryable = False
        return error


def _elsewhere(error: UpstreamError) -> UpstreamError:
    """Return a failure that another deployment may not have; raises one that each would have."""
    if callers_fault(error):
        raise error
    return error
