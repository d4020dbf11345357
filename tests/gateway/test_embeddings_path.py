"""POST /v1/embeddings passes requests on, and admits and records them like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import openai
import pytest
from starlette.testclient import TestClient

from switchpoint.core.record import Record
from switchpoint.gateway.app import create_app
from switchpoint.gateway.serve import serving
from switchpoint.gateway.service import OpenGate
from switchpoint.upstreams.embeddings import Embeddings
from tests.fake_openai import Exchange, FakeOpenAI, failing, silent
from tests.gateway.test_management import service_of

VECTOR = "[0.1234567890123456789, -1e-7, 3]"
ANSWER = '{"object":"list","data":[{"index":0,"embedding":%s}],"model":"%s","x":{"b": 1},"usage":%s}'
USAGE = '{"prompt_tokens":1000,"total_tokens":1000}'


async def embedding(exchange: Exchange) -> None:
    await exchange.json(json.loads(ANSWER % ("[0.5]", "vendor-large", USAGE)))


async def embedding_exactly(exchange: Exchange) -> None:
    await exchange.raw((ANSWER % (VECTOR, "vendor-large", "null")).encode())


class Remembering(OpenGate):
    """A gate that remembers whom it let in and what was booked."""

    def __init__(self) -> None:
        self.admitted: list[Any] = []
        self.settled: list[Record | None] = []

    async def admit(self, principal: Any, route: str, query: Any) -> Any:
        self.admitted.append((route, query))
        admission = await super().admit(principal, route, query)

        class Settling:
            query = admission.query

            def settle(_, record: Record | None) -> None:
                self.settled.append(record)

        return Settling()


class Served:
    """A gateway before an embeddings server."""

    def __init__(self, upstream: FakeOpenAI, **options: Any) -> None:
        self.upstream, self.gate = upstream, Remembering()
        self.records: list[Record] = []
        service = service_of(self.gate)
        vectors = Embeddings("small", upstream.base_url, "vendor-large", 8, usd_per_mtok=Decimal("0.02"), **options)
        engine = replace(service.engine, sink=self.records.append)
        self.service = replace(service, engine=engine, embeddings={"small": vectors})
        self.app = create_app(lambda: self.service, on_close=vectors.close)

    def post(self, **body: Any) -> Any:
        with TestClient(self.app, raise_server_exceptions=False) as client:
            return client.post("/v1/embeddings", json={"model": "small", "input": "hello", **body})


@pytest.fixture
def served() -> Iterator[Served]:
    with FakeOpenAI({"vendor-large": embedding}) as upstream:
        yield Served(upstream)


def test_a_request_is_passed_on_with_the_endpoints_own_model(served: Served):
    response = served.post(input=["a", "b"], dimensions=8, unheard_of={"x": 1.50}, switchpoint={"tags": {"role": "r"}})

    assert response.status_code == 200
    assert served.upstream.requests[0].body == {
        "model": "vendor-large",
        "input": ["a", "b"],
        "dimensions": 8,
        "unheard_of": {"x": 1.5},
    }


def test_the_answer_carries_the_name_that_was_configured(served: Served):
    assert served.post().json()["model"] == "small"
    assert served.post(model="vendor-large").json()["model"] == "small"


def test_every_other_byte_is_the_servers(served: Served):
    served.upstream.behaviours["vendor-large"] = embedding_exactly

    assert served.post().text == ANSWER % (VECTOR, "small", "null")


def test_it_is_recorded_with_its_usage_and_its_price(served: Served):
    response = served.post()
    [record] = served.records

    assert (record.route, record.strategy, record.outcome, record.answered_by) == (
        "small",
        "embeddings",
        "answered",
        "small",
    )
    assert record.attempts[0].answer.usage.input_tokens == 1000
    assert record.cost_usd == Decimal("0.00002")
    assert response.headers["x-switchpoint-record"] == record.id
    assert response.headers["x-switchpoint-cost-usd"] == "0.00002"


def test_it_is_admitted_by_its_texts_and_settled_with_its_record(served: Served):
    served.post(input=["x" * 400, "y" * 400])
    [(route, query)] = served.gate.admitted

    assert route == "small"
    assert query.input_tokens >= 200
    assert served.gate.settled == served.records


@pytest.mark.parametrize("given", [[1, 2, 3], [[1, 2], [3]], None])
def test_what_holds_no_text_is_for_the_server_to_judge(served: Served, given: Any):
    assert served.post(input=given).status_code == 200
    assert served.upstream.requests[0].body["input"] == given


def test_an_unknown_endpoint_is_named_with_the_known_ones(served: Served):
    response = served.post(model="smal")

    assert response.status_code == 404
    assert "Did you mean 'small'?" in response.json()["error"]["message"]


@pytest.mark.parametrize("model", [None, 3, {}])
def test_a_model_must_be_named(served: Served, model: Any):
    response = served.post(model=model)

    assert (response.status_code, response.json()["error"]["param"]) == (400, "model")
    assert served.gate.admitted == []


@pytest.mark.parametrize(("status", "shown"), [(400, 400), (401, 502), (429, 429), (500, 502)])
def test_a_failure_is_recorded_and_settled_and_not_tried_again(served: Served, status: int, shown: int):
    served.upstream.behaviours["vendor-large"] = failing(status)

    response = served.post()

    assert response.status_code == shown
    assert response.headers["x-should-retry"] == "false"
    assert [record.outcome for record in served.records] == ["failed"]
    assert served.gate.settled == served.records


def test_what_costs_too_much_is_not_sent(served: Served):
    response = served.post(input="x" * 4_000_000, switchpoint={"max_cost_usd": 0.001})

    assert response.json()["error"]["code"] == "no_eligible_model"
    assert served.upstream.requests == []
    assert served.gate.settled == [None]


def test_the_deadline_of_the_request_holds(served: Served):
    served.upstream.behaviours["vendor-large"] = silent

    assert served.post(switchpoint={"deadline_s": 0.05}).status_code == 504


def test_the_official_client_reads_it(served: Served):
    with serving(served.app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        found = client.embeddings.create(model="small", input="hello", encoding_format="float")

    assert found.data[0].embedding == [0.5]
