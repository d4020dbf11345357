"""Replicas of the gateway share PostgreSQL and Redis, and go on serving without them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from switchpoint.records.reader import RecordReader
from tests.stores.servers import PATIENCE_S, PostgresServer, RedisServer

CONFIG = """
[upstreams.scripted]
kind = "fake"
script = { small = ["From small."], large = ["From large."] }

[models.small]
upstream = "scripted"

[models.large]
upstream = "scripted"

[routers.any]
kind = "random"

[sessions]
secret_env = "SESSION_SECRET"

[management]
enabled = false
"""


class Reply(NamedTuple):
    model: str
    record_id: str


class Replica:
    """One process of the gateway."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir()
        config = folder / "switchpoint.toml"
        config.write_text(CONFIG)
        self.spool = folder / "switchpoint-data" / "records.spool"
        command = [sys.executable, "-m", "switchpoint.cli", "serve", "--config", str(config), "--port", "0"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
        )
        self.url = self._address()
        self._rest = threading.Thread(target=self._drain, daemon=True)
        self._rest.start()

    def ask(self, text: str, session: str | None = None) -> Reply:
        """Ask, as any client does; raises for any answer but 200."""
        body = {"model": "any", "messages": [{"role": "user", "content": text}]}
        headers = {"content-type": "application/json"} | ({"x-switchpoint-session": session} if session else {})
        return self._send("/v1/chat/completions", body, headers)

    def praise(self, record_id: str) -> None:
        body = {"record_id": record_id, "metric": "helpful", "value": 1.0}
        self._send("/v1/feedback", body, {"content-type": "application/json"})

    def stop(self) -> None:
        """Stop in order: records are written first."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_S)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._rest.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _send(self, path: str, body: object, headers: dict[str, str]) -> Reply:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.load(response)
            return Reply(answer.get("model", ""), response.headers.get("x-switchpoint-record", ""))

    def _address(self) -> str:
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if line.startswith("Serving "):
                return line.split()[1].removesuffix("/v1:")
        raise RuntimeError("".join(said))

    def _drain(self) -> None:
        assert self.process.stdout is not None
        for _ in self.process.stdout:
            pass


@pytest.fixture
def replica(
    tmp_path: Path, postgres_server: PostgresServer, redis_server: RedisServer
) -> Iterator[Callable[[], Replica]]:
    """Start replicas over the two servers."""
    started: list[Replica] = []
    environment = {
        "DATABASE_URL": postgres_server.url,
        "REDIS_URL": redis_server.url,
        "SESSION_SECRET": "a secret of the tests",
    }

    def start() -> Replica:
        started.append(Replica(tmp_path / f"replica-{len(started)}", environment))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def reader(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> RecordReader:
    monkeypatch.setenv("DATABASE_URL", postgres_server.url)
    return RecordReader("env:DATABASE_URL")


@contextmanager
def load(replica: Replica) -> Iterator[list[str]]:
    """Keep asking until the end, and yield the ids of the records; whatever is not answered fails the test."""
    done = threading.Event()
    failed: list[Exception] = []
    ids: list[str] = []

    def ask() -> None:
        while not done.is_set() and not failed:
            try:
                ids.append(replica.ask(f"question {len(ids)}", session="s").record_id)
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield ids
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []


def wait_for_more(ids: list[str], more: int = 30) -> None:
    """Wait until so many more requests were answered."""
    wanted = len(ids) + more
    wait_until(lambda: len(ids) >= wanted)


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(6000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def test_records_of_all_replicas_are_together_and_each_takes_feedback_for_the_others(
    replica: Callable[[], Replica], reader: RecordReader
):
    one, two = replica(), replica()
    first, second = one.ask("hello"), two.ask("hello again")
    one.stop()
    two.praise(first.record_id)
    two.stop()

    assert {record.id for record in reader.all()} == {first.record_id, second.record_id}
    assert list(reader.feedback()) == [first.record_id]


def test_a_conversation_keeps_its_model_when_it_moves_to_another_replica(replica: Callable[[], Replica]):
    one, two = replica(), replica()

    first = one.ask("question", session="mine").model

    assert {two.ask(f"question {n}", session="mine").model for n in range(12)} == {first}
    assert len({two.ask(f"question {n}").model for n in range(12)}) == 2


def test_requests_are_served_while_redis_dies_and_comes_back(replica: Callable[[], Replica], redis_server: RedisServer):
    with load(replica()) as ids:
        wait_for_more(ids)
        redis_server.kill()
        wait_for_more(ids)
        redis_server.start()
        wait_for_more(ids)


def test_requests_are_served_while_redis_hangs(replica: Callable[[], Replica], redis_server: RedisServer):
    with load(replica()) as ids:
        wait_for_more(ids)
        with redis_server.frozen():
            wait_for_more(ids)
        wait_for_more(ids)


def test_nothing_recorded_is_lost_while_postgres_dies_and_comes_back(
    replica: Callable[[], Replica], postgres_server: PostgresServer, reader: RecordReader
):
    serving = replica()
    with load(serving) as ids:
        wait_for_more(ids)
        wait_until(lambda: reader.list(limit=1))
        postgres_server.kill()
        wait_for_more(ids)
        wait_until(serving.spool.exists)
        postgres_server.start()
        wait_for_more(ids)
    serving.stop()

    found = [record.id for record in reader.all()]
    assert sorted(found) == sorted(ids)


def test_a_replica_that_starts_while_both_are_dead_serves_and_records(
    replica: Callable[[], Replica], postgres_server: PostgresServer, redis_server: RedisServer, reader: RecordReader
):
    postgres_server.kill()
    redis_server.kill()
    serving = replica()
    ids = {serving.ask(f"question {n}").record_id for n in range(5)}

    postgres_server.start()
    redis_server.start()
    ids.add(serving.ask("one more").record_id)
    serving.stop()

    assert {record.id for record in reader.all()} == ids


def test_a_killed_replica_loses_at_most_what_it_had_not_flushed(replica: Callable[[], Replica], reader: RecordReader):
    serving = replica()
    before = [serving.ask(f"question {n}").record_id for n in range(20)]
    threading.Event().wait(1.0)  # five times the interval in which records are written
    serving.process.kill()

    assert {record.id for record in reader.all()} == set(before)
