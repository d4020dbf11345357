"""Memory: the key-value store of one process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

ENTRY_BYTES = 350
"""What an entry takes beside the text of its key and the bytes of its value: two objects' heads, a tuple, a number, and
its place in the table. Small values would else take several times what they are allowed."""


class Memory:
    """Keeps values in memory; what was used longest ago goes first once there is no room.

    max_bytes : of all keys and values together, with what Python needs to keep them. clock : seconds that only grow.
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
        size = _size(key, value)
        if size > self._max_bytes:
            return
        self._held[key] = self._clock() + ttl_s, value
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._held)))

    async def delete(self, key: str) -> None:
        """Forget a value."""
        self._drop(key)

    def _drop(self, key: str) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._bytes -= _size(key, found[1])


def _size(key: str, value: bytes) -> int:
    return ENTRY_BYTES + len(key) + len(value)
