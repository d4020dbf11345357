"""The writing end of the log: batches in, transactions out. It belongs to one thread."""

from __future__ import annotations

from collections.abc import Sequence

from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import Database, Entry, Writing
from switchpoint.records.rows import attempt_rows, feedback_row, record_row

Item = Record | Feedback


class Trouble(Exception):
    """The database cannot be written now; the same batch may be written later."""


class Store:
    """One connection, opened when there is something to write and again after trouble."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Writing | None = None
        self.trouble: str | None = None  # why the database could not be written, until it could

    @property
    def pending(self) -> bool:
        """Whether there is something to write besides what is given: never."""
        return False

    def knows(self, record_id: str) -> bool:
        """Whether a record of this id is kept outside the database: never."""
        return False

    def write(self, items: Sequence[Item]) -> list[Exception]:
        """Write all of them in one transaction, or, if one is unfit, each in its own.

        Writing again what may have been written before is harmless. Returns why each unfit item can never be written;
        raises Trouble when nothing can be written now.
        """
        entries, unfit = entries_of(items)
        return unfit + self.insert(entries)

    def finish(self) -> list[Exception]:
        """Write what else is to be written before the end: nothing."""
        return []

    def insert(self, entries: Sequence[Entry]) -> list[Exception]:
        """Write rows as `write` writes what they are made of."""
        if not entries:
            return []
        try:
            if self._connection is None:
                self._connection = self._database.writing()
            self._connection.insert(entries)
        except Exception as error:
            if self._database.is_trouble(error):
                self.close()
                self.trouble = str(error)
                raise Trouble(self.trouble) from error
            if len(entries) == 1:
                return [error]
            return [unfit for entry in entries for unfit in self.insert([entry])]
        self.trouble = None
        return []

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def entries_of(items: Sequence[Item]) -> tuple[list[Entry], list[Exception]]:
    """Return the rows of each item, and why each of the others has none."""
    entries: list[Entry] = []
    unfit: list[Exception] = []
    for item in items:
        try:
            entries.append(_entry(item))
        except Exception as error:
            unfit.append(error)
    return entries, unfit


def _entry(item: Item) -> Entry:
    if isinstance(item, Record):
        return {"records": [record_row(item)], "attempts": attempt_rows(item)}
    return {"feedback": [feedback_row(item)]}
