"""Callers' own embeddings, behind the keys and the budgets of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from switchpoint.control.keys import digest, new_secret
from switchpoint.records.reader import RecordReader
from tests.assembly.test_embeddings import embedding
from tests.fake_openai import FakeOpenAI, failing

KEY, NARROW = new_secret(), new_secret()
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1, "max_output_tokens": 10}


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI({"e": embedding}) as server:
        yield server


@contextmanager
def served(server: FakeOpenAI, folder: Path, usd: float, price: float | None = 2.0) -> Iterator[Any]:
    keys = {"k": {"sha256": digest(KEY)}, "narrow": {"sha256": digest(NARROW), "routes": ["auto"]}}
    section = {"base_url": server.base_url, "dim": 2, **({} if price is None else {"usd_per_mtok": price})}
    configuration = {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["hi"]}}},
        "models": {"mini": {"upstream": "fake", **PRICE}},
        "embeddings": {"e": section},
        "records": {"path": str(folder / "records.sqlite")},
        "access": {
            "required": True,
            "path": str(folder / "control.sqlite"),
            "keys": keys,
            "budgets": [{"key": "k", "usd": usd, "per": "total"}],
        },
    }
    with Switchpoint.of(configuration) as switchpoint, TestClient(switchpoint.app()) as client:

        def ask(key: str = KEY, path: str = "/v1/embeddings", **body: Any) -> Any:
            sent = {"model": "e", "input": ["hello"], **body}
            return client.post(path, json=sent, headers={"authorization": f"Bearer {key}"} if key else {})

        ask.switchpoint = switchpoint
        yield ask


def test_it_is_served_within_a_budget_and_booked_there(server: FakeOpenAI, tmp_path: Path):
    with served(server, tmp_path, usd=0.0001) as ask:
        found = [ask().status_code for _ in range(8)]

    assert found[:3] == [200] * 3
    assert found[-1] == 429
    assert len(server.requests) == found.count(200) <= 5  # of 0.00002 USD each


@pytest.mark.parametrize("price", [2.0, None])
def test_a_failure_whose_bill_is_unknown_is_told_and_booked(server: FakeOpenAI, tmp_path: Path, price: float | None):
    server.behaviours["e"] = failing(500)
    with served(server, tmp_path, usd=1.0, price=price) as ask:
        assert ask().status_code == 502


def test_it_is_recorded_like_a_query(server: FakeOpenAI, tmp_path: Path):
    with served(server, tmp_path, usd=1.0) as ask:
        id = ask().headers["x-switchpoint-record"]
        ask.switchpoint.log.flush()
        record = RecordReader(ask.switchpoint.log.path).get(id)

    assert (record.strategy, record.answered_by, record.tags["tenant"]) == ("embeddings", "e", "default")
    assert record.attempts[0].answer.usage.input_tokens == 10


def test_a_key_for_other_routes_may_not_use_it(server: FakeOpenAI, tmp_path: Path):
    with served(server, tmp_path, usd=1.0) as ask:
        assert ask(NARROW).status_code == 403
        assert ask("").status_code == 401
    assert server.requests == []


def test_an_embeddings_endpoint_answers_no_conversation(server: FakeOpenAI, tmp_path: Path):
    with served(server, tmp_path, usd=1.0) as ask:
        response = ask(path="/v1/chat/completions", messages=[{"role": "user", "content": "hello"}])

    assert response.status_code == 404
