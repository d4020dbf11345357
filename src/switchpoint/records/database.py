"""How the file of the record log is opened: by many processes at once, and safely after any of them was killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from switchpoint.core.errors import ConfigError
from switchpoint.records.migrations import migrate

BUSY_TIMEOUT_S = 5.0
"""How long one process waits for another that is writing."""


def open_to_write(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open the log, making the file and its folder if they are missing, with the newest schema.

    The write-ahead log with `synchronous = NORMAL` survives the death of the process; a power cut may lose the last
    transactions, never the file. Raises ConfigError for a newer schema, sqlite3.Error and OSError for the rest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def open_to_read(path: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[sqlite3.Connection]:
    """Open the log without any right to write; rows are read by column name."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=busy_timeout_s)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def prepare(path: Path) -> None:
    """Make sure that the log can be opened and has the newest schema; raises ConfigError, which says what to do."""
    try:
        open_to_write(path).close()
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(
            f"records: cannot open {str(path)!r} ({error}). "
            "It must be a record log, or a new file in a folder that can be written."
        ) from None
