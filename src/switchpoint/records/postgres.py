"""The record log in PostgreSQL: all in which it differs from the SQLite file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from switchpoint.records.database import Entry, Reading, Rows, Writing, insertions
from switchpoint.stores.postgres import Postgres, refuses_data

if TYPE_CHECKING:
    from collections.abc import Callable

READ_TIMEOUT_S = 60.0
"""How long one statement of a page or a report may take; it reads every record of its span."""

STEPS = (
    """
    CREATE TABLE records (
        id TEXT COLLATE "C" PRIMARY KEY, at TEXT COLLATE "C" NOT NULL, query_id TEXT NOT NULL,
        route TEXT COLLATE "C" NOT NULL, strategy TEXT NOT NULL, outcome TEXT NOT NULL,
        answered_by TEXT COLLATE "C", accepted INTEGER, reason TEXT, propensity DOUBLE PRECISION,
        cost_usd TEXT, baseline_model TEXT, baseline_cost_usd TEXT,
        decide_s DOUBLE PRECISION, latency_s DOUBLE PRECISION,
        tags TEXT NOT NULL, needs TEXT NOT NULL, config TEXT, artifact TEXT, messages TEXT,
        preparation_usd TEXT, preparation_s DOUBLE PRECISION, accept_reason TEXT
    );
    CREATE INDEX records_by_time ON records (at, id);
    CREATE TABLE attempts (
        record_id TEXT COLLATE "C" NOT NULL REFERENCES records (id), number INTEGER NOT NULL,
        model TEXT COLLATE "C" NOT NULL, router TEXT NOT NULL, reason TEXT NOT NULL,
        propensity DOUBLE PRECISION NOT NULL,
        detail TEXT, novelty DOUBLE PRECISION, quality TEXT NOT NULL, estimated_cost_usd TEXT NOT NULL,
        failure_kind TEXT, failure_message TEXT, failure_status INTEGER,
        failure_retryable BOOLEAN, failure_retry_after_s DOUBLE PRECISION,
        answered BOOLEAN NOT NULL, answer_model TEXT, finish_reason TEXT,
        input_tokens BIGINT, cached_input_tokens BIGINT, output_tokens BIGINT, stated_cost_usd TEXT,
        cost_usd TEXT, score DOUBLE PRECISION, verify_cost_usd TEXT,
        latency_s DOUBLE PRECISION, ttft_s DOUBLE PRECISION, committed BOOLEAN NOT NULL,
        response TEXT, body TEXT, logprobs TEXT, verdicts TEXT,
        partial BOOLEAN NOT NULL, aside BOOLEAN NOT NULL, layer TEXT COLLATE "C",
        PRIMARY KEY (record_id, number)
    );
    CREATE TABLE feedback (
        number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        record_id TEXT COLLATE "C" NOT NULL REFERENCES records (id),
        at TEXT COLLATE "C" NOT NULL, metric TEXT COLLATE "C" NOT NULL, value DOUBLE PRECISION NOT NULL,
        source TEXT COLLATE "C" NOT NULL,
        UNIQUE (record_id, metric, source, at)
    );
    CREATE VIEW latest_feedback AS
        SELECT * FROM feedback AS f
        WHERE NOT EXISTS (
            SELECT 1 FROM feedback AS later
            WHERE later.record_id = f.record_id AND later.metric = f.metric AND later.source = f.source
              AND later.number > f.number
        );
    CREATE FUNCTION switchpoint_append_only() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON records
        EXECUTE FUNCTION switchpoint_append_only();
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON attempts
        EXECUTE FUNCTION switchpoint_append_only();
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON feedback
        EXECUTE FUNCTION switchpoint_append_only();
    """,
)
"""The schema, as the steps that made it: the columns of `migrations.py`, with PostgreSQL's types.

Text is compared byte by byte (`COLLATE "C"`), so that the same queries find the same rows in the same order as SQLite.
Unlike there, feedback that is written again after a commit whose end was not seen is one row.
"""


class Unfit(Exception):
    """A row that PostgreSQL refuses: the class of its error alone, since the text quotes the row."""


class PostgresDatabase:
    """A record log in PostgreSQL, which the replicas of any number of machines write."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._prepared = False

    @property
    def name(self) -> str:
        """Its kind; where it is may hold a password."""
        return "PostgreSQL"

    def prepare(self) -> None:
        """Bring the schema up to date, once; raises StoreUnavailable, ConfigError for a newer one."""
        if not self._prepared:
            self._postgres.migrate("records", STEPS)
            self._prepared = True

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Open it without any right to write; raises StoreUnavailable."""
        self.prepare()
        with self._postgres.connected(READ_TIMEOUT_S) as connection:
            connection.execute("SET default_transaction_read_only = on")
            connection.row_factory = _by_place_and_name
            yield _Reading(connection)

    def writing(self) -> Writing:
        """Open it to write; raises StoreUnavailable."""
        self.prepare()
        return _Writing(self._postgres.connect())

    def is_trouble(self, error: Exception) -> bool:
        """Whatever PostgreSQL says but that this row is unfit."""
        return not isinstance(error, Unfit)


class _Reading:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = (), /) -> Rows:
        rows: Rows = self._connection.execute(translated(sql), parameters)
        return rows


class _Writing:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def insert(self, entries: Sequence[Entry]) -> None:
        try:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                for statement, rows in insertions(entries):
                    cursor.executemany(translated(statement), [_storable(row) for row in rows])
        except Exception as error:
            if refuses_data(error):
                raise Unfit(type(error).__name__) from None
            raise

    def close(self) -> None:
        self._connection.close()


class _Row(tuple[Any, ...]):
    """A row that gives its values by place and, as SQLite's, by column name."""

    __slots__ = ()
    places: Mapping[str, int]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.places[key] if isinstance(key, str) else key)


def _by_place_and_name(cursor: Any) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    columns = {column.name: place for place, column in enumerate(cursor.description or ())}
    return type("Row", (_Row,), {"__slots__": (), "places": columns})


@cache
def translated(sql: str) -> str:
    """Write a statement's values as the driver wants them: ? as %s, :name as %(name)s.

    Only for statements of this room: none has a question mark or a colon in a text.
    """
    return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", sql.replace("%", "%%").replace("?", "%s"))


def _storable(row: Sequence[Any]) -> list[Any]:
    """Return a row as SQLite would keep it: NaN is NULL. The character NUL, which PostgreSQL refuses, is replaced."""
    return [_value(value) for value in row]


def _value(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value
