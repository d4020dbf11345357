"""A disk that is full, and a database that another process has locked: callers notice nothing, and nothing is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from switchpoint.core.record import Record
from switchpoint.records.database import Entry, SqliteFile, Writing
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader
from tests.chaos.callers import wait_for
from tests.chaos.gateway import USER, Gateway, running
from tests.fake_openai import answering

HOLDER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def ask(gateway: Gateway, *ids: str) -> list[int]:
    """Ask once under each id, and return the statuses."""
    url, body = f"{gateway.url}/v1/chat/completions", {"model": "well", "messages": [USER]}
    return [httpx2.post(url, json=body, headers={"x-request-id": id}).status_code for id in ids]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MB."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk can be mounted here by nobody but root, or not at all")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process hold the right to write."""
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            holder.stdin.close()


def fill(folder: Path) -> Path:
    """Take what is left of a disk."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return path


def test_requests_are_answered_while_the_disk_is_full_and_recorded_once_it_is_not(small_disk: Path):
    with running(small_disk, {"well": answering()}) as gateway:
        filler = fill(small_disk)
        statuses = ask(gateway, *map(str, range(20)))
        log = gateway.switchpoint.log
        assert log is not None and wait_for(lambda: log.last_error is not None)
        assert not log.flush(0.1)

        filler.unlink()

        assert wait_for(lambda: log.flush(1.0))
        assert statuses == [200] * 20
        assert set(gateway.records()) == set(map(str, range(20)))
        assert log.dropped == 0


def record(id: str) -> Record:
    return Record(
        id=id,
        at=datetime.now(UTC),
        query_id=id,
        route="auto",
        strategy="auto",
        attempts=(),
        accepted=None,
        outcome="failed",
        decide_s=0.0,
        latency_s=0.0,
    )


class Full(SqliteFile):
    """A file on a disk that is full for as long as `full` says so."""

    full = True

    def writing(self) -> Writing:
        inner = super().writing()
        outer = self

        class Refusing:
            def insert(self, entries: Sequence[Entry]) -> None:
                if outer.full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                inner.insert(entries)

            def close(self) -> None:
                inner.close()

        return Refusing()


def test_what_waits_for_space_is_bounded_and_what_is_lost_is_counted(tmp_path: Path):
    database = Full(tmp_path / "records.sqlite")
    with RecordLog(database, queue_limit=10, retry_s=0.01, flush_interval_s=0.0) as log:
        log(record("first"))
        assert wait_for(lambda: "space" in str(log.last_error))
        for number in range(14):
            log(record(f"later-{number}"))
        assert log.dropped == 5

        database.full = False

        assert wait_for(lambda: log.flush(1.0))
        assert sum(1 for _ in RecordReader(database.path).all()) == 10


def test_requests_are_answered_while_another_process_has_locked_the_records(tmp_path: Path):
    with running(tmp_path, {"well": answering()}) as gateway:
        with locked(tmp_path / "records.sqlite"):
            assert ask(gateway, "a", "b", "c") == [200, 200, 200]
            log = gateway.switchpoint.log
            assert log is not None and log.waiting == 3

        assert wait_for(lambda: log.flush(1.0))
        assert set(gateway.records()) == {"a", "b", "c"}


def test_money_is_set_aside_and_booked_while_another_process_has_locked_the_budgets(tmp_path: Path):
    path = tmp_path / "control.sqlite"
    access = {"open": True, "path": str(path), "budgets": [{"tenant": "default", "usd": 1.0}]}
    with running(tmp_path, {"well": answering()}, access=access) as gateway:
        with locked(path):
            assert ask(gateway, "a", "b") == [200, 200]

        left_usd = gateway.switchpoint.access.left_usd()["tenant:default:month"]
        assert left_usd == pytest.approx(1.0 - 2 * 16e-6)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT spent_usd FROM spending").fetchone()[0] == pytest.approx(2 * 16e-6)
    connection.close()
