"""`docs/records.md` says what is so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from switchpoint.core.record import Record
from switchpoint.records.log import RecordLog

PAGE = (Path(__file__).parents[2] / "docs" / "records.md").read_text("utf-8")
TABLES = ("records", "attempts", "feedback")


def rows(table: str) -> list[tuple[list[str], str]]:
    """Return the rows of the table under this heading: the columns named first, and what is said of them."""
    section = PAGE.split(f"### {table}\n")[1].split("\n#")[0]
    cells = re.findall(r"^\| (`[^|]*) \| ([^|]*) \|$", section, re.MULTILINE)
    return [(re.findall(r"`(\w+)`", names), meaning) for names, meaning in cells]


@pytest.fixture
def log(path: Path) -> Iterator[RecordLog]:
    with RecordLog(path) as log:
        yield log


@pytest.mark.parametrize("table", TABLES)
def test_the_schema_has_exactly_the_columns_of_the_page(log: RecordLog, path: Path, table: str):
    with closing(sqlite3.connect(path)) as connection:
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}

    documented = [name for names, _ in rows(table) for name in names]
    assert sorted(documented) == sorted(columns)


def test_every_table_and_view_is_named(log: RecordLog, path: Path):
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()

    assert {name for (name,) in names if not name.startswith("sqlite_")} == {*TABLES, "migrations", "latest_feedback"}


@pytest.fixture
def said(log: RecordLog, path: Path, make: Callable[..., Record]) -> Callable[[str], list[object]]:
    """Return the greatest value of every column that is called *said*, for a record without and one with its prompt."""
    log(make(0))
    log(make(1, messages=({"content": "hello"},)))
    log.flush()
    columns = [
        (t, name) for t in ("records", "attempts") for names, what in rows(t) if "*said*" in what for name in names
    ]

    def said(id: str) -> list[object]:
        with closing(sqlite3.connect(path)) as connection:
            key = {"records": "id", "attempts": "record_id"}
            queries = [f"SELECT MAX({name}) FROM {table} WHERE {key[table]} = ?" for table, name in columns]
            return [connection.execute(query, (id,)).fetchone()[0] for query in queries]

    return said


def test_what_is_called_said_is_stored_only_with_the_prompt(said: Callable[[str], list[object]]):
    assert said("rec-0") == [None] * 5
    assert None not in said("rec-1")


def test_the_snippet_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]):
    snippet = PAGE.split("```python\n")[1].split("```")[0]

    exec(compile(snippet, "docs/records.md", "exec"), {})

    assert capsys.readouterr().out.split() == re.findall(r"print\(.*\)  # (.*)", snippet)
