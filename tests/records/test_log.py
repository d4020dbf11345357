"""The log writes off the request path, loses nothing silently, and survives being killed."""

from __future__ import annotations

import logging
import math
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from switchpoint.core.attempt import Attempt
from switchpoint.core.errors import ConfigError, RequestError, SwitchpointError
from switchpoint.core.record import Feedback, Record
from switchpoint.records.database import Database, database_of
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader

Make = Callable[..., Record]
Said = Callable[[str], tuple[Attempt, ...]]
SOON = 30.0  # a limit for waiting, far above what anything here takes


def feedback(record_id: str, value: float = 1.0, metric: str = "helpful", source: str = "user") -> Feedback:
    return Feedback(record_id=record_id, at=datetime.now(UTC), metric=metric, value=value, source=source)


def count(place: Path | Database, table: str = "records") -> int:
    with database_of(place).reading() as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock, as a stuck process would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def stalled_log(path: Path, **options: Any) -> Iterator[RecordLog]:
    """A log whose writes fail at once while the file is locked, and which tries again only when it is flushed."""
    with RecordLog(path, busy_timeout_s=0.0, retry_s=SOON, flush_interval_s=0.0, **options) as log:
        yield log


# --- writing


def test_a_flushed_record_can_be_read(log: RecordLog, full: Record):
    log(full)

    assert log.flush()
    assert RecordReader(log.database).get("rec-0") == full


def test_closing_writes_what_waits(path: Path, make: Make):
    with RecordLog(path, flush_interval_s=SOON) as log:
        for n in range(500):
            log(make(n))

    assert count(path) == 500
    assert log.waiting == 0


