"""Reading the record log: one record, the latest ones, all of them, and the totals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import Database, Reading, SqliteFile, database_of
from switchpoint.records.rows import feedback_of, instant, record_of
from switchpoint.records.summary import Summary, summarize

PAGE = 200
"""How many records are read at once; it bounds the memory of `all`."""

LAST_CHARACTER = "\U0010ffff"


class RecordReader:
    """Reads the log while others write it. Every call opens the database anew, so any thread may make it.

    place : the path of a file, `env:NAME` for the PostgreSQL whose URL that variable holds, or a database.
    Raises ConfigError when there is no log at this path, or one of a newer version; an older one is brought up to date.
    A PostgreSQL is asked when something is read: every method raises StoreUnavailable if it does not answer.
    """

    def __init__(self, place: str | Path | Database) -> None:
        self._database = database_of(place)
        if isinstance(self._database, SqliteFile):
            if not self._database.path.exists():
                raise ConfigError(
                    f"records: there is no record log at {self._database.name!r}. "
                    "Send a request through Switchpoint first, or name the file that your configuration writes."
                )
            self._database.prepare()

    def get(self, id: str) -> Record:
        """Return the record with this id, or the only one whose id begins so; raises RequestError otherwise."""
        with self._database.reading() as connection:
            return _records(connection, [self._row(connection, id)])[0]

    def list(
        self,
        *,
        limit: int = 50,
        before: str | None = None,
        since: datetime | None = None,
        route: str | None = None,
        model: str | None = None,
        outcome: str | None = None,
    ) -> tuple[Record, ...]:
        """Return the newest records first.

        before : id of a record; only older ones are returned (the next page). Raises RequestError if it is unknown.
        since : the earliest time; model : the one whose answer was given; route, outcome : as in the record.
        """
        wanted = {"since": since and instant(since), "route": route, "answered_by": model, "outcome": outcome}
        with self._database.reading() as connection:
            if before is not None:
                row = self._row(connection, before)
                wanted |= {"before_at": row["at"], "before_id": row["id"]}
            return _records(connection, _newest(connection, wanted, limit))

    def all(self, *, since: datetime | None = None) -> Iterator[Record]:
        """Yield every record, the oldest first, in bounded memory: what learning reads."""
        query = "SELECT * FROM records WHERE (at, id) > (?, ?) ORDER BY at, id LIMIT ?"
        with self._database.reading() as connection:
            last = (instant(since) if since else "", "")
            while page := connection.execute(query, (*last, PAGE)).fetchall():
                yield from _records(connection, page)
                last = page[-1]["at"], page[-1]["id"]

    def feedback(self, ids: Iterable[str] | None = None) -> dict[str, tuple[Feedback, ...]]:
        """Return the newest feedback of every source and metric, by record; without `ids`, that of all records.

        Records without any are left out.
        """
        names = None if ids is None else tuple(ids)
        where = "" if names is None else f"WHERE record_id IN {_marks(names)}"
        found: dict[str, tuple[Feedback, ...]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(f"SELECT * FROM latest_feedback {where} ORDER BY number", names or ()):
                found[row["record_id"]] = (*found.get(row["record_id"], ()), feedback_of(row))
        return found

    def summary(self, *, since: datetime | None = None) -> Summary:
        """Return the totals, overall and by the model that answered; reads every record since then once."""
        with self._database.reading() as connection:
            return summarize(connection, instant(since) if since else "")

    def _row(self, connection: Reading, id: str) -> Any:
        query = "SELECT * FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 4"
        rows = connection.execute(query, (id, id + LAST_CHARACTER)).fetchall()
        if not rows:
            raise RequestError(f"Unknown record {id!r}. `switchpoint records` lists the latest ones.", "id")
        if len(rows) > 1 and rows[0]["id"] != id:
            some = ", ".join([*(row["id"] for row in rows[:3]), *("…" for _ in rows[3:])])
            raise RequestError(f"{id!r} begins several records ({some}). Give more of it.", "id")
        return rows[0]


CONDITIONS: Mapping[str, str] = {
    "since": "at >= :since",
    "route": "route = :route",
    "answered_by": "answered_by = :answered_by",
    "outcome": "outcome = :outcome",
    "before_at": "(at, id) < (:before_at, :before_id)",
}


def _newest(connection: Reading, wanted: Mapping[str, Any], limit: int) -> Sequence[Any]:
    conditions = [sql for name, sql in CONDITIONS.items() if wanted.get(name) is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT * FROM records {where} ORDER BY at DESC, id DESC LIMIT :limit"
    return connection.execute(query, {**wanted, "limit": limit}).fetchall()


def _records(connection: Reading, rows: Sequence[Any]) -> tuple[Record, ...]:
    """Read the records of these rows, in their order; one query brings the attempts of PAGE records."""
    attempts: dict[str, list[Any]] = {row["id"]: [] for row in rows}
    for start in range(0, len(rows), PAGE):
        ids = [row["id"] for row in rows[start : start + PAGE]]
        query = f"SELECT * FROM attempts WHERE record_id IN {_marks(ids)} ORDER BY record_id, number"
        for attempt in connection.execute(query, ids):
            attempts[attempt["record_id"]].append(attempt)
    return tuple(record_of(row, attempts[row["id"]]) for row in rows)


def _marks(names: Sequence[str]) -> str:
    return f"({', '.join('?' * len(names))})"
