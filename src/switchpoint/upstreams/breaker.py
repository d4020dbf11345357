"""Breaker: shuts what keeps failing, and lets one call through now and then to see whether it is well again.

Time is passed in, in seconds of a clock that only grows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """When a breaker opens, and for how long.

    failures : so many in a row, 1 or more.
    error_rate : or a larger share of the latest calls than this, in [0, 1], once `min_calls` of them are known.
    window_s : how quickly a call is forgotten: after this time it weighs 1/e.
    open_s : the first pause before a probe; it doubles with each probe that fails, up to `max_open_s`.
    """

    failures: int = 5
    error_rate: float = 0.5
    min_calls: int = 20
    window_s: float = 30.0
    open_s: float = 5.0
    max_open_s: float = 120.0


class Average:
    """A mean in which older values weigh less: exp(-age / window_s)."""

    __slots__ = ("_at", "_sum", "_weight", "_window_s")

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sum = self._weight = 0.0
        self._at = -math.inf

    def add(self, value: float, now: float) -> None:
        """Take a value."""
        kept = self._kept(now)
        self._sum, self._weight, self._at = self._sum * kept + value, self._weight * kept + 1.0, max(now, self._at)

    def weight(self, now: float) -> float:
        """Return about how many values are remembered."""
        return self._weight * self._kept(now)

    def mean(self, now: float) -> float | None:
        """Return the mean; None where nothing is remembered, or too little of it."""
        return None if self.weight(now) < FORGOTTEN else self._sum / self._weight

    def _kept(self, now: float) -> float:
        return math.exp(-max(0.0, now - self._at) / self._window_s)


FORGOTTEN = 0.01
"""A mean of less than so much weight is unknown: one value is forgotten after 4.6 windows."""


class Breaker:
    """Closed, or open until a time. Whoever comes after that time is the probe, and moves it on for the next one.

    So one probe goes at a time, and one that never ends does not keep it shut for ever. Any success closes it.
    why : of the last failure that opened it.
    """

    def __init__(self, trip: Trip) -> None:
        self.why = ""
        self.errors = Average(trip.window_s)
        self._trip = trip
        self._in_a_row = 0
        self._until: float | None = None
        self._pause_s = trip.open_s

    @property
    def is_open(self) -> bool:
        """Whether it is open or waits for what a probe brings."""
        return self._until is not None

    def left_s(self, now: float) -> float:
        """Return how long nothing is let through; 0 where something is."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def enter(self, now: float) -> bool:
        """Begin a call; return whether it is a probe. To be asked only while `left_s` is 0."""
        if self._until is None:
            return False
        self._until = now + self._pause_s
        return True

    def succeeded(self, now: float) -> None:
        """Note a success: it closes, and what was before is forgotten."""
        self._in_a_row = 0
        if self._until is not None:
            self._until, self._pause_s = None, self._trip.open_s
            self.errors = Average(self._trip.window_s)
        self.errors.add(0.0, now)

    def failed(self, now: float, why: str, *, probe: bool) -> None:
        """Note a failure; one that began before it opened changes nothing any more."""
        self._in_a_row += 1
        self.errors.add(1.0, now)
        if probe:
            self._pause_s = min(2 * self._pause_s, self._trip.max_open_s)
        if probe or (self._until is None and self._trips(now)):
            self._until, self.why = now + self._pause_s, f"{self._told(now)} ({why})"

    def passed_by(self, now: float, *, probe: bool) -> None:
        """Note a call that says nothing: its caller went away, or was at fault himself. The next one is the probe."""
        if probe and self._until is not None:
            self._until = now

    def _trips(self, now: float) -> bool:
        rate = self.errors.mean(now)
        often = self.errors.weight(now) >= self._trip.min_calls - 0.5  # a call just now weighs a little less than 1
        return self._in_a_row >= self._trip.failures or (often and rate is not None and rate > self._trip.error_rate)

    def _told(self, now: float) -> str:
        if self._in_a_row >= self._trip.failures:
            return f"failed {self._in_a_row} times in a row"
        rate = self.errors.mean(now)
        return "failed again" if rate is None else f"failed in {rate:.0%} of its latest calls"
