"""A new configuration takes the place of the old at once, and no request notices."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Message

from switchpoint.assembly.management import beside, served, watching
from switchpoint.assembly.reload import Live
from switchpoint.assembly.shown import shown
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.read import load, parse
from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.records.reader import RecordReader

QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]
CONFIGURATION = """
[upstreams.fake]
kind = "fake"
script = {{ mini = ["{answer}"] }}
latency_s = {latency_s}

[models.mini]
upstream = "fake"

[gateway]
auto = "cheapest"

[records]
path = "records.sqlite"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "switchpoint.toml", "old")


def write(path: Path, answer: str, latency_s: float = 0.0, more: str = "") -> Path:
    path.write_text(CONFIGURATION.format(answer=answer, latency_s=latency_s) + more)
    return path


@pytest.fixture
async def live(file: Path) -> AsyncIterator[Live]:
    live = Live(Switchpoint.load(file), lambda: load(file))
    yield live
    await live.close()
    live.switchpoint.close()


def spoil(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def client(app: ASGIApp) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


async def ask(http: httpx2.AsyncClient, **more: Any) -> str:
    response = await http.post("/v1/chat/completions", json={"messages": QUESTION, **more})
    assert response.status_code == 200, response.text
    return response.text if more else response.json()["choices"][0]["message"]["content"]


async def until(true: Callable[[], bool]) -> None:
    for _ in range(4000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came true")


async def test_what_is_read_again_is_served_from_the_next_request_on(live: Live, file: Path):
    async with client(served(live)) as http:
        before = await ask(http)
        version = await live.reload("request") if write(file, "new") else None

        assert [before, await ask(http)] == ["old", "new"]
        assert version is not None and (version.number, version.source) == (2, "request")
        assert version.digest == live.switchpoint.engine.config


async def test_a_request_is_served_to_its_end_by_the_configuration_it_began_with(live: Live, file: Path):
    write(file, "slow and old", latency_s=0.2)
    await live.reload("request")
    async with client(served(live)) as http:
        streaming = asyncio.create_task(ask(http, stream=True))
        await asyncio.sleep(0.05)
        write(file, "new")
        await live.reload("request")

        assert await ask(http) == "new"
        assert "old" in await streaming


async def test_no_request_fails_across_twenty_reloads_under_load(live: Live, file: Path):
    write(file, "answer 0", latency_s=0.002)
    await live.reload("request")
    answers: list[str] = []
    stop = asyncio.Event()

    async def load_it(http: httpx2.AsyncClient, stream: bool) -> None:
        while not stop.is_set():
            answers.append(await ask(http, **({"stream": True} if stream else {})))
            await asyncio.sleep(0.01)  # a load, and not more than the machine of a test can bear

    async with client(served(live)) as http:
        loads = [asyncio.create_task(load_it(http, stream)) for stream in (True, False) * 4]
        for number in range(20):
            write(file, f"answer {number}", latency_s=0.002)
            await live.reload("request")
        stop.set()
        await asyncio.gather(*loads)

    assert len({answer for answer in answers if answer.startswith("answer")}) > 1
    live.switchpoint.log.flush()
    records = list(RecordReader(live.switchpoint.log.path).all())
    assert len(records) == len(answers)
    assert {record.outcome for record in records} == {"answered"}


BROKEN = {
    "no TOML": "[models",
    "unknown key": "[gateway]\nhots = 1\n",
    "no such upstream": '[upstreams.a]\nbase_url = "http://127.0.0.1:1"\n[models.mini]\nupstream = "b"\n',
    "no such artifact": CONFIGURATION.format(answer="x", latency_s=0)
    + '[routers.r]\nkind = "utility"\nartifact = "nowhere"\nwillingness_usd = 1.0\n',
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_changes_nothing(live: Live, file: Path, name: str):
    spoil(file, BROKEN[name])
    async with client(served(live)) as http:
        with pytest.raises(Exception, match=r"\S"):
            await live.reload("request")

        assert await ask(http) == "old"
    assert [version.number for version in live.versions()] == [1]


async def test_what_needs_a_restart_is_refused_by_name(live: Live, file: Path):
    write(file, "new", more="store_prompts = true\n[management]\nport = 9\n")

    with pytest.raises(ConfigError, match="management.port: cannot change while the gateway runs. Got 9 after 8081"):
        await live.reload("request")

    assert live.switchpoint.config.management.port == 8081


async def test_without_a_file_there_is_nothing_to_read_again(file: Path):
    live = Live(Switchpoint.load(file))
    with pytest.raises(ConfigError, match="no configuration file"):
        await live.reload("request")
    live.switchpoint.close()


async def test_the_version_before_is_served_again(live: Live, file: Path):
    write(file, "new")
    await live.reload("request")
    async with client(served(live)) as http:
        version = await live.rollback()

        assert (version.number, version.source) == (3, "rollback to 1")
        assert await ask(http) == "old"
        assert [each.digest for each in live.versions()] == [version.digest, live.versions()[1].digest, version.digest]


async def test_any_version_that_is_remembered_can_be_gone_back_to(live: Live, file: Path):
    for answer in ("second", "third"):
        write(file, answer)
        await live.reload("request")

    assert (await live.rollback(2)).source == "rollback to 2"
    with pytest.raises(RequestError, match=r"no version 99 to go back to. Known: 1, 2, 3, 4"):
        await live.rollback(99)


async def test_without_an_earlier_version_there_is_nothing_to_go_back_to(live: Live):
    with pytest.raises(RequestError, match="Known: 1"):
        await live.rollback()


async def test_records_and_numbers_go_on_across_a_reload(live: Live, file: Path):
    before = live.switchpoint
    async with client(served(live)) as http:
        await ask(http)
        await live.reload("request")
        await ask(http)

    assert live.switchpoint.log is before.log
    assert b'switchpoint_queries_total{outcome="answered",route="auto"} 2.0' in live.current().metrics()


async def test_connections_are_closed_when_the_last_request_has_ended_and_not_before(live: Live, file: Path):
    write(file, "slow", latency_s=0.2)
    await live.reload("request")
    closed: list[str] = []
    upstream = live.switchpoint.engine.upstreams["fake"]

    async def close() -> None:
        closed.append("closed")

    upstream.close = close
    async with client(served(live)) as http:
        asked = asyncio.create_task(ask(http))
        await asyncio.sleep(0.05)
        await live.reload("request")
        assert closed == []
        await asked
        await until(lambda: closed == ["closed"])


async def test_a_request_that_does_not_end_does_not_keep_connections_for_ever(live: Live, file: Path):
    write(file, "slow", latency_s=3600, more="[management]\ngrace_s = 0.01\n")
    await live.reload("request")
    closed = asyncio.Event()

    async def close() -> None:
        closed.set()

    live.switchpoint.engine.upstreams["fake"].close = close
    async with client(served(live)) as http:
        asked = asyncio.create_task(ask(http))
        await asyncio.sleep(0.05)
        write(file, "new", more="[management]\ngrace_s = 0.01\n")
        await live.reload("request")
        await asyncio.wait_for(closed.wait(), 5)
        asked.cancel()


async def test_the_file_is_read_again_when_it_changes(live: Live, file: Path):
    async with watching(live, file, every_s=0.01):
        await asyncio.sleep(0.05)
        write(file, "newer")
        await until(lambda: len(live.versions()) == 2)

    assert live.versions()[-1].source == "file"


async def test_a_broken_file_is_logged_and_the_next_good_one_is_served(
    live: Live, file: Path, caplog: pytest.LogCaptureFixture
):
    async with watching(live, file, every_s=0.01):
        await asyncio.sleep(0.05)
        spoil(file, "[models")
        await until(lambda: "not reloaded (file)" in caplog.text)
        write(file, "mended")
        await until(lambda: len(live.versions()) == 2)


async def test_a_file_that_is_gone_for_a_moment_is_no_change(live: Live, file: Path, caplog: pytest.LogCaptureFixture):
    async with watching(live, file, every_s=0.01):
        await asyncio.sleep(0.05)
        remove(file)
        await asyncio.sleep(0.05)

    assert caplog.text == ""
    assert len(live.versions()) == 1


async def test_a_hangup_reloads(live: Live, file: Path):
    async with beside(live, "token", None, file):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(live.versions()) == 2)

    assert live.versions()[-1].source == "signal"


async def test_nothing_is_awaited_between_counting_a_request_and_finding_its_service(live: Live):
    """A reload in between would close connections that the request still needs."""
    seen: list[object] = []
    found = live.current

    def current() -> Any:
        seen.append(asyncio.current_task())
        return found()

    live.current = current
    app = served(live)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/health",
        "headers": [],
        "query_string": b"",
        "http_version": "1.1",
    }

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        raise StopAsyncIteration

    with pytest.raises((StopAsyncIteration, RuntimeError)):
        app(scope, receive, send).send(None)  # one step, to the first wait

    assert len(seen) == 1


def test_a_configuration_is_shown_without_what_may_be_secret():
    config = parse(
        {
            "upstreams": {
                "v": {"base_url": "https://vendor.example/v1?key=planted-1", "headers": {"X-Auth": "planted-2"}}
            },
            "models": {
                "m": {"upstream": "v", "parameters": {"extra": {"api_key": "planted-3", "api-token": "planted-4"}}}
            },
        }
    )

    assert "planted" not in str(shown(config))
    assert shown(config)["upstreams"]["v"]["base_url"] == "https://vendor.example/v1"
    assert shown(config)["upstreams"]["v"]["headers"] == {"X-Auth": "(hidden)"}


async def test_what_a_successor_took_over_is_not_closed_with_its_predecessor(live: Live, file: Path):
    closed: list[str] = []

    async def close() -> None:
        closed.append("access")

    live.switchpoint.access.disconnect = close
    upstream = live.switchpoint.engine.upstreams["fake"]

    async def own() -> None:
        closed.append("own")

    upstream.close = own
    await live.reload("request")
    await until(lambda: "own" in closed)

    assert closed == ["own"]
    assert live.switchpoint.access.disconnect is close


async def test_what_a_router_has_spent_towards_an_unchanged_target_is_remembered(live: Live, file: Path):
    budget = '[routers.frugal]\nkind = "utility"\ntarget_usd_per_1k = {target}\n'
    priced = '[models.priced]\nupstream = "fake"\ninput_usd_per_mtok = 1\noutput_usd_per_mtok = 1\ntier = "mid"\n'
    kept = []
    for target in (1.0, 1.0, 2.0):
        write(file, "new", more=priced + budget.format(target=target))
        await live.reload("test")
        kept.append(live.switchpoint.strategies.budgets.configured("frugal", target, 0.0))

    assert kept[0] is kept[1]
    assert kept[1] is not kept[2]
