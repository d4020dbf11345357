"""Old databases are brought up to date without loss; databases of a newer version are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import insertion
from switchpoint.records.log import RecordLog
from switchpoint.records.migrations import MIGRATIONS, m001_records, migrate
from switchpoint.records.reader import RecordReader
from switchpoint.records.rows import Row, attempt_rows, record_row


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as connection:
        yield connection


def applied(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM migrations ORDER BY rowid")]


def as_of(connection: sqlite3.Connection, table: str, row: Row) -> Row:
    """Return what of a row the database of that day had columns for."""
    columns = {column[1] for column in connection.execute(f"PRAGMA table_info({table})")}
    return {name: value for name, value in row.items() if name in columns}


def unnamed_verifiers(record: Record) -> Record:
    """Return the record with its verdicts as they were kept before each verifier had a name."""
    verdicts = [tuple(replace(verdict, verifier="") for verdict in attempt.verdicts) for attempt in record.attempts]
    attempts = tuple(replace(attempt, verdicts=v) for attempt, v in zip(record.attempts, verdicts, strict=True))
    return replace(record, attempts=attempts)


def m900_extra(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE extra (x)")


def m901_broken(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE half (x)")
    connection.execute("INSERT INTO nowhere VALUES (1)")


def test_every_migration_is_applied_once_and_recorded_by_name(connection: sqlite3.Connection):
    migrate(connection)
    migrate(connection)

    assert applied(connection) == [migration.__name__ for migration in MIGRATIONS]


def test_migrations_are_named_in_the_order_in_which_they_are_applied():
    names = [migration.__name__ for migration in MIGRATIONS]

    assert names == sorted(names)
    assert [int(name[1:4]) for name in names] == list(range(1, len(names) + 1))


def test_a_database_of_the_first_version_is_upgraded_without_loss(
    connection: sqlite3.Connection, tmp_path: Path, full: Record
):
    migrate(connection, [m001_records])
    for table, rows in {"records": [record_row(full)], "attempts": attempt_rows(full)}.items():
        for row in rows:
            then = as_of(connection, table, row)
            connection.execute(insertion(table, then), tuple(then.values()))

    with RecordLog(tmp_path / "log.sqlite") as log:
        log.add_feedback(Feedback(record_id="rec-0", at=datetime.now(UTC), metric="m", value=1.0, source="s"))

    assert RecordReader(log.path).get("rec-0") == unnamed_verifiers(full)
    assert log.dropped == 0
    assert len(RecordReader(log.path).feedback()) == 1


def test_opening_an_up_to_date_database_writes_nothing(connection: sqlite3.Connection):
    migrate(connection)
    connection.execute("PRAGMA query_only = ON")

    migrate(connection)


def test_a_newer_database_is_refused_and_left_alone(connection: sqlite3.Connection, tmp_path: Path):
    migrate(connection, [*MIGRATIONS, m900_extra])

    with pytest.raises(ConfigError, match=r"newer Switchpoint \(m900_extra\). Upgrade Switchpoint"):
        RecordLog(tmp_path / "log.sqlite")
    assert "m900_extra" in applied(connection)


def test_migrations_are_applied_all_or_none(connection: sqlite3.Connection):
    migrate(connection)

    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, [*MIGRATIONS, m900_extra, m901_broken])

    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert not tables & {"extra", "half"}
    assert "m900_extra" not in applied(connection)
