"""The spool: a local file that holds what a database far away could not take, until it can."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from switchpoint.records.database import BUSY_TIMEOUT_S, Database, Entry, write_ahead
from switchpoint.records.store import Item, Store, Trouble, entries_of

PAGE = 500
"""How many entries leave the spool in one transaction."""

FINISH_S = 5.0
"""How long the end of a process may wait for the spool to become empty."""


class Spool:
    """A queue of entries in an SQLite file, first in, first out; several processes may share it.

    What was put survives the death of the process. Every method but `pending` raises Trouble when the file cannot be
    used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pending = path.exists()  # by a process before this one

    def put(self, entries: Sequence[Entry]) -> list[Exception]:
        """Append the entries; returns why each of the others can never be kept."""
        rows: list[tuple[str | None, str]] = []
        unfit: list[Exception] = []
        for entry in entries:
            try:
                rows.append((_record_id(entry), msgspec.json.encode(entry).decode()))
            except (TypeError, ValueError) as error:
                unfit.append(error)
        with self._transaction() as connection:
            connection.executemany("INSERT INTO entries (record_id, entry) VALUES (?, ?)", rows)
        self.pending = True
        return unfit

    @contextmanager
    def take(self, limit: int = PAGE) -> Iterator[Sequence[Entry]]:
        """Lend the oldest entries; they leave the spool at the end unless something is raised."""
        with self._transaction() as connection:
            query = "SELECT number, entry FROM entries ORDER BY number LIMIT ?"
            rows: list[tuple[int, str]] = connection.execute(query, (limit,)).fetchall()
            yield [msgspec.json.decode(entry) for _, entry in rows]
            if rows:
                connection.execute("DELETE FROM entries WHERE number <= ?", (rows[-1][0],))
        self.pending = len(rows) == limit

    def knows(self, record_id: str) -> bool:
        """Whether an entry is of this record."""
        if not self.pending:
            return False
        with self._transaction() as connection:
            found = connection.execute("SELECT 1 FROM entries WHERE record_id = ? LIMIT 1", (record_id,))
            return found.fetchone() is not None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(self._open()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise Trouble(f"the spool {self.path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            write_ahead(connection, BUSY_TIMEOUT_S)
            connection.execute(
                "CREATE TABLE IF NOT EXISTS entries (number INTEGER PRIMARY KEY, record_id TEXT, entry TEXT NOT NULL)"
            )
        except BaseException:
            connection.close()
            raise
        return connection


class SpooledStore(Store):
    """A store whose trouble the spool bears: what the database cannot take goes there, and from there in order.

    rest_s : for how long the database is left alone after trouble. Raises Trouble only when neither can be written.
    """

    def __init__(
        self, database: Database, spool: Spool, rest_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(database)
        self._spool, self._rest_s, self._clock = spool, rest_s, clock
        self._resting_until: float | None = None

    @property
    def pending(self) -> bool:
        """Whether the spool holds something to write."""
        return self._spool.pending

    def knows(self, record_id: str) -> bool:
        """Whether a record of this id waits in the spool."""
        return self._spool.knows(record_id)

    def write(self, items: Sequence[Item]) -> list[Exception]:
        """Write the items behind what is spooled; returns why each unfit item, also a spooled one, is never written."""
        entries, unfit = entries_of(items)
        if not self._rests():
            try:
                unfit += self._drain()
                if not self._spool.pending:
                    return unfit + self.insert(entries)
            except Trouble as error:
                self.trouble = str(error)
                self._resting_until = self._clock() + self._rest_s
        if entries:
            unfit += self._spool.put(entries)
        return unfit

    def finish(self) -> list[Exception]:
        """Empty the spool, at once and for FINISH_S at most; the rest stays there for the next process."""
        unfit: list[Exception] = []
        end = self._clock() + FINISH_S
        try:
            while self._spool.pending and self._clock() < end:
                unfit += self._drain()
        except Trouble as error:
            self.trouble = str(error)
        return unfit

    def _rests(self) -> bool:
        return self._resting_until is not None and self._clock() < self._resting_until

    def _drain(self) -> list[Exception]:
        """Write one page of what is spooled."""
        if not self._spool.pending:
            return []
        with self._spool.take() as entries:
            return self.insert(entries)


def _record_id(entry: Entry) -> str | None:
    """Return the id of the record that an entry is; None for feedback."""
    return entry["records"][0]["id"] if "records" in entry else None
