"""A configuration's resilience: keys, breakers, the door, and what outlives a reload."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from switchpoint.assembly.resilience import Resilience, pooled
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.read import parse
from switchpoint.core.errors import ConfigError, NoAnswer, Overloaded
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.stores.memory import Memory
from switchpoint.upstreams.fake import Fake
from tests.fake_openai import Exchange, FakeOpenAI, answering, failing

GOOD, BAD = "sk-good-key", "sk-bad-key"


async def by_key(exchange: Exchange) -> None:
    """Answer the good key, refuse any other."""
    good = exchange.received.headers.get("authorization") == f"Bearer {GOOD}"
    await (answering("yes") if good else failing(401, "Incorrect API key provided"))(exchange)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    monkeypatch.setenv("GOOD_KEY", GOOD)
    monkeypatch.setenv("BAD_KEY", BAD)
    with FakeOpenAI({"by-key": by_key, "down": failing(500)}) as server:
        yield server


def configuration(tmp_path: Path, base_url: str, **more: object) -> dict:
    acme = {"base_url": base_url, **more.pop("upstream", {})}
    models = {id: {"upstream": "acme"} for id in ("by-key", "down")}
    records = {"path": str(tmp_path / "records.sqlite")}
    return {"upstreams": {"acme": acme}, "models": models, "records": records, **more}


async def test_a_dead_key_costs_no_caller_an_answer(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, upstream={"api_keys_env": ["BAD_KEY", "GOOD_KEY"]})

    async with Switchpoint.of(raw) as switchpoint:
        answers = [(await switchpoint.run("hello", "by-key")).answer.text for _ in range(3)]

    assert answers == ["yes"] * 3
    assert len(upstream.requests) == 4  # the bad key was tried once


async def test_a_model_that_keeps_failing_is_shut_and_the_caller_told_to_come_back(
    tmp_path: Path, upstream: FakeOpenAI
) -> None:
    raw = configuration(tmp_path, upstream.base_url, engine={"retries": 0})

    async with Switchpoint.of(raw) as switchpoint:
        for _ in range(5):
            with pytest.raises(NoAnswer):
                await switchpoint.run("hello", "down")
        with pytest.raises(Overloaded, match="model 'down' failed 5 times in a row"):
            await switchpoint.run("hello", "down")

    assert len(upstream.requests) == 5


async def test_what_is_shut_stays_shut_across_a_reload(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, engine={"retries": 0}, health={"failures": 1})

    async with Switchpoint.of(raw) as before:
        with pytest.raises(NoAnswer):
            await before.run("hello", "down")
        async with Switchpoint(parse(raw), after=before) as after:
            with pytest.raises(Overloaded):
                await after.run("hello", "down")


async def test_without_health_every_call_is_made(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, engine={"retries": 0}, health={"enabled": False})

    async with Switchpoint.of(raw) as switchpoint:
        for _ in range(7):
            with pytest.raises(NoAnswer):
                await switchpoint.run("hello", "down")

    assert len(upstream.requests) == 7


@pytest.mark.parametrize(
    ("upstream_keys", "fault"),
    [
        ({"api_keys_env": ["GOOD_KEY", "NO_SUCH"]}, "api_keys_env: the environment variable NO_SUCH is not set"),
        ({"api_keys_env": ["GOOD_KEY", "GOOD_KEY"]}, "api_keys_env names a variable twice"),
        ({"api_key_env": "GOOD_KEY", "api_keys_env": ["BAD_KEY"]}, "are both given"),
        ({"hedge_after_s": 0}, "hedge_after_s"),
    ],
)
def test_faults_are_found_before_anything_is_called(
    tmp_path: Path, upstream: FakeOpenAI, upstream_keys: dict, fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        parse(configuration(tmp_path, upstream.base_url, upstream=upstream_keys))


async def test_several_deployments_are_one_upstream(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, upstream={"api_key_env": "GOOD_KEY"})
    raw["upstreams"]["gone"] = {"base_url": "http://127.0.0.1:9/v1"}
    raw["upstreams"]["both"] = {"kind": "balanced", "upstreams": ["acme", "gone"]}
    raw["models"]["by-key"]["upstream"] = "both"

    async with Switchpoint.of(raw) as switchpoint:
        answers = [(await switchpoint.run("hello", "by-key")).answer.text for _ in range(8)]

    assert answers == ["yes"] * 8


@pytest.mark.parametrize(
    ("names", "fault"), [(["acne"], "unknown name 'acne'. Did you mean 'acme'"), (["both"], "both is balanced itself")]
)
def test_what_cannot_be_balanced_is_a_fault(tmp_path: Path, upstream: FakeOpenAI, names: list[str], fault: str) -> None:
    raw = configuration(tmp_path, upstream.base_url)
    raw["upstreams"]["both"] = {"kind": "balanced", "upstreams": names}

    with pytest.raises(ConfigError, match=fault):
        Switchpoint.of(raw)


async def test_a_slow_call_is_hedged_where_the_configuration_says_so(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, upstream={"hedge_after_s": 0.01, "hedge_share": 1.0})
    section = parse(raw).upstreams["acme"]
    made = pooled("acme", section, lambda key: Fake({"m": ["yes"]}, latency_s=0.05))
    model = Model(id="m", upstream="acme", upstream_model="m")

    answer = await made.complete(model, Query.of("hello"))

    assert (answer.text, answer.usage) == ("yes", None)


def test_keys_are_nowhere_in_what_is_made(tmp_path: Path, upstream: FakeOpenAI) -> None:
    raw = configuration(tmp_path, upstream.base_url, upstream={"api_keys_env": ["BAD_KEY", "GOOD_KEY"]})

    with Switchpoint.of(raw) as switchpoint:
        shown = repr(switchpoint.engine) + switchpoint.config.model_dump_json()

    assert GOOD not in shown
    assert BAD not in shown


class TestTheDoor:
    def of(self, tmp_path: Path, after: Resilience | None = None, **gateway: object) -> Resilience:
        return Resilience(parse(configuration(tmp_path, "http://127.0.0.1:9", gateway=gateway)), after)

    def test_without_a_limit_there_is_none(self, tmp_path: Path) -> None:
        assert self.of(tmp_path).door is None

    async def test_who_is_inside_stays_inside_across_a_reload(self, tmp_path: Path) -> None:
        before = self.of(tmp_path, max_concurrent=2)
        await before.door.enter()

        assert self.of(tmp_path, before, max_concurrent=2).door is before.door
        assert self.of(tmp_path, before, max_concurrent=3).door is not before.door


class Shared:
    """A store that many replicas see."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def get(self, key: str) -> bytes | None:
        self.asked.set()
        return None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        pass

    async def delete(self, key: str) -> None:
        pass


async def test_replicas_that_share_a_store_begin_to_talk_with_the_first_question(tmp_path: Path) -> None:
    resilience, store = Resilience(parse(configuration(tmp_path, "http://127.0.0.1:9"))), Shared()

    assert resilience.report(store)() == {}

    await asyncio.wait_for(store.asked.wait(), 5)
    await resilience.close()


def test_with_nobody_to_talk_to_the_board_itself_is_asked(tmp_path: Path) -> None:
    resilience = Resilience(parse(configuration(tmp_path, "http://127.0.0.1:9")))

    assert resilience.report(Memory()) is resilience.board
