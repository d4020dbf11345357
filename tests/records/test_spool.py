"""A record log in PostgreSQL loses nothing while PostgreSQL is away."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from switchpoint.core.errors import StoreUnavailable, UnknownRecord
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import Database
from switchpoint.records.log import RecordLog
from switchpoint.records.postgres import PostgresDatabase
from switchpoint.records.reader import RecordReader
from switchpoint.records.spool import Spool
from switchpoint.records.store import Trouble
from switchpoint.stores.postgres import Postgres
from tests.stores.servers import PostgresServer

Make = Callable[..., Record]
AT_ONCE: dict[str, Any] = {"flush_interval_s": 0.0, "retry_s": 0.01}


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "data" / "records.spool"


@pytest.fixture
def database(postgres_server: PostgresServer) -> Database:
    return PostgresDatabase(Postgres(postgres_server.url))


def ids(database: Database) -> list[str]:
    return [record.id for record in RecordReader(database).all()]


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(6000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def feedback(record_id: str, value: float) -> Feedback:
    return Feedback(record_id=record_id, at=datetime.now(UTC), metric="helpful", value=value, source="user")


# --- death and return


def test_records_of_a_dead_postgres_are_there_once_it_is_back(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        log(make(0))
        assert log.flush()
        postgres_server.kill()
        for n in range(1, 30):
            log(make(n))
        assert log.flush()  # in the spool
        assert log.spooling

        postgres_server.start()
        wait_until(lambda: not log.spooling)

    assert ids(database) == [f"rec-{n}" for n in range(30)]
    assert log.dropped == 0


def test_records_come_back_exactly_through_the_spool(
    database: Database, spool: Path, postgres_server: PostgresServer, full: Record, layered: Record
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        log(full)
        log(layered)
        log.flush()
        postgres_server.start()
        wait_until(lambda: not log.spooling)

    found = {record.id: record for record in RecordReader(database).list()}
    assert found["rec-0"] == full
    assert str(found["rec-layered"].attempts[1:]) == str(spoken(layered).attempts[1:])


def spoken(record: Record) -> Record:
    """Return the record without what was said, as one without its prompt is kept."""
    attempts = [
        replace(each, answer=each.answer and replace(each.answer, text="", body={}, logprobs=()))
        for each in record.attempts
    ]
    return replace(record, attempts=tuple(attempts))


def test_records_of_a_process_that_ended_meanwhile_are_written_by_the_next(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        log(make(0))
    assert log.dropped == 0

    postgres_server.start()
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        wait_until(lambda: not log.spooling)
    assert ids(database) == ["rec-0"]


def test_it_starts_while_postgres_is_dead(database: Database, spool: Path, postgres_server: PostgresServer, make: Make):
    postgres_server.kill()
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        log(make(0))
        assert log.flush()
        postgres_server.start()
        wait_until(lambda: not log.spooling)

    assert ids(database) == ["rec-0"]


def test_without_a_spool_it_does_not_start_while_postgres_is_dead(database: Database, postgres_server: PostgresServer):
    postgres_server.kill()

    with pytest.raises(StoreUnavailable, match="PostgreSQL does not answer"):
        RecordLog(database)


def test_without_a_spool_records_wait_in_memory(database: Database, postgres_server: PostgresServer, make: Make):
    with RecordLog(database, **AT_ONCE) as log:
        postgres_server.kill()
        log(make(0))
        assert not log.flush()
        assert log.waiting == 1
        postgres_server.start()
        wait_until(lambda: log.waiting == 0)

    assert ids(database) == ["rec-0"]


def test_what_was_written_before_an_unseen_commit_is_written_once(database: Database, spool: Path, make: Make):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        said = feedback("rec-0", 1.0)
        for _ in range(3):
            log(make(0))
            log.flush()
            log.add_feedback(said)
        log.flush()

    with database.reading() as connection:
        tables = ("records", "attempts", "feedback")
        counts = [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables]
    assert (counts, log.dropped) == ([1, 3, 1], 0)


def test_trouble_is_logged_once_without_the_address(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.WARNING), RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        for n in range(20):
            log(make(n))
            log.flush()

    assert log.last_error is not None
    assert len(caplog.records) <= 2  # the broken connection, and then the refused one
    assert "127.0.0.1" not in caplog.text + log.last_error


# --- feedback


def test_feedback_on_a_spooled_record_is_kept_with_it(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        log(make(0))
        log.flush()
        log.add_feedback(feedback("rec-0", 0.25))
        log.flush()
        postgres_server.start()
        wait_until(lambda: not log.spooling)

    assert [each.value for each in RecordReader(database).feedback()["rec-0"]] == [0.25]


def test_feedback_that_cannot_be_checked_now_is_an_error_to_its_sender(
    database: Database, spool: Path, postgres_server: PostgresServer
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        with pytest.raises(StoreUnavailable):
            log.add_feedback(feedback("rec-0", 0.25))
        postgres_server.start()
        with pytest.raises(UnknownRecord):
            log.add_feedback(feedback("rec-0", 0.25))


def test_feedback_is_in_the_order_in_which_it_came(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        log(make(0))
        log.flush()
        log.add_feedback(feedback("rec-0", 0.0))
        log.flush()
        for value in (0.1, 0.2):
            Spool(spool).put([{"feedback": [row("rec-0", value)]}])
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        log.add_feedback(feedback("rec-0", 0.3))

    assert [each.value for each in RecordReader(database).feedback()["rec-0"]] == [0.3]


def row(record_id: str, value: float) -> dict[str, Any]:
    from switchpoint.records.rows import feedback_row

    return feedback_row(feedback(record_id, value))


# --- the spool itself


def test_entries_leave_in_the_order_in_which_they_came(spool: Path):
    entries = Spool(spool)
    entries.put([{"records": [{"id": "a"}]}, {"records": [{"id": "b"}]}])
    entries.put([{"records": [{"id": "c"}]}])

    with entries.take(2) as first:
        assert [entry["records"][0]["id"] for entry in first] == ["a", "b"]
    assert entries.pending
    with entries.take(2) as second:
        assert [entry["records"][0]["id"] for entry in second] == ["c"]
    assert not entries.pending


def test_what_could_not_be_written_stays(spool: Path):
    entries = Spool(spool)
    entries.put([{"records": [{"id": "a"}]}])
    with pytest.raises(Trouble), entries.take():
        raise Trouble("away")

    assert Spool(spool).knows("a")


def test_what_cannot_be_spooled_is_dropped_alone_and_counted(
    database: Database, spool: Path, postgres_server: PostgresServer, make: Make
):
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        postgres_server.kill()
        log(make(0, accept_reason=object()))
        log(make(1))
        assert log.flush()
        postgres_server.start()

    assert (log.dropped, ids(database)) == (1, ["rec-1"])


def test_an_unfit_entry_is_dropped_alone_and_counted(database: Database, spool: Path, make: Make):
    Spool(spool).put([{"feedback": [row("nobody", 0.5)]}])
    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        log(make(0))
        wait_until(lambda: not log.spooling)

    assert (log.dropped, ids(database)) == (1, ["rec-0"])


def test_where_the_spool_cannot_be_written_records_wait_in_memory(
    database: Database, tmp_path: Path, postgres_server: PostgresServer, make: Make
):
    (tmp_path / "file").write_text("in the way")
    with RecordLog(database, spool=tmp_path / "file" / "spool", **AT_ONCE) as log:
        postgres_server.kill()
        log(make(0))
        assert not log.flush()
        postgres_server.start()
        wait_until(lambda: log.waiting == 0)

    assert ids(database) == ["rec-0"]


# --- kill -9

CHILD = """
    import os, signal, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from switchpoint.core.record import Record
    from switchpoint.records.log import RecordLog

    log = RecordLog("env:URL", spool=Path(sys.argv[1]), flush_interval_s=60)
    for n in range(300):
        log(Record(id=f"kept-{n}", at=datetime.now(UTC), query_id="q", route="r", strategy="s", attempts=(),
                   accepted=None, outcome="failed", decide_s=0.0, latency_s=0.0))
    assert log.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("postgres", ["alive", "dead"])
def test_what_was_flushed_survives_kill_9(
    database: Database, spool: Path, postgres_server: PostgresServer, postgres: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("URL", postgres_server.url)
    if postgres == "dead":
        postgres_server.kill()
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(spool)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -signal.SIGKILL
    postgres_server.start()

    with RecordLog(database, spool=spool, **AT_ONCE) as log:
        wait_until(lambda: not log.spooling)
    assert set(ids(database)) == {f"kept-{n}" for n in range(300)}
