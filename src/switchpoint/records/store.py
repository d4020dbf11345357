"""The writing end of the log: batches in, transactions out. It belongs to one thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from switchpoint.core.errors import ConfigError
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import open_to_write
from switchpoint.records.rows import Row, attempt_rows, feedback_row, record_row

Item = Record | Feedback


class FileTrouble(Exception):
    """The file cannot be written now; the same batch may be written later."""


class Store:
    """One connection, opened when there is something to write and again after trouble."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path, self._busy_timeout_s = path, busy_timeout_s
        self._connection: sqlite3.Connection | None = None

    def write(self, items: Sequence[Item]) -> list[Exception]:
        """Write all of them in one transaction, or, if one is unfit, each in its own.

        Writing again what may have been written before is harmless. Returns why each unfit item can never be written;
        raises FileTrouble when nothing can be written now.
        """
        try:
            self._commit(items)
        except Exception as error:
            if _is_file_trouble(error):
                self.close()
                raise FileTrouble(str(error)) from error
            if len(items) == 1:
                return [error]
            return [unfit for item in items for unfit in self.write([item])]
        return []

    def close(self) -> None:
        """Close the connection; the next write opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _commit(self, items: Sequence[Item]) -> None:
        records = [item for item in items if isinstance(item, Record)]
        tables = {
            "records": [record_row(record) for record in records],
            "attempts": [row for record in records for row in attempt_rows(record)],
            "feedback": [feedback_row(item) for item in items if isinstance(item, Feedback)],
        }
        if self._connection is None:
            self._connection = open_to_write(self._path, self._busy_timeout_s)
        with self._connection as connection:  # commits, or undoes everything
            connection.execute("BEGIN IMMEDIATE")
            for table, rows in tables.items():
                if rows:
                    connection.executemany(insertion(table, rows[0]), rows)


def insertion(table: str, row: Row) -> str:
    """Return the statement that inserts such a row.

    A second row with the same key is the same record, written again after a commit whose end was not seen.
    """
    values = ", ".join(f":{column}" for column in row)
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({values}) ON CONFLICT DO NOTHING"


def _is_file_trouble(error: Exception) -> bool:
    """Say whether the file is at fault (locked, full, damaged, gone) rather than the row."""
    damaged = type(error) is sqlite3.DatabaseError
    return damaged or isinstance(error, sqlite3.OperationalError | OSError | ConfigError)
