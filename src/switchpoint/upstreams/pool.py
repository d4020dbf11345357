"""Pool: one upstream under several keys. A key that is limited or refused rests, and the next one is asked at once."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import RateLimited, UpstreamError, UpstreamRefused
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query

REST_S = {401: 60.0, 402: 600.0, 403: 600.0}
"""How long a refused key rests, by status: a bill that must be paid, or a right that is missing, takes people."""

WHOLE_KEY = frozenset({401, 402})
"""Statuses that are about a key whatever the model; others may be about one model of it."""

FIRST_LIMIT_S, MAX_LIMIT_S = 1.0, 60.0
"""How long a limited key rests where the upstream gives no advice: it doubles with each limit in a row."""

EVERY_MODEL = ""


@dataclass(slots=True, eq=False)
class _Key:
    """One key, as its own upstream; what rests is told by the upstream's name of a model."""

    upstream: Upstream
    used: int = 0
    limited_at: float = -math.inf
    limits_in_a_row: int = 0
    rests_until: dict[str, float] = field(default_factory=dict)
    refusals: dict[str, int] = field(default_factory=dict)

    def free_at(self, model: str) -> float:
        """Return from when on it may be used for a model."""
        return max(self.rests_until.get(EVERY_MODEL, -math.inf), self.rests_until.get(model, -math.inf))

    def refused_with(self, model: str) -> int | None:
        """Return the status with which it was refused the last time, None where that was a limit."""
        return self.refusals.get(EVERY_MODEL, self.refusals.get(model))

    def rest(self, model: str, until: float, status: int | None) -> None:
        """Let it rest for a model, or for all; `status` is of a refusal."""
        self.rests_until[model] = until
        self.refusals.pop(model, None)
        if status is not None:
            self.refusals[model] = status


class Pool:
    """Calls the key that was limited longest ago, of those the one that was used longest ago.

    upstreams : one for each key, alike otherwise; this pool never sees the keys themselves.
    clock : seconds that only grow.

    A key that the upstream refuses (401, 402, 403) or limits (429) rests, and within the same call the next one is
    asked; a stream turns to the next key only before its first chunk. Any other failure is the caller's to judge.
    Raises RateLimited, with the time until the first key is free, while every key rests and one of them for a limit;
    UpstreamRefused while all of them are refused.
    """

    def __init__(self, name: str, upstreams: Sequence[Upstream], clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._keys = [_Key(upstream) for upstream in upstreams]
        self._clock = clock
        self._calls = 0

    def __repr__(self) -> str:
        return f"Pool(name={self.name!r}, keys={len(self._keys)})"

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer under the first key that works; raises UpstreamError."""
        for key in self._turns(model):
            try:
                answer = await key.upstream.complete(model, query)
            except (RateLimited, UpstreamRefused) as error:
                self._rest(key, model, error)
                continue
            key.limits_in_a_row = 0
            return answer
        raise self._spent(model)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the answer under the first key that works; raises UpstreamError, also in the middle."""
        for key in self._turns(model):
            begun = False
            try:
                async with aclosing(key.upstream.stream(model, query)) as chunks:
                    async for chunk in chunks:
                        begun = True
                        yield chunk
            except (RateLimited, UpstreamRefused) as error:
                if begun:
                    raise
                self._rest(key, model, error)
                continue
            key.limits_in_a_row = 0
            return
        raise self._spent(model)

    async def close(self) -> None:
        """Release the connections of every key."""
        for key in self._keys:
            await key.upstream.close()

    def _turns(self, model: Model) -> Iterator[_Key]:
        """Yield the keys that do not rest, the best first, each at most once."""
        tried: list[_Key] = []
        while True:
            now = self._clock()
            free = [k for k in self._keys if k not in tried and k.free_at(model.upstream_model) <= now]
            if not free:
                return
            key = min(free, key=lambda k: (k.limited_at, k.used))
            self._calls += 1
            key.used = self._calls
            tried.append(key)
            yield key

    def _rest(self, key: _Key, model: Model, error: UpstreamError) -> None:
        """Let a key rest; raises the error where it is not about the key."""
        now, status = self._clock(), error.status
        if isinstance(error, RateLimited):
            rest_s = error.retry_after_s
            if rest_s is None:
                rest_s = min(MAX_LIMIT_S, FIRST_LIMIT_S * 2**key.limits_in_a_row)
            key.limited_at, key.limits_in_a_row = now, min(key.limits_in_a_row + 1, 10)
            key.rest(model.upstream_model, now + rest_s, None)
        elif status in REST_S:
            about = EVERY_MODEL if status in WHOLE_KEY else model.upstream_model
            key.rest(about, now + REST_S[status], status)
        else:
            raise error

    def _spent(self, model: Model) -> UpstreamError:
        """Return the error for a call that no key is left for."""
        name, keys = model.upstream_model, len(self._keys)
        limited = [key for key in self._keys if key.refused_with(name) is None]
        if limited:
            wait_s = max(0.0, min(key.free_at(name) for key in limited) - self._clock())
            what = f"upstream {self.name!r} has no key left for now: {len(limited)} of {keys} are limited"
            return RateLimited(f"{what}, the first for another {wait_s:.1f} s.", status=429, retry_after_s=wait_s)
        status = next(found for key in self._keys if (found := key.refused_with(name)) is not None)
        return UpstreamRefused(f"upstream {self.name!r} refuses each of its {keys} keys ({status}).", status=status)
