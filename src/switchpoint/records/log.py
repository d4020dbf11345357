"""The record log: append-only, in SQLite or PostgreSQL, written in batches by one thread off the request path."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from switchpoint.core.errors import RequestError, StoreUnavailable, SwitchpointError, UnknownRecord
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import BUSY_TIMEOUT_S, Database, SqliteFile, database_of
from switchpoint.records.spool import Spool, SpooledStore
from switchpoint.records.store import Item, Store, Trouble

_logger = logging.getLogger(__name__)


MOST_AT_ONCE = 1_000
"""Records that share a transaction where more wait than a batch: fewer turns with a busy event loop, longer ones."""


class RecordLog:
    """A sink that remembers: calling it with a record never blocks and never raises.

    place : the path of a file, `env:NAME` for the PostgreSQL whose URL that variable holds, or a database.
    spool : a local file for what the database cannot take, until it can; without one, that waits in memory.
    flush_interval_s : how long a record waits at most for others to share its transaction.
    batch : how many records share a transaction; more do where more wait.
    queue_limit : how many records are kept while nothing can be written; newer ones are then lost, and counted.
    busy_timeout_s, retry_s : how long to wait for another process that writes, and before trying a failed write again.

    Several processes may write one log. What was flushed survives the death of the process.
    Raises ConfigError when the log cannot be opened or was written by a newer version; StoreUnavailable when PostgreSQL
    does not answer and there is no spool.
    """

    def __init__(
        self,
        place: str | Path | Database,
        *,
        spool: Path | None = None,
        flush_interval_s: float = 0.2,
        batch: int = 200,
        queue_limit: int = 10_000,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        retry_s: float = 1.0,
    ) -> None:
        self.database = database_of(place, busy_timeout_s)
        self._prepare(waits=spool is not None)
        self._flush_interval_s, self._batch = flush_interval_s, batch
        self._queue_limit, self._retry_s = queue_limit, retry_s
        self._store = Store(self.database) if spool is None else SpooledStore(self.database, Spool(spool), retry_s)
        self._queue: deque[Item] = deque()  # an item stays here until it is written: what waits can still be found
        self._changed = threading.Condition()  # guards everything below and the queue
        self._accepted = self._settled = self._dropped = 0
        self._tries = self._failed_try = 0  # to write: the latest one's number, and that of the latest that failed
        self._flush_to = 0  # write without waiting for a batch until this many are settled
        self._flush_try = 0  # the first try that a flush which waits has asked for
        self._trouble: str | None = None  # why the last write failed, until one succeeds
        self._last_error: str | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="switchpoint-records", daemon=True)
        self._thread.start()

    def __call__(self, record: Record) -> None:
        """Take a record; it is written soon, or counted in `dropped`."""
        self._put(record)

    @property
    def path(self) -> Path | Database:
        """Where `RecordReader` finds the log: its file, or the database that is none."""
        return self.database.path if isinstance(self.database, SqliteFile) else self.database

    @property
    def spooling(self) -> bool:
        """Whether something waits in the spool."""
        return self._store.pending

    @property
    def dropped(self) -> int:
        """How many records and pieces of feedback were lost: the queue was full, the log closed, or they were unfit."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many are neither written nor spooled yet."""
        return len(self._queue)

    @property
    def last_error(self) -> str | None:
        """What last went wrong; it stays after recovery. Never quotes a record."""
        return self._last_error

    def add_feedback(self, feedback: Feedback) -> None:
        """Remember feedback on a record of this log, written or still waiting to be.

        Sending it again is harmless: each is a row, and readers take the newest of the same record, metric and source.
        Raises UnknownRecord, RequestError for a value outside [0, 1], SwitchpointError when the queue is full.
        """
        if not 0 <= feedback.value <= 1:
            raise RequestError(
                f"The 'value' of feedback must be a number from 0 to 1. Got {feedback.value} instead.", "value"
            )
        if not self._knows(feedback.record_id):
            raise UnknownRecord(feedback.record_id)
        if not self._put(feedback):
            raise SwitchpointError(f"The record log cannot take feedback now ({self._last_error}). Try again later.")

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until all that was taken so far is written or spooled, a try begun since has failed, or time is over.

        Returns whether nothing is waiting any more; what is unfit to be written counts in `dropped`.
        """
        with self._changed:
            target, asked = self._accepted, self._tries + 1
            self._flush_to, self._flush_try = target, asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._settled >= target or self._failed_try >= asked, timeout_s)
            return self._settled >= target

    def close(self) -> None:
        """Write what waits, once, and stop; what cannot be written is counted in `dropped`. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, item: Item) -> bool:
        with self._changed:
            if self._closed or len(self._queue) >= self._queue_limit:
                full = f"{self._queue_limit} records wait, the file is too slow"
                self._lose(self._trouble or ("the log is closed" if self._closed else full))
                return False
            self._queue.append(item)
            self._accepted += 1
            if len(self._queue) in (1, self._batch):  # the only lengths that the writer waits for
                self._changed.notify_all()
            return True

    def _prepare(self, *, waits: bool) -> None:
        try:
            self.database.prepare()
        except StoreUnavailable as error:
            if not waits:
                raise
            _logger.warning("The record log %s: %s", self.database.name, error)

    def _knows(self, record_id: str) -> bool:
        with self._changed:  # the queue first: a record leaves it only after it can be read from where it goes
            if any(isinstance(item, Record) and item.id == record_id for item in self._queue):
                return True
        if self._store.knows(record_id):
            return True
        with self.database.reading() as connection:
            return connection.execute("SELECT 1 FROM records WHERE id = ?", (record_id,)).fetchone() is not None

    def _run(self) -> None:
        while (items := self._next()) is not None:
            try:
                unfit = self._store.write(items)
            except Trouble as error:
                self._wait_to_retry(error)
            else:
                self._settle(len(items), unfit)
        self._settle(0, self._store.finish())
        self._store.close()

    def _next(self) -> Sequence[Item] | None:
        """Wait for a batch, which is empty when the spool is to be emptied; None once there is nothing left to do."""
        with self._changed:
            spool_s = (self._retry_s if self._store.trouble else 0.0) if self._store.pending else None
            self._changed.wait_for(lambda: self._queue or self._closed, spool_s)
            if self._queue:
                self._changed.wait_for(self._due, self._flush_interval_s)
            elif self._closed:
                return None
            self._tries += 1
            return tuple(islice(self._queue, min(max(self._batch, len(self._queue)), MOST_AT_ONCE)))

    def _due(self) -> bool:
        return len(self._queue) >= self._batch or self._settled < self._flush_to or self._closed

    def _settle(self, count: int, unfit: Sequence[Exception]) -> None:
        with self._changed:
            for _ in range(count):
                self._queue.popleft()
            self._settled += count
            self._trouble = self._store.trouble
            if self._trouble is not None:
                self._note(self._trouble)
            for error in unfit:
                self._lose(f"{type(error).__name__}: {error}")
            self._changed.notify_all()

    def _wait_to_retry(self, error: Trouble) -> None:
        """Wait a while, or until somebody flushes; once the log is closed, give up what waits instead."""
        with self._changed:
            self._trouble = str(error)
            self._failed_try = self._tries
            if self._flush_try <= self._tries:  # a flush that came after this try began is still owed one
                self._flush_to = self._settled
            self._note(self._trouble)
            if self._closed:
                self._give_up()
            self._changed.notify_all()
            self._changed.wait_for(self._retry_now, self._retry_s)

    def _give_up(self) -> None:
        self._dropped += len(self._queue)
        self._settled = self._accepted
        self._queue.clear()

    def _retry_now(self) -> bool:
        return self._settled < self._flush_to or self._closed

    def _lose(self, why: str) -> None:
        self._dropped += 1
        self._note(why)

    def _note(self, error: str) -> None:
        if error != self._last_error:  # once, not once a record
            _logger.warning("The record log %s: %s", self.database.name, error)
        self._last_error = error
