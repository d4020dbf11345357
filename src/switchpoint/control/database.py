"""Where keys, budgets and spending are kept: an SQLite file, or the PostgreSQL that replicas share.

Both understand the statements that are used here: text, numbers, `ON CONFLICT`. They differ in the mark of a parameter,
which is written `?` and translated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

from switchpoint.core.errors import ConfigError, StoreUnavailable
from switchpoint.stores.postgres import Postgres

BUSY_TIMEOUT_S = 5.0
Row = tuple[Any, ...]


class Execute(Protocol):
    """Runs one statement of a transaction and returns its rows."""

    def __call__(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Return the rows, none where the statement has none."""
        ...


class Database(Protocol):
    """Something that runs transactions; it may block, so never on the event loop."""

    def transaction(self) -> AbstractContextManager[Execute]:
        """Begin; commit at the end of the block, or undo all of it where the block raises.

        Raises StoreUnavailable when the database does not answer.
        """
        ...


SCHEMA = (
    """CREATE TABLE IF NOT EXISTS api_keys (
        id TEXT PRIMARY KEY NOT NULL, digest TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created TEXT NOT NULL,
        tenant TEXT NOT NULL, team TEXT, permissions TEXT NOT NULL, routes TEXT, models TEXT,
        expires TEXT, disabled INTEGER NOT NULL DEFAULT 0
    )""",
    """CREATE TABLE IF NOT EXISTS budgets (
        scope TEXT NOT NULL, name TEXT NOT NULL, per TEXT NOT NULL, usd DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (scope, name, per)
    )""",
    """CREATE TABLE IF NOT EXISTS spending (
        account TEXT NOT NULL, period TEXT NOT NULL,
        spent_usd DOUBLE PRECISION NOT NULL DEFAULT 0, reserved_usd DOUBLE PRECISION NOT NULL DEFAULT 0,
        PRIMARY KEY (account, period)
    )""",
    """CREATE TABLE IF NOT EXISTS reservations (
        id TEXT NOT NULL, account TEXT NOT NULL, period TEXT NOT NULL,
        usd DOUBLE PRECISION NOT NULL, expires_s DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (id, account)
    )""",
)
"""Money is USD; an instant is TEXT (ISO 8601, UTC); a set of names is TEXT (a JSON array), NULL is all of them.

A reservation's end is in seconds since the epoch. Only replicas that share a PostgreSQL keep reservations: those of one
process end with it.
"""


class SqliteFile:
    """A file, opened anew for every transaction: it is used by hand, and by one thread a second.

    Raises ConfigError when it cannot be made or opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                for statement in SCHEMA:
                    connection.execute(statement)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"access: cannot open {str(path)!r} ({error}). It must be a database of keys, or a new file in a "
                "folder that can be written."
            ) from None

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Run a transaction; see `Database`."""
        try:
            with closing(self._connect()) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                yield lambda statement, values=(): connection.execute(statement, values).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailable(f"The database of keys and budgets does not answer ({error}).") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)


class SharedDatabase:
    """The PostgreSQL of all replicas; its tables are made with the first transaction, where they are missing."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self._prepared = False

    def prepare(self) -> None:
        """Make what is missing, once; raises StoreUnavailable, ConfigError for a newer one."""
        if not self._prepared:
            self.postgres.migrate("control", [";\n".join(SCHEMA)])
            self._prepared = True

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Run a transaction; see `Database`."""
        self.prepare()
        with self.postgres.connected() as connection, connection.transaction():

            def execute(statement: str, values: Sequence[object] = ()) -> list[Row]:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                return [] if cursor.description is None else cursor.fetchall()

            yield execute
