"""Board: what was seen of every upstream and model lately, and which of them are shut."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from switchpoint.core.errors import REFUSED_KEYS, RequestError, UpstreamRefused, UpstreamUnreachable
from switchpoint.core.health import Health
from switchpoint.upstreams.breaker import Average, Breaker, Trip

TRUST_S = 10.0
"""Whoever was answered himself so lately does not believe others who say that it is shut."""

REFRESH_S = 1.0
"""Averages in a report are at most so old; what is shut is always told as it is."""


@dataclass(slots=True)
class _Seen:
    """Of one model or one upstream."""

    what: str
    breaker: Breaker
    latency: Average
    ttft: Average
    answered_at: float = -math.inf


@dataclass(frozen=True, slots=True)
class Shut:
    """What another replica says of a target: why it is shut there, and until when, on this one's clock."""

    why: str
    until: float


@dataclass(slots=True)
class Visit:
    """One call under observation; it ends with exactly one of `succeeded`, `failed` and `passed_by`."""

    _board: Board
    _model: _Seen
    _upstream: _Seen
    _probes: tuple[bool, bool]
    _begun: float = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self._board.clock()

    def elapsed_s(self) -> float:
        """Return the seconds since the call began."""
        return self._board.clock() - self._begun

    def succeeded(self, latency_s: float | None, ttft_s: float | None) -> None:
        """Note an answer; a time that is not known is None."""
        now = self._board.clock()
        for seen in (self._model, self._upstream):
            if seen.breaker.is_open:
                self._board.changed()
            seen.breaker.succeeded(now)
            seen.answered_at = now
        if latency_s is not None:
            self._model.latency.add(latency_s, now)
        if ttft_s is not None:
            self._model.ttft.add(ttft_s, now)

    def failed(self, error: Exception) -> None:
        """Note a failure, against the upstream, its model, or nobody where the request itself was at fault."""
        if isinstance(error, RequestError) or callers_fault(error):
            self.passed_by()
            return
        now, why = self._board.clock(), _why(error)
        whole = _of_the_upstream(error)
        at_fault, other = (self._upstream, self._model) if whole else (self._model, self._upstream)
        model_probe, upstream_probe = self._probes
        at_fault.breaker.failed(now, why, probe=upstream_probe if whole else model_probe)
        other.breaker.passed_by(now, probe=model_probe if whole else upstream_probe)
        if at_fault.breaker.is_open:
            self._board.changed()

    def passed_by(self) -> None:
        """Note a call that says nothing of the upstream."""
        now = self._board.clock()
        for seen, probe in zip((self._model, self._upstream), self._probes, strict=True):
            seen.breaker.passed_by(now, probe=probe)


