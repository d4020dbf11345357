"""Remote embeddings in a configuration: each query has its vector before a router that needs it decides."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from switchpoint import Query, Switchpoint
from switchpoint.core.errors import ConfigError
from tests.fake_openai import Exchange, FakeOpenAI, failing


async def embedding(exchange: Exchange) -> None:
    data = [{"index": i, "embedding": [1.0, 2.0]} for i in range(len(exchange.received.body["input"]))]
    await exchange.json({"data": data, "usage": {"prompt_tokens": 10}})


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI({"e": embedding}) as server:
        yield server


def configuration(server: FakeOpenAI, **router: Any) -> dict:
    price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
    tiers = {"mini": "weak", "big": "strong"}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["from mini"], "big": ["from big"]}}},
        "models": {name: {"upstream": "fake", "tier": tier, **price} for name, tier in tiers.items()},
        "embeddings": {"e": {"base_url": server.base_url, "dim": 2, "usd_per_mtok": 2, "time_box_s": 60}},
        "routers": {"far": {"kind": "utility", "threshold": 0.5, "embeddings": "e", **router}},
        "records": {"enabled": False},
    }


async def test_the_vector_is_fetched_before_deciding_and_billed(server: FakeOpenAI) -> None:
    async with Switchpoint.of(configuration(server)) as switchpoint:
        strategy = switchpoint.routes.resolve("far")
        record = await switchpoint.run("hello", "far")
        prepared = await switchpoint.engine.prepare(strategy, Query.of("hello"))

    assert [request.body["input"] for request in server.requests] == [["hello"], ["hello"]]
    assert prepared.vector.tolist() == [1.0, 2.0]
    assert record.preparation_usd == Decimal("0.00002")


async def test_a_router_at_a_callers_own_budget_fetches_it_too(server: FakeOpenAI) -> None:
    async with Switchpoint.of(configuration(server)) as switchpoint:
        record = await switchpoint.run("hello", "far:usd_per_1k=1")

    assert record.preparation_usd == Decimal("0.00002")


async def test_an_endpoint_that_fails_does_not_stop_the_query(server: FakeOpenAI) -> None:
    server.behaviours["e"] = failing(503)

    async with Switchpoint.of(configuration(server)) as switchpoint:
        record = await switchpoint.run("hello", "far")

    assert record.outcome == "answered"
    assert record.preparation_usd is None


async def test_other_routers_fetch_nothing(server: FakeOpenAI) -> None:
    async with Switchpoint.of(configuration(server)) as switchpoint:
        record = await switchpoint.run("hello", "best")

    assert (server.requests, record.preparation_usd) == ([], 0)


def test_an_unknown_endpoint_and_a_missing_key_are_faults(server: FakeOpenAI) -> None:
    wrong = configuration(server, embeddings="f")
    wrong["embeddings"]["e"]["api_key_env"] = "NOT_SET_ANYWHERE"

    with pytest.raises(ConfigError) as caught:
        Switchpoint.of(wrong)

    assert {problem.split(":")[0] for problem in caught.value.problems} == {
        "routers.far.embeddings",
        "embeddings.e.api_key_env",
    }
