"""The gateway's own process: killed under load, asked to stop under load, and given a broken configuration."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from switchpoint.records.reader import RecordReader
from tests.chaos.callers import wait_for
from tests.chaos.gateway import USER
from tests.fake_openai import Exchange, FakeOpenAI, answering
from tests.replicas.processes import Replica

WINDOW_S = 1.0
"""How long before its death an answer was given whose record must be there: the documented 0.2 s, and time to write."""

LEDGER_WINDOW_S = 3.0
"""The same of money: written every second."""

CONFIG = """
[upstreams.local]
base_url = "{base_url}"

[models.well]
upstream = "local"
input_usd_per_mtok = 1
output_usd_per_mtok = 1

[models.slow]
upstream = "local"
input_usd_per_mtok = 1
output_usd_per_mtok = 1

[management]
port = 0

[records]
path = "{folder}/records.sqlite"

[access]
open = true
path = "{folder}/control.sqlite"
budgets = [{{ tenant = "default", usd = 1.0 }}]
"""


async def slow(exchange: Exchange) -> None:
    """Answer after half a second."""
    await asyncio.sleep(0.5)
    await answering()(exchange)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeOpenAI]:
    with FakeOpenAI({"well": answering(), "slow": slow}) as upstream:
        yield upstream


@pytest.fixture
def text(tmp_path: Path, upstream: FakeOpenAI) -> str:
    return CONFIG.format(base_url=upstream.base_url, folder=tmp_path)


@contextmanager
def serving(folder: Path, text: str) -> Iterator[Replica]:
    environment = {name: "" for name in ("DATABASE_URL", "REDIS_URL", "SWITCHPOINT_ADMIN_KEY")}
    replica = Replica(folder, text, environment)
    try:
        yield replica
    finally:
        replica.end()


class Load:
    """Callers who ask one after the other until nobody answers; `given` is when each answer came."""

    def __init__(self, url: str) -> None:
        self.url, self.given, self.statuses = url, dict[str, float](), set[int]()
        self.ended = False

    def run(self, caller: int) -> None:
        with httpx2.Client(base_url=self.url) as client, suppress(httpx2.TransportError):
            for number in range(10_000):
                if self.ended:
                    return
                self._ask(client, f"{caller}-{number}")

    def _ask(self, client: httpx2.Client, id: str) -> None:
        body = {"model": "well", "messages": [USER]}
        response = client.post("/v1/chat/completions", json=body, headers={"x-request-id": id})
        self.statuses.add(response.status_code)
        self.given[id] = time.monotonic()

    @contextmanager
    def running(self, callers: int = 4) -> Iterator[None]:
        with ThreadPoolExecutor(callers) as pool:
            done = [pool.submit(self.run, caller) for caller in range(callers)]
            try:
                yield
            finally:
                self.ended = True
            for each in done:
                each.result()


def test_a_gateway_that_is_killed_loses_the_records_of_its_last_moment_at_most(tmp_path: Path, text: str):
    with serving(tmp_path, text) as replica:
        load = Load(replica.url)
        with load.running():
            assert wait_for(lambda: len(load.given) > 50)
            time.sleep(WINDOW_S)
            killed_s = time.monotonic()
            replica.kill()

    recorded = {record.query_id for record in RecordReader(tmp_path / "records.sqlite").all()}
    due = {id for id, at_s in load.given.items() if at_s < killed_s - WINDOW_S}
    assert len(due) > 50
    assert due <= recorded


def test_a_gateway_that_was_killed_starts_again_and_sets_no_money_aside_for_the_dead(tmp_path: Path, text: str):
    with serving(tmp_path, text) as replica, ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(suppressed, replica, f"slow {number}")
        assert replica.ask("What is 2 + 2?", model="well").status == 200
        replica.kill()

    with serving(tmp_path, text) as replica:
        assert replica.ask("What is 2 + 2?", model="well").status == 200
        replica.stop()

    spent_usd = spent(tmp_path / "control.sqlite")
    assert (
        0 < spent_usd <= 2 * 16e-6 + 1e-12
    )  # of 16 tokens at a dollar a million; of the first nothing, if killed early


def suppressed(replica: Replica, words: str) -> None:
    with suppress(OSError):
        replica.ask(words, model="slow")


def spent(path: Path) -> float:
    with closing(sqlite3.connect(path)) as connection:
        return float(connection.execute("SELECT total(spent_usd) FROM spending").fetchone()[0])


def test_a_gateway_that_is_asked_to_stop_answers_what_it_began_and_records_all_of_it(tmp_path: Path, text: str):
    with serving(tmp_path, text) as replica, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(replica.ask, f"slow {number}", model="slow") for number in range(4)]
        time.sleep(0.2)
        replica.stop()

        assert [each.result().status for each in asked] == [200] * 4
    assert sum(record.outcome == "answered" for record in RecordReader(tmp_path / "records.sqlite").all()) == 4


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, upstream: FakeOpenAI) -> Iterator[Replica]:
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, CONFIG.format(base_url=upstream.base_url, folder=folder)) as replica:
        yield replica


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xfe\x00garbage", b"[models.well\n", b"[models.well]\nupstream = 'nobody'"]
)
def test_a_configuration_that_becomes_garbage_under_load_changes_nothing(served: Replica, garbage: bytes):
    load, refused = Load(served.url), refusals(served)
    with load.running(2):
        assert wait_for(lambda: len(load.given) > 10)
        served.config.write_bytes(garbage)
        os.kill(served.process.pid, signal.SIGHUP)
        assert wait_for(lambda: refusals(served) > refused)
        before = len(load.given)
        assert wait_for(lambda: len(load.given) > before + 10)

    assert load.statuses == {200}


def refusals(replica: Replica) -> int:
    """Return how often it has said that it goes on with the old configuration."""
    return sum("the old one is served" in line for line in replica.said)