class Board:
    """Keeps a breaker for each upstream and each model, and averages of each model; call it for a `HealthReport`.

    upstream_of : the upstream of each model, by id. Not being reached, and refused keys, count against the upstream,
    so that all of its models are shut together; rate limits, timeouts, 5xx and broken answers against the model.
    clock : seconds that only grow. after : a board whose place this one takes, at the same clock; what it has seen of
    upstreams and models that both know goes on, unless they trip differently.
    """

    def __init__(
        self,
        upstream_of: Mapping[str, str],
        trip: Trip | None = None,
        clock: Callable[[], float] = time.monotonic,
        after: Board | None = None,
    ) -> None:
        self.clock = clock
        self._trip = trip or Trip()
        self._before = {} if after is None or after._trip != self._trip else after._by_target()
        self._upstream_of = dict(upstream_of)
        self._upstreams = {name: self._new(f"upstream {name!r}") for name in sorted(set(upstream_of.values()))}
        self._models = {id: self._new(f"model {id!r}") for id in upstream_of}
        self._elsewhere: Mapping[str, Shut] = {}
        self._report: Mapping[str, Health] = {}
        self._fresh_until = -math.inf

    def __call__(self) -> Mapping[str, Health]:
        """Return what is known of each model, by id; a model of which nothing is known is absent."""
        if self.clock() >= self._fresh_until:
            self._look()
        return self._report

    def enter(self, model: str) -> Visit:
        """Begin to observe a call; raises UpstreamUnreachable while the model or its upstream is shut."""
        now, seen, upstream = self.clock(), self._models[model], self._upstreams[self._upstream_of[model]]
        for each in (upstream, seen):
            left_s = each.breaker.left_s(now)
            if left_s > 0:
                error = UpstreamUnreachable(_shut(each, left_s))
                error.retryable = False  # another model is the better way
                raise error
        probes = seen.breaker.enter(now), upstream.breaker.enter(now)
        if any(probes):
            self.changed()  # nobody else is let through while the probe is out
        return Visit(self, seen, upstream, probes)

    def changed(self) -> None:
        """Say that the next report must be made anew."""
        self._fresh_until = -math.inf

    def shut_here(self) -> dict[str, Shut]:
        """Return what this replica itself has shut, by target."""
        now = self.clock()
        breakers = {target: seen.breaker for target, seen in self._by_target().items() if seen.breaker.is_open}
        return {target: Shut(breaker.why, now + breaker.left_s(now)) for target, breaker in breakers.items()}

    @property
    def targets(self) -> tuple[str, ...]:
        """What can be shut."""
        return tuple(self._by_target())

    def heard(self, elsewhere: Mapping[str, Shut]) -> None:
        """Take what other replicas have shut, by target, in place of what was heard before."""
        if elsewhere or self._elsewhere:
            self._elsewhere = dict(elsewhere)
            self.changed()

    def _look(self) -> None:
        now = self.clock()
        report = {id: self._health(id, now) for id in self._models}
        self._report = {id: health for id, health in report.items() if health != UNKNOWN}
        shut = any(health.closed_because is not None for health in self._report.values())
        # What is shut is told with the time that is left, so it is looked at each time; who is well, now and then.
        self._fresh_until = now if shut else now + REFRESH_S

    def _health(self, id: str, now: float) -> Health:
        seen, upstream = self._models[id], self._upstreams[self._upstream_of[id]]
        left_s, why = max((self._closed(each, now) for each in (upstream, seen)), key=lambda found: found[0])
        return Health(
            closed_because=why if left_s > 0 else None,
            probe_in_s=left_s if left_s > 0 else None,
            error_rate=seen.breaker.errors.mean(now),
            latency_s=seen.latency.mean(now),
            ttft_s=seen.ttft.mean(now),
        )

    def _closed(self, seen: _Seen, now: float) -> tuple[float, str]:
        """Return how long it is shut and why; what others say counts where nothing better is known."""
        left_s = seen.breaker.left_s(now)
        other = self._elsewhere.get(seen.what)
        if left_s > 0 or other is None or now - seen.answered_at < TRUST_S:
            return left_s, _shut(seen, left_s)
        other_s = max(0.0, other.until - now)
        return other_s, f"{seen.what} {other.why}, as another replica saw; it is tried again in {other_s:.1f} s"

    def _by_target(self) -> dict[str, _Seen]:
        return {seen.what: seen for seen in (*self._upstreams.values(), *self._models.values())}

    def _new(self, what: str) -> _Seen:
        window_s = self._trip.window_s
        return self._before.get(what) or _Seen(what, Breaker(self._trip), Average(window_s), Average(window_s))


UNKNOWN = Health()


def _shut(seen: _Seen, left_s: float) -> str:
    return f"{seen.what} {seen.breaker.why}; it is tried again in {left_s:.1f} s"


def _of_the_upstream(error: Exception) -> bool:
    return isinstance(error, UpstreamUnreachable) or getattr(error, "status", None) in REFUSED_KEYS


def callers_fault(error: Exception) -> bool:
    """Say whether an upstream refused the request itself, and not our key: that says nothing against it."""
    return isinstance(error, UpstreamRefused) and error.status not in REFUSED_KEYS


def _why(error: Exception) -> str:
    """Return a clause that quotes nothing: a message may hold an upstream's own words."""
    status = getattr(error, "status", None)
    return type(error).__name__ if status is None else f"{type(error).__name__} {status}"
