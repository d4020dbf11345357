"""Reading the record log: one record, the latest ones, all of them, and the totals."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import open_to_read, prepare
from switchpoint.records.rows import feedback_of, instant, record_of
from switchpoint.records.summary import Summary, summarize

PAGE = 200
"""How many records are read at once; it bounds the memory of `all`."""

LAST_CHARACTER = "\U0010ffff"


class RecordReader:
    """Reads the log while others write it. Every call opens the file anew, so any thread may make it.

    Raises ConfigError when there is no log at this path, or one of a newer version; an older one is brought up to date.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise ConfigError(
                f"records: there is no record log at {str(path)!r}. "
                "Send a request through Switchpoint first, or name the file that your configuration writes."
            )
        prepare(self.path)

    def get(self, id: str) -> Record:
        """Return the record with this id, or the only one whose id begins so; raises RequestError otherwise."""
        with open_to_read(self.path) as connection:
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
        with open_to_read(self.path) as connection:
            if before is not None:
                row = self._row(connection, before)
                wanted |= {"before_at": row["at"], "before_id": row["id"]}
            return _records(connection, _newest(connection, wanted, limit))

    def all(self, *, since: datetime | None = None) -> Iterator[Record]:
        """Yield every record, the oldest first, in bounded memory: what learning reads."""
        with open_to_read(self.path) as connection:
            rows = connection.execute(
                "SELECT * FROM records WHERE at >= ? ORDER BY at, id", (instant(since) if since else "",)
            )
            while page := tuple(islice(rows, PAGE)):
                yield from _records(connection, page)

    def feedback(self, ids: Iterable[str] | None = None) -> dict[str, tuple[Feedback, ...]]:
        """Return the newest feedback of every source and metric, by record; without `ids`, that of all records.

        Records without any are left out.
        """
        names = None if ids is None else tuple(ids)
        where = "" if names is None else f"WHERE record_id IN {_marks(names)}"
        found: dict[str, tuple[Feedback, ...]] = {}
        with open_to_read(self.path) as connection:
            for row in connection.execute(f"SELECT * FROM latest_feedback {where} ORDER BY number", names or ()):
                found[row["record_id"]] = (*found.get(row["record_id"], ()), feedback_of(row))
        return found

    def summary(self, *, since: datetime | None = None) -> Summary:
        """Return the totals, overall and by the model that answered; reads every record since then once."""
        with open_to_read(self.path) as connection:
            return summarize(connection, instant(since) if since else "")

    def _row(self, connection: sqlite3.Connection, id: str) -> sqlite3.Row:
        query = "SELECT * FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 4"
        rows = connection.execute(query, (id, id + LAST_CHARACTER)).fetchall()
        if not rows:
            raise RequestError(f"Unknown record {id!r}. `switchpoint records` lists the latest ones.", "id")
        if len(rows) > 1 and rows[0]["id"] != id:
            some = ", ".join([*(row["id"] for row in rows[:3]), *("…" for _ in rows[3:])])
            raise RequestError(f"{id!r} begins several records ({some}). Give more of it.", "id")
        row: sqlite3.Row = rows[0]
        return row


CONDITIONS: Mapping[str, str] = {
    "since": "at >= :since",
    "route": "route = :route",
    "answered_by": "answered_by = :answered_by",
    "outcome": "outcome = :outcome",
    "before_at": "(at, id) < (:before_at, :before_id)",
}


def _newest(connection: sqlite3.Connection, wanted: Mapping[str, Any], limit: int) -> Sequence[sqlite3.Row]:
    conditions = [sql for name, sql in CONDITIONS.items() if wanted.get(name) is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT * FROM records {where} ORDER BY at DESC, id DESC LIMIT :limit"
    return connection.execute(query, {**wanted, "limit": limit}).fetchall()


def _records(connection: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> tuple[Record, ...]:
    """Read the records of these rows, in their order; one query brings the attempts of PAGE records."""
    attempts: dict[str, list[sqlite3.Row]] = {row["id"]: [] for row in rows}
    for start in range(0, len(rows), PAGE):
        ids = [row["id"] for row in rows[start : start + PAGE]]
        query = f"SELECT * FROM attempts WHERE record_id IN {_marks(ids)} ORDER BY record_id, number"
        for attempt in connection.execute(query, ids):
            attempts[attempt["record_id"]].append(attempt)
    return tuple(record_of(row, attempts[row["id"]]) for row in rows)


def _marks(names: Sequence[str]) -> str:
    return f"({', '.join('?' * len(names))})"