def test_a_full_batch_is_written_without_waiting_for_the_interval(path: Path, make: Make):
    with RecordLog(path, flush_interval_s=SOON, batch=3) as log:
        for n in range(3):
            log(make(n))
        wait_until(lambda: log.waiting == 0)

        assert count(path) == 3


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def test_records_of_many_threads_are_all_written(log: RecordLog, make: Make):
    def send(first: int) -> None:
        for n in range(first, first + 100):
            log(make(n))

    threads = [threading.Thread(target=send, args=(100 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert log.flush()
    assert count(log.database) == 400


def test_a_record_that_is_sent_twice_is_written_once(log: RecordLog, full: Record):
    log(full)
    log(full)

    assert log.flush()
    assert (count(log.database), count(log.database, "attempts"), log.dropped) == (1, 3, 0)


def test_closing_twice_is_harmless_and_later_records_are_counted_as_lost(path: Path, make: Make):
    log = RecordLog(path)
    log.close()
    log.close()
    log(make(0))

    assert log.dropped == 1
    assert log.last_error == "the log is closed"


# --- when the file cannot be written


def test_records_are_kept_while_the_file_is_locked_and_written_after(path: Path, make: Make):
    with stalled_log(path) as log:
        with locked(path):
            log(make(0))
            assert not log.flush()
            assert log.waiting == 1

        assert log.flush()
        assert (count(path), log.dropped) == (1, 0)
        assert log.last_error == "database is locked"


def test_loss_beyond_the_queue_is_counted_and_says_why(path: Path, make: Make):
    with stalled_log(path, queue_limit=2) as log:
        with locked(path):
            log(make(0))
            assert not log.flush()
            for n in range(1, 5):
                log(make(n))
            assert (log.dropped, log.waiting, log.last_error) == (3, 2, "database is locked")

        assert log.flush()
        assert [record.id for record in RecordReader(path).list()] == ["rec-1", "rec-0"]


def test_what_cannot_be_written_at_closing_is_counted(path: Path, make: Make):
    with stalled_log(path) as log, locked(path):
        log(make(0))
        log(make(1))
        log.close()

    assert (log.dropped, log.waiting) == (2, 0)
    assert log.flush()  # nothing waits any more


def test_trouble_is_logged_once_and_not_once_a_record(path: Path, make: Make, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING), stalled_log(path, queue_limit=1) as log, locked(path):
        log(make(0))
        log.flush()
        for n in range(50):
            log(make(n))
        log.flush()

    assert [record.getMessage().endswith("database is locked") for record in caplog.records] == [True]


class Slow:
    """A database whose first write fails, when it is told to; all others work."""

    name = "slow"

    def __init__(self) -> None:
        self.begun, self.fail = threading.Event(), threading.Event()

    def prepare(self) -> None:
        """Nothing to do."""

    def reading(self) -> Any:
        raise NotImplementedError

    def writing(self) -> Slow:
        return self

    def insert(self, entries: object) -> None:
        if not self.begun.is_set():
            self.begun.set()
            assert self.fail.wait(SOON)
            raise OSError("locked")

    def close(self) -> None:
        """Nothing to do."""

    def is_trouble(self, error: Exception) -> bool:
        return isinstance(error, OSError)


def test_a_flush_is_not_told_of_a_failure_that_began_before_it(make: Make):
    slow = Slow()
    with RecordLog(slow, retry_s=SOON, flush_interval_s=0.0) as log:
        log(make(0))
        assert slow.begun.wait(SOON)
        flushed: list[bool] = []
        flush = threading.Thread(target=lambda: flushed.append(log.flush()))
        flush.start()
        wait_until(lambda: log._flush_try > 1)
        slow.fail.set()
        flush.join()

    assert flushed == [True]


def test_a_new_file_that_another_process_is_making_is_waited_for(path: Path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.1, lambda: other.execute("COMMIT")).start()

        RecordLog(path).close()


def test_an_unfit_record_is_dropped_alone(log: RecordLog, make: Make):
    log(make(0))
    log(make(1, messages=({"content": object()},)))
    log(make(2, route=None))
    log(make(3))

    assert log.flush()
    assert [record.id for record in RecordReader(log.database).list()] == ["rec-3", "rec-0"]
    assert log.dropped == 2


@pytest.mark.parametrize("make_trouble", ["a folder", "not a database", "under a file"])
def test_a_file_that_cannot_be_opened_refuses_to_start(tmp_path: Path, make_trouble: str):
    path = tmp_path / "it"
    if make_trouble == "a folder":
        path.mkdir()
    else:
        path.write_text("not a database at all" * 100)
    with pytest.raises(ConfigError, match="cannot open"):
        RecordLog(path / "under" if make_trouble == "under a file" else path)


# --- append-only


@pytest.mark.parametrize("table", ["records", "attempts", "feedback"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET rowid = rowid", "DELETE FROM {}"])
def test_what_was_recorded_cannot_be_changed_or_deleted(path: Path, full: Record, table: str, statement: str):
    with RecordLog(path) as log:
        log(full)
        log.add_feedback(feedback("rec-0"))

    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"),
    ):
        connection.execute(statement.format(table))


# --- feedback


def test_feedback_is_accepted_for_a_record_that_still_waits(path: Path, make: Make):
    with stalled_log(path) as log:
        with locked(path):
            log(make(0))
            log.add_feedback(feedback("rec-0", 0.5))

        assert log.flush()
        assert RecordReader(path).feedback(["rec-0"])["rec-0"][0].value == 0.5


def test_feedback_never_edits_the_record(log: RecordLog, full: Record):
    log(full)
    log.flush()
    log.add_feedback(feedback("rec-0", 0.0))
    log.flush()

    assert RecordReader(log.database).get("rec-0") == full


def test_readers_take_the_newest_feedback_of_the_same_source_and_metric(log: RecordLog, make: Make):
    log(make(0))
    for item in (
        feedback("rec-0", 0.0),
        feedback("rec-0", 0.2, source="judge"),
        feedback("rec-0", 0.4, metric="correct"),
        feedback("rec-0", 1.0),
    ):
        log.add_feedback(item)
    log.flush()

    latest = RecordReader(log.database).feedback()["rec-0"]
    assert [(f.source, f.metric, f.value) for f in latest] == [
        ("judge", "helpful", 0.2),
        ("user", "correct", 0.4),
        ("user", "helpful", 1.0),
    ]
    assert count(log.database, "feedback") == 4


def test_feedback_for_an_unknown_record_is_refused(log: RecordLog):
    with pytest.raises(RequestError, match="Unknown record 'nobody'"):
        log.add_feedback(feedback("nobody"))


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf])
def test_feedback_outside_the_range_is_refused(log: RecordLog, make: Make, value: float):
    log(make(0))

    with pytest.raises(RequestError, match=f"from 0 to 1. Got {value}"):
        log.add_feedback(feedback("rec-0", value))


def test_feedback_that_cannot_be_kept_is_an_error_to_its_sender(path: Path, make: Make):
    with stalled_log(path, queue_limit=1) as log, locked(path):
        log(make(0))

        with pytest.raises(SwitchpointError, match="cannot take feedback now"):
            log.add_feedback(feedback("rec-0"))


# --- privacy


def test_without_its_prompt_nothing_that_was_said_is_in_the_file(path: Path, make: Make, said: Said):
    with RecordLog(path) as log:
        log(make(0, attempts=said("PLANTED-ANSWER"), accepted=1))
        log.flush()
        content = b"".join(file.read_bytes() for file in path.parent.iterdir())

    assert b"rec-0" in content
    assert b"PLANTED" not in content


def test_with_its_prompt_all_that_was_said_is_in_the_file(path: Path, make: Make, said: Said):
    with RecordLog(path) as log:
        log(make(0, attempts=said("PLANTED-ANSWER"), accepted=1, messages=({"content": "PLANTED-PROMPT"},)))

    content = path.read_bytes()
    assert b"PLANTED-PROMPT" in content
    assert b"PLANTED-ANSWER" in content


# --- processes

CHILD = """
    import os, signal, sys
    from dataclasses import replace
    from datetime import UTC, datetime
    from switchpoint.core.record import Record
    from switchpoint.records.log import RecordLog

    def record(id):
        return Record(id=id, at=datetime.now(UTC), query_id="q", route="r", strategy="s", attempts=(), accepted=None,
                      outcome="failed", decide_s=0.0, latency_s=0.0)

    path, name = sys.argv[1:]
"""


def child(path: Path, name: str, script: str) -> subprocess.Popen[bytes]:
    code = textwrap.dedent(CHILD) + textwrap.dedent(script)
    return subprocess.Popen([sys.executable, "-c", code, str(path), name])


def test_what_was_flushed_survives_kill_9(path: Path):
    process = child(
        path,
        "killed",
        """
        log = RecordLog(path, flush_interval_s=60)
        for n in range(300):
            log(record(f"kept-{n}"))
        assert log.flush()
        for n in range(300, 350):
            log(record(f"late-{n}"))
        os.kill(os.getpid(), signal.SIGKILL)
        """,
    )

    assert process.wait(SOON) == -signal.SIGKILL
    ids = {record.id for record in RecordReader(path).all()}
    assert {f"kept-{n}" for n in range(300)} <= ids
    with RecordLog(path), closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_write_one_file_that_neither_has_made_before(path: Path):
    script = """
        with RecordLog(path, flush_interval_s=0.001, batch=5) as log:
            for n in range(200):
                log(record(f"{name}-{n}"))
        sys.exit(log.dropped)
    """
    processes = [child(path, name, script) for name in ("one", "two")]

    assert [process.wait(SOON) for process in processes] == [0, 0]
    assert count(path) == 400
