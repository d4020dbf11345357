"""Ids: unguessable names for queries and records, drawn from the system's randomness in large pieces."""

from __future__ import annotations

import os
from datetime import datetime

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


def timed_id(at: datetime) -> str:
    """Return a new id that sorts by time: 12 hexadecimal digits of milliseconds since 1970, and 20 at random.

    For what is kept in the order of its coming: an index by ids that come in order grows at its end, which halves the
    work of writing to a large log. The layout is UUID version 7's (RFC 9562), without its version and variant bits.
    """
    return f"{max(0, int(at.timestamp() * 1000)):012x}{new_id()[12:]}"
