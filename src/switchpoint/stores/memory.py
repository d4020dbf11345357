"""Memory: the key-value store of one process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable


class Memory:
    """Keeps values in memory; what was used longest ago goes first once there is no room.

    max_bytes : of all values together. clock : seconds that only grow.
    """

    def __init__(self, max_bytes: int = 64 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        """Return the value, None where there is none or it has expired."""
        found = self._held.get(key)
        if found is None:
            return None
        if found[0] <= self._clock():
            self._drop(key)
            return None
        self._held.move_to_end(key)
        return found[1]

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so long; one that is larger than the whole store is not kept."""
        self._drop(key)
        if len(value) > self._max_bytes:
            return
        self._held[key] = self._clock() + ttl_s, value
        self._bytes += len(value)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    async def delete(self, key: str) -> None:
        """Forget a value."""
        self._drop(key)

    def _drop(self, key: str) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._bytes -= len(found[1])
