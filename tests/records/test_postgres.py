"""A record log in PostgreSQL is read and protected as the file is, also by training and by the pages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.testclient import TestClient

from switchpoint.core.attempt import Verdict
from switchpoint.core.errors import ConfigError
from switchpoint.core.record import Record
from switchpoint.dashboard.app import routes
from switchpoint.learning.import_records import records
from switchpoint.records.database import Database, database_of
from switchpoint.records.log import RecordLog
from switchpoint.records.postgres import PostgresDatabase, translated
from switchpoint.records.reader import RecordReader
from switchpoint.stores.postgres import Postgres
from tests.stores.servers import PostgresServer

Make = Callable[..., Record]


@pytest.fixture
def database(postgres_server: PostgresServer) -> Database:
    return PostgresDatabase(Postgres(postgres_server.url))


# --- what PostgreSQL does not take


def test_what_postgres_does_not_take_is_replaced(database: Database, make: Make):
    verdict = Verdict(score=math.nan, verifier="v\0")
    attempts = (replace(make(0).attempts[0], verdicts=(verdict,)),)
    with RecordLog(database) as log:
        log(make(0, route="a\0b", latency_s=math.nan, attempts=attempts, accepted=0))

    (found,) = RecordReader(database).all()
    assert (found.route, math.isnan(found.latency_s)) == ("a\ufffdb", True)
    assert RecordReader(database).summary().total.latency_s is None


@pytest.mark.parametrize("table", ["records", "attempts", "feedback"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_what_was_recorded_cannot_be_changed_or_deleted(
    database: Database, postgres_server: PostgresServer, make: Make, table: str, statement: str
):
    with RecordLog(database) as log:
        log(make(0))
    statement = statement.replace("at = at", "latency_s = 0" if table == "attempts" else "at = at")
    connection = Postgres(postgres_server.url).connect()
    with connection, pytest.raises(Exception, match="is append-only"):
        connection.execute(statement.format(table).encode())


def test_an_environment_variable_names_the_database(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOMEWHERE", postgres_server.url)

    assert isinstance(database_of("env:SOMEWHERE"), PostgresDatabase)
    assert isinstance(database_of(Path("env:SOMEWHERE")), PostgresDatabase)


def test_a_variable_that_is_not_set_is_the_operators_to_mend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOMEWHERE", raising=False)

    with pytest.raises(ConfigError, match="SOMEWHERE is not set"):
        database_of("env:SOMEWHERE")


@pytest.mark.parametrize("changes", [{"route": None}, {"accept_reason": object()}], ids=["NULL", "no such type"])
def test_what_is_dropped_is_not_quoted(database: Database, make: Make, changes: dict[str, object]):
    with RecordLog(database) as log:
        log(make(0, query_id="PLANTED", **changes))
        log(make(1))

    assert (log.dropped, [record.id for record in RecordReader(database).all()]) == (1, ["rec-1"])
    assert log.last_error is not None
    assert "PLANTED" not in log.last_error


# --- who reads it


def test_training_reads_it(place: Path | str, full: Record):
    with RecordLog(place) as log:
        log(full)

    (chunk,) = records(Path(place))
    assert chunk.table.column("model").to_pylist() == ["large"]


def test_the_pages_show_it(place: Path | str, make: Make):
    with RecordLog(place) as log:
        log(make(0))

    with TestClient(Starlette(routes=routes(RecordReader(place)))) as client:
        assert "rec-0" in client.get("/records").text
        assert client.get("/records/rec-0").status_code == 200


# --- the translation of statements


@given(st.lists(st.sampled_from(["?", ":name", "100 %", "a = b", "x::text", "'[]'"])))
def test_every_value_of_a_statement_and_nothing_else_becomes_a_placeholder(parts: list[str]):
    words = {"?": "%s", ":name": "%(name)s", "100 %": "100 %%"}

    assert translated(" ".join(parts)) == " ".join(words.get(part, part) for part in parts)
