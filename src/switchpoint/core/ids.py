"""Ids: unguessable names for queries and records, drawn from the system's randomness in large pieces."""

from __future__ import annotations

import os

SIZE = 16
AT_ONCE = 256
"""Ids drawn with one call of the system, which costs as much as half a decision."""


class Ids:
    """Draws ids. A process that forks draws anew: two processes never give the same id."""

    def __init__(self) -> None:
        self._drawn = b""
        self._next = 0
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> str:
        """Return 32 hexadecimal digits that nobody has seen before."""
        start = self._next
        if start >= len(self._drawn):
            self._drawn, start = os.urandom(SIZE * AT_ONCE), 0
        self._next = start + SIZE
        return self._drawn[start : start + SIZE].hex()

    def _forget(self) -> None:
        self._drawn, self._next = b"", 0


new_id = Ids()
"""Returns a new id. For one thread: the event loop's."""
