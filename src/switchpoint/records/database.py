"""Where a record log is kept: a database, read and written through the same few words; and the SQLite file."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from switchpoint.core.errors import ConfigError
from switchpoint.records.migrations import migrate
from switchpoint.records.rows import Row

BUSY_TIMEOUT_S = 5.0
"""How long one process waits for another that is writing."""

CHECKPOINT_PAGES = 4_000
"""The write-ahead log goes into the file when it has so many pages of 4 kB; at SQLite's own 1,000 it goes four times as
often, each time with pages that change again soon, since ids fall everywhere in their index."""

Entry = Mapping[str, Sequence[Row]]
"""The rows of one record, or of one piece of feedback, by table."""


class Rows(Protocol):
    """What a statement found; each row gives its values in order, by place and by column name."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """Return all that is left."""
        ...


class Reading(Protocol):
    """A connection to read through; SQL is written as for SQLite."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Rows:
        """Find rows; each ? or :name is a value of the parameters."""
        ...


class Writing(Protocol):
    """A connection to write through; it belongs to one thread."""

    def insert(self, entries: Sequence[Entry]) -> None:
        """Insert all of these in one transaction; a row whose key is there already is the same row, and skipped."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Database(Protocol):
    """Where a record log is kept."""

    @property
    def name(self) -> str:
        """What messages call it; never a secret."""
        ...

    def prepare(self) -> None:
        """Make sure that it can be written and has the newest schema; raises ConfigError, StoreUnavailable."""
        ...

    def reading(self) -> AbstractContextManager[Reading]:
        """Open it without any right to write."""
        ...

    def writing(self) -> Writing:
        """Open it to write, with the newest schema."""
        ...

    def is_trouble(self, error: Exception) -> bool:
        """Say whether the database is at fault (locked, full, gone) rather than the row."""
        ...


class SqliteFile:
    """A record log in one SQLite file, which several processes of one machine may write."""

    def __init__(self, path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path, self._busy_timeout_s = path, busy_timeout_s

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def prepare(self) -> None:
        """Open the file once, however long others take; raises ConfigError, which says what to do."""
        try:
            open_to_write(self.path).close()
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"records: cannot open {self.name!r} ({error}). "
                "It must be a record log, or a new file in a folder that can be written."
            ) from None

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file without any right to write."""
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.row_factory = sqlite3.Row
            yield connection

    def writing(self) -> Writing:
        """Open the file to write."""
        return _SqliteWriting(open_to_write(self.path, self._busy_timeout_s))

    def is_trouble(self, error: Exception) -> bool:
        """Locked, full, damaged or gone."""
        damaged = type(error) is sqlite3.DatabaseError
        return damaged or isinstance(error, sqlite3.OperationalError | OSError | ConfigError)


class _SqliteWriting:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def insert(self, entries: Sequence[Entry]) -> None:
        with self._connection as connection:  # commits, or undoes everything
            connection.execute("BEGIN IMMEDIATE")
            for statement, rows in insertions(entries):
                start = 0
                for size in TOGETHER:
                    while len(rows) - start >= size:
                        values = [value for row in rows[start : start + size] for value in row]
                        connection.execute(together(statement, size), values)
                        start += size

    def close(self) -> None:
        self._connection.close()


def database_of(place: str | Path | Database, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Return the database at a place: a path is that of an SQLite file.

    `env:NAME` is the PostgreSQL whose URL the variable NAME holds, so that no password is on a command line.
    """
    if not isinstance(place, str | Path):
        return place
    prefix, _, name = str(place).partition(":")
    if prefix == "env":
        return postgres_of(os.environ.get(name), name)
    return SqliteFile(Path(place), busy_timeout_s)


def postgres_of(url: str | None, variable: str) -> Database:
    """Return the PostgreSQL of this URL; raises ConfigError where the variable that should hold it is not set."""
    from switchpoint.records.postgres import PostgresDatabase
    from switchpoint.stores.postgres import Postgres

    if not url:
        raise ConfigError(f"records: the environment variable {variable} is not set. Export PostgreSQL's URL in it.")
    return PostgresDatabase(Postgres(url))


def open_to_write(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open the log, making the file and its folder if they are missing, with the newest schema.

    The write-ahead log with `synchronous = NORMAL` survives the death of the process; a power cut may lose the last
    transactions, never the file. Raises ConfigError for a newer schema, sqlite3.Error and OSError for the rest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, cached_statements=512)
    try:
        write_ahead(connection, busy_timeout_s)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def write_ahead(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Switch a file to the write-ahead log.

    SQLite does not wait its busy time-out for that: of two processes that open a new file at once, one is told at once
    that it is locked. So we wait here.
    """
    end = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")


def insertions(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Sequence[Any]]]]:
    """Yield statements, each with the values of all rows that it inserts: the rows that others refer to first."""
    for table in TABLES:
        alike: dict[tuple[str, ...], list[Sequence[Any]]] = {}
        for entry in entries:
            for row in entry.get(table, ()):
                alike.setdefault(tuple(row), []).append(tuple(row.values()))
        for columns, values in alike.items():
            yield insertion(table, columns), values


TABLES = ("records", "attempts", "feedback")
TOGETHER = (64, 32, 16, 8, 4, 2, 1)
"""How many rows one statement inserts, the most first. SQLite gives up the interpreter for each statement, and a busy
event loop gives it back after 5 ms: one for each row would write 200 rows a second when there is most to write."""


@lru_cache(maxsize=1024)
def together(statement: str, rows: int) -> str:
    """Return the statement that inserts so many rows as this one inserts one."""
    before, _, rest = statement.partition(" VALUES ")
    row, _, after = rest.partition(" ON CONFLICT")
    return f"{before} VALUES {', '.join([row] * rows)} ON CONFLICT{after}"


def insertion(table: str, columns: Collection[str]) -> str:
    """Return the statement that inserts a row of these columns; each ? is a value.

    A second row with the same key is the same record, written again after a commit whose end was not seen.
    """
    values = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values}) ON CONFLICT DO NOTHING"
