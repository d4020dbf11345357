"""Rate limits: token buckets of requests, tokens and dollars per minute, filled evenly, one minute deep.

A request that takes more than a whole bucket is let in when the bucket is full, and leaves it below zero: it waits for
longer, not for ever. What was taken by estimate is corrected when the request has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from switchpoint.control.spending.budgets import Scope, Subjects, applying
from switchpoint.core.errors import LimitReached

MINUTE_S = 60.0


class Unit(StrEnum):
    """What a limit counts."""

    __hash__ = str.__hash__  # an enum's own is ten times slower, and every request looks things up by it

    REQUESTS = "requests"
    TOKENS = "tokens"
    USD = "usd"


Amounts = Mapping[Unit, float]


class Limit(NamedTuple):
    """At most so much in a minute, for one name of a scope or for `EACH`."""

    scope: Scope
    name: str
    unit: Unit
    per_min: float


class Meter(NamedTuple):
    """A limit of one name: a bucket."""

    id: str
    unit: Unit
    per_min: float


class Reading(NamedTuple):
    """A bucket after a request was let in: what is left of it, and when it is full again."""

    meter: Meter
    left: float
    full_in_s: float


Readings = tuple[Reading, ...]


class Limiter(Protocol):
    """Takes from buckets."""

    async def take(self, meters: Sequence[Meter], amounts: Amounts) -> Readings:
        """Take the amount of its unit from every bucket, or from none; raises LimitReached."""
        ...

    def give_back(self, meters: Sequence[Meter], amounts: Amounts) -> None:
        """Put back what was not needed; a negative amount takes what was needed beside. Never blocks."""
        ...


def meters_of(limits: Iterable[Limit], subjects: Subjects) -> tuple[Meter, ...]:
    """Return the buckets that a request of these subjects takes from; a limit of a name wins over one for each."""
    by_place = {(limit.scope, limit.name, limit.unit): limit for limit in limits}
    found = applying(by_place, subjects, Unit)
    return tuple(Meter(f"{limit.unit}:{scope}:{name}", limit.unit, limit.per_min) for scope, name, limit in found)


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class LocalLimiter:
    """The buckets of one process. clock : seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    async def take(self, meters: Sequence[Meter], amounts: Amounts) -> Readings:
        """Take from every bucket; see `Limiter`."""
        return self.take_now(meters, amounts)

    def take_now(self, meters: Sequence[Meter], amounts: Amounts) -> Readings:
        """Take from every bucket at once; see `Limiter`."""
        now_s = self._clock()
        buckets = [self._filled(meter, now_s) for meter in meters]
        for meter, bucket in zip(meters, buckets, strict=True):
            missing = needed(meter, amounts) - bucket.left
            if missing > 0:
                raise reached(meter, missing)
        for meter, bucket in zip(meters, buckets, strict=True):
            bucket.left -= amounts[meter.unit]
        return tuple([reading(meter, bucket.left) for meter, bucket in zip(meters, buckets, strict=True)])

    def give_back(self, meters: Sequence[Meter], amounts: Amounts) -> None:
        """Put back into every bucket; see `Limiter`."""
        now_s = self._clock()
        for meter in meters:
            bucket = self._filled(meter, now_s)
            bucket.left = min(meter.per_min, bucket.left + amounts.get(meter.unit, 0.0))

    def _filled(self, meter: Meter, now_s: float) -> _Bucket:
        bucket = self._buckets.get(meter.id)
        if bucket is None:
            bucket = self._buckets[meter.id] = _Bucket(meter.per_min, now_s)
        bucket.left = min(meter.per_min, bucket.left + (now_s - bucket.at_s) * meter.per_min / MINUTE_S)
        bucket.at_s = now_s
        return bucket


def needed(meter: Meter, amounts: Amounts) -> float:
    """Return what must be in a bucket for a request to be let in."""
    return min(amounts[meter.unit], meter.per_min)


def reading(meter: Meter, left: float) -> Reading:
    """Return what a bucket says when so much is left in it."""
    return Reading(meter, left, (meter.per_min - left) * MINUTE_S / meter.per_min)


def reached(meter: Meter, missing: float) -> LimitReached:
    """Return what to raise when so much is missing from a bucket."""
    wait_s = missing * MINUTE_S / meter.per_min
    whose = meter.id.partition(":")[2].replace(":", " ", 1)
    unit = "USD" if meter.unit is Unit.USD else meter.unit
    return LimitReached(
        f"The limit of {meter.per_min:g} {unit} per minute of {whose!r} is reached. Try again in {wait_s:.3g} s.",
        wait_s,
    )


def headers(readings: Readings) -> tuple[tuple[bytes, bytes], ...]:
    """Return OpenAI's headers of the tightest limit of requests and of tokens."""
    told: list[tuple[bytes, bytes]] = []
    for unit in (Unit.REQUESTS, Unit.TOKENS):
        of_unit = [each for each in readings if each.meter.unit is unit]
        if of_unit:
            tightest = min(of_unit, key=lambda each: each.left)
            told += (
                (b"x-ratelimit-limit-%b" % unit.encode(), b"%d" % tightest.meter.per_min),
                (b"x-ratelimit-remaining-%b" % unit.encode(), b"%d" % max(0.0, tightest.left)),
                (b"x-ratelimit-reset-%b" % unit.encode(), f"{tightest.full_in_s:.3f}s".encode()),
            )
    return tuple(told)
