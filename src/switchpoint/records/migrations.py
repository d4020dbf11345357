"""The schema of the record log, as the steps that made it; a released step is never edited, only followed.

Money is TEXT (an exact decimal), an instant is TEXT (ISO 8601, UTC, microseconds, so that text order is time order),
JSON is TEXT, NULL is unknown. `docs/records.md` explains every column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from switchpoint.core.errors import ConfigError

Migration = Callable[[sqlite3.Connection], None]


def m001_records(connection: sqlite3.Connection) -> None:
    """One row for each query, and one for each call that was made for it."""
    connection.execute("""
        CREATE TABLE records (
            id TEXT PRIMARY KEY NOT NULL, at TEXT NOT NULL, query_id TEXT NOT NULL,
            route TEXT NOT NULL, strategy TEXT NOT NULL, outcome TEXT NOT NULL,
            answered_by TEXT, accepted INTEGER, reason TEXT, propensity REAL,
            cost_usd TEXT, baseline_model TEXT, baseline_cost_usd TEXT,
            decide_s REAL, latency_s REAL,
            tags TEXT NOT NULL, needs TEXT NOT NULL, config TEXT, artifact TEXT, messages TEXT
        )""")
    connection.execute("CREATE INDEX records_by_time ON records (at, id)")
    connection.execute("""
        CREATE TABLE attempts (
            record_id TEXT NOT NULL REFERENCES records (id), number INTEGER NOT NULL,
            model TEXT NOT NULL, router TEXT NOT NULL, reason TEXT NOT NULL, propensity REAL NOT NULL,
            detail TEXT, novelty REAL, quality TEXT NOT NULL, estimated_cost_usd TEXT NOT NULL,
            failure_kind TEXT, failure_message TEXT, failure_status INTEGER,
            failure_retryable INTEGER, failure_retry_after_s REAL,
            answered INTEGER NOT NULL, answer_model TEXT, finish_reason TEXT,
            input_tokens INTEGER, cached_input_tokens INTEGER, output_tokens INTEGER, stated_cost_usd TEXT,
            cost_usd TEXT, score REAL, verify_cost_usd TEXT,
            latency_s REAL, ttft_s REAL, committed INTEGER NOT NULL,
            response TEXT, body TEXT, logprobs TEXT,
            PRIMARY KEY (record_id, number)
        )""")


def m002_feedback(connection: sqlite3.Connection) -> None:
    """What was thought of the answers later; `latest_feedback` leaves out what its own source has replaced."""
    connection.execute("""
        CREATE TABLE feedback (
            number INTEGER PRIMARY KEY,
            record_id TEXT NOT NULL REFERENCES records (id),
            at TEXT NOT NULL, metric TEXT NOT NULL, value REAL NOT NULL, source TEXT NOT NULL
        )""")
    connection.execute("CREATE INDEX feedback_by_record ON feedback (record_id, metric, source)")
    connection.execute("""
        CREATE VIEW latest_feedback AS
        SELECT * FROM feedback AS f
        WHERE NOT EXISTS (
            SELECT 1 FROM feedback AS later
            WHERE later.record_id = f.record_id AND later.metric = f.metric AND later.source = f.source
              AND later.number > f.number
        )""")


def m003_append_only(connection: sqlite3.Connection) -> None:
    """Refuse to change or delete what was recorded."""
    for table in ("records", "attempts", "feedback"):
        for verb in ("UPDATE", "DELETE"):
            connection.execute(
                f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )


def m004_preparation(connection: sqlite3.Connection) -> None:
    """Say what was spent before deciding; before this there was nothing to spend it on."""
    connection.execute("ALTER TABLE records ADD COLUMN preparation_usd TEXT DEFAULT '0'")
    connection.execute("ALTER TABLE records ADD COLUMN preparation_s REAL DEFAULT 0")


def m005_verdicts(connection: sqlite3.Connection) -> None:
    """Keep every verifier's verdict, abandoned beginnings, the layer that decided, and why an answer was accepted."""
    connection.execute("ALTER TABLE attempts ADD COLUMN verdicts TEXT")
    connection.execute("ALTER TABLE attempts ADD COLUMN partial INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE attempts ADD COLUMN aside INTEGER NOT NULL DEFAULT 0")
    connection.execute("ALTER TABLE attempts ADD COLUMN layer TEXT")
    connection.execute("ALTER TABLE records ADD COLUMN accept_reason TEXT")


MIGRATIONS: tuple[Migration, ...] = (m001_records, m002_feedback, m003_append_only, m004_preparation, m005_verdicts)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply, in one transaction, the migrations that the database has not had yet; without any, nothing is written.

    Raises ConfigError for a database that has had a migration which this version does not know.
    """
    if not _missing(connection, migrations):
        return
    with connection:  # commits, or undoes everything
        connection.execute("BEGIN IMMEDIATE")  # may wait for another process that migrates: look again what is missing
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY NOT NULL, applied_at TEXT NOT NULL)"
        )
        for migration in _missing(connection, migrations):
            migration(connection)
            connection.execute(
                "INSERT INTO migrations VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ', 'now'))", (migration.__name__,)
            )


def _missing(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    applied = _applied(connection)
    unknown = applied - {migration.__name__ for migration in migrations}
    if unknown:
        raise ConfigError(
            f"records: the database was written by a newer Switchpoint ({', '.join(sorted(unknown))}). "
            "Upgrade Switchpoint, or name another file."
        )
    return [migration for migration in migrations if migration.__name__ not in applied]


def _applied(connection: sqlite3.Connection) -> set[str]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone() is None:
        return set()
    return {row[0] for row in connection.execute("SELECT name FROM migrations")}
