"""Circuit: while a store does not answer, nobody waits to find that out again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from switchpoint.core.errors import StoreUnavailable

_logger = logging.getLogger(__name__)


class Circuit:
    """Remembers that a store failed; for `rest_s` after a failure nobody tries, then one does for all.

    store : its name in messages, never its address. clock : seconds that only grow.
    """

    def __init__(self, store: str, rest_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._rest_s, self._clock = store, rest_s, clock
        self._resting_until: float | None = None

    @property
    def closed(self) -> bool:
        """Whether the store did what was last asked of it."""
        return self._resting_until is None

    def check(self) -> None:
        """Raise StoreUnavailable while the store rests; the first to ask after that may try, the others rest on."""
        if self._resting_until is None:
            return
        now = self._clock()
        if now < self._resting_until:
            raise StoreUnavailable(f"{self._store} does not answer. It is tried again soon.", self._rest_s)
        self._resting_until = now + self._rest_s

    def worked(self) -> None:
        """Say that the store answered."""
        if self._resting_until is not None:
            self._resting_until = None
            _logger.warning("%s answers again.", self._store)

    def failed(self, error: BaseException) -> StoreUnavailable:
        """Say that the store did not answer; returns what to raise. Only the class of the error is ever shown."""
        if self._resting_until is None:
            _logger.warning("%s does not answer (%s).", self._store, type(error).__name__)
        self._resting_until = self._clock() + self._rest_s
        return StoreUnavailable(f"{self._store} does not answer ({type(error).__name__}).", self._rest_s)
