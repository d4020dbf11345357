"""Rate limits that replicas share: the buckets of `switchpoint.control.limits`, in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from switchpoint.control.limits import Amounts, LocalLimiter, Meter, Readings, reached, reading
from switchpoint.core.errors import StoreUnavailable
from switchpoint.stores.redis import Redis

TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local left = {}
for i, key in ipairs(KEYS) do
  local per_min, need = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local held = redis.call('HMGET', key, 'left', 'at')
  local level = tonumber(held[1]) or per_min
  local at = tonumber(held[2]) or now
  level = math.min(per_min, level + math.max(0, now - at) * per_min / 60)
  if level < need then return {i, tostring(need - level)} end
  left[i] = level
end
local said = {0}
for i, key in ipairs(KEYS) do
  local per_min, amount = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i])
  local level = math.min(per_min, left[i] - amount)
  redis.call('HSET', key, 'left', tostring(level), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', key, 60000 + math.ceil(math.max(0, per_min - level) * 60000 / per_min))
  said[i + 1] = tostring(level)
end
return said
"""
"""Takes from every bucket or from none, by the clock of Redis.

For each bucket its size, what must be in it, and the amount are given.
Returns 0 and what is left in each; or the number of the bucket that does not hold enough, and what is missing.
"""

NOTHING_NEEDED = -1e18


class SharedLimiter:
    """The buckets of all replicas.

    While Redis does not answer, each replica keeps the limits by itself: then as many times as much can be let in as
    there are replicas, but nothing is unlimited and nobody is refused for it.
    """

    def __init__(self, redis: Redis, local: LocalLimiter | None = None) -> None:
        self._redis = redis
        self._local = local or LocalLimiter()
        self._due: dict[Meter, float] = {}
        self._giving: asyncio.Task[None] | None = None

    async def take(self, meters: Sequence[Meter], amounts: Amounts) -> Readings:
        """Take from every bucket; see `Limiter`."""
        needs = [min(amounts[meter.unit], meter.per_min) for meter in meters]
        try:
            said = await self._script(meters, needs, [amounts[meter.unit] for meter in meters])
        except StoreUnavailable:
            return await self._local.take(meters, amounts)
        if said[0]:
            raise reached(meters[said[0] - 1], float(said[1]))
        return tuple(reading(meter, float(left)) for meter, left in zip(meters, said[1:], strict=True))

    def give_back(self, meters: Sequence[Meter], amounts: Amounts) -> None:
        """Put back into every bucket; see `Limiter`. What Redis does not hear of fills by itself within a minute."""
        for meter in meters:
            amount = amounts.get(meter.unit, 0.0)
            if amount:
                self._due[meter] = self._due.get(meter, 0.0) + amount
        if self._due and self._giving is None:
            self._giving = asyncio.create_task(self._give())

    async def flush(self) -> None:
        """Return once all that was given back is there."""
        if self._giving is not None:
            await self._giving

    async def _give(self) -> None:
        """Put back what is due; what comes due meanwhile goes together with the next call."""
        try:
            while self._due:
                due, self._due = self._due, {}
                await self._put_back(due)
        finally:
            self._giving = None

    async def _put_back(self, due: Mapping[Meter, float]) -> None:
        try:
            await self._script(list(due), [NOTHING_NEEDED] * len(due), [-amount for amount in due.values()])
        except StoreUnavailable:
            for meter, amount in due.items():
                self._local.give_back([meter], {meter.unit: amount})

    async def _script(self, meters: Sequence[Meter], needs: Sequence[float], amounts: Sequence[float]) -> list[int]:
        args: list[float] = []
        for meter, need, amount in zip(meters, needs, amounts, strict=True):
            args += (meter.per_min, need, amount)
        said: list[int] = await self._redis.script(TAKE, [f"limit:{meter.id}" for meter in meters], args)
        return said
