"""The bookkeeper: writes the ledger of one process down, off the request path, and reads what was changed by hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from switchpoint.control.spending.budgets import Budget, BudgetStore
from switchpoint.control.spending.ledger import LocalLedger

_logger = logging.getLogger(__name__)


class Bookkeeper:
    """Writes what was spent every `window_s`; what a process that dies has spent since is not booked.

    told : called with the budgets that were set by hand, each time that they were read.
    A database that does not answer is tried again with the next window: nothing is lost meanwhile but by a death.
    """

    def __init__(
        self,
        store: BudgetStore,
        ledger: LocalLedger,
        told: Callable[[Iterable[Budget]], None],
        *,
        window_s: float = 1.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._ledger, self._told = store, ledger, told
        self._window_s, self._now = window_s, now
        self._failing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="switchpoint-ledger", daemon=True)

    def start(self, *, waits: bool = False) -> None:
        """Read what was spent before, then write in a thread until closed.

        waits : whether a database that does not answer is read later, until when nothing is known; else it raises
        StoreUnavailable.
        """
        if waits:
            self._try()
        else:
            self.write()
        self._thread.start()

    def write(self) -> None:
        """Write what is not written, and read the budgets and what others have written."""
        lines = self._ledger.unwritten()
        if lines:
            self._store.book(lines)
            self._ledger.written()
        self._ledger.learn(self._store.spending(self._now(), reserved=True), all=True)
        self._told(self._store.all())

    def close(self) -> None:
        """Write what is left, and stop. May be called again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._window_s):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.write()
        except Exception as error:
            if not self._failing:  # once an outage, not once a second
                _logger.warning("What was spent cannot be written now (%s).", type(error).__name__)
            self._failing = True
        else:
            self._failing = False
