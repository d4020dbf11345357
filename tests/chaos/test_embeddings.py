"""The faults of an endpoint for embeddings: a 200 that passes them on, or an error, and always one record."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import pytest

from tests.chaos import behaviours as does
from tests.chaos.callers import connected, request, wait_for
from tests.chaos.gateway import Gateway, running
from tests.fake_openai import Behaviour, FakeOpenAI, failing, sending

DATA = [{"index": 0, "object": "embedding", "embedding": [0.5, 0.5]}]


def giving(**body: object) -> Behaviour:
    """Answer with one vector and these fields beside it."""
    return sending(json.dumps({"object": "list", "data": DATA, **body}).encode())


def claiming(usage: bytes) -> Behaviour:
    return sending(b'{"object": "list", "data": [], "usage": %b}' % usage)


FAILS: dict[str, tuple[Behaviour, int]] = {
    "resets": (does.reset, 502),
    "hangs-up": (does.hang_up, 502),
    "silent": (does.silent, 504),
    "resets-in-body": (does.reset_in_body, 502),
    "not-http": (does.not_http, 502),
    "status-400": (failing(400), 400),
    "status-401": (failing(401), 502),
    "status-429": (failing(429), 429),
    "status-503": (failing(503), 502),
    "redirects": (does.redirect(307), 502),
    "html": (does.html(200), 502),
    "empty": (does.empty(200), 502),
    "error-200": (giving(error={"message": "No."}), 502),
    "gzip-bomb": (does.gzip_bomb, 502),
    "deep": (claiming(b"[" * 100_000 + b"]" * 100_000), 502),
}
UNBILLED: dict[str, Behaviour] = {
    "no-usage": giving(),
    "usage-of-text": giving(usage="many"),
    "negative-usage": giving(usage={"prompt_tokens": -5}),
    "absurd-usage": giving(usage={"prompt_tokens": 10**30}),
}


BEHAVES = {name: behave for name, (behave, _) in FAILS.items()} | UNBILLED


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeOpenAI]:
    does.bomb()  # made before anybody waits for it
    with FakeOpenAI(BEHAVES) as vendor:
        yield vendor


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, vendor: FakeOpenAI) -> Iterator[Gateway]:
    section = {"base_url": vendor.base_url, "dim": 2, "usd_per_mtok": 1}
    embeddings = {name: {**section, "model": name} for name in BEHAVES}
    with running(tmp_path_factory.mktemp("embeddings"), {}, embeddings=embeddings) as gateway:
        yield gateway


def ask(gateway: Gateway, name: str) -> httpx2.Response:
    body = {"model": name, "input": "What is 2 + 2?", "switchpoint": {"deadline_s": 3}}
    return httpx2.post(f"{gateway.url}/v1/embeddings", json=body, headers={"x-request-id": name})


@pytest.mark.parametrize("name", list(FAILS))
def test_a_fault_is_an_error_that_is_not_worth_repeating_and_recorded(gateway: Gateway, name: str):
    response = ask(gateway, name)

    assert response.status_code == FAILS[name][1]
    assert response.json()["error"]["code"] and response.headers["x-should-retry"] == "false"
    assert gateway.records()[name].outcome == "failed"


@pytest.mark.parametrize("name", list(UNBILLED))
def test_vectors_are_passed_on_whatever_is_said_of_their_use_and_the_bill_is_unknown(gateway: Gateway, name: str):
    response = ask(gateway, name)

    assert (response.status_code, response.json()["data"]) == (200, DATA)
    record = gateway.records()[name]
    assert (record.outcome, record.cost_usd) == ("answered", None)


def test_a_caller_who_goes_ends_the_call_and_the_record_says_so(gateway: Gateway, vendor: FakeOpenAI):
    vendor.requests.clear()
    vendor.disconnected.clear()
    body = json.dumps({"model": "silent", "input": "What is 2 + 2?"}).encode()
    with connected(gateway) as connection:
        connection.sendall(request("/v1/embeddings", body, "gone"))
        assert vendor.wait_for_requests(1)

    assert vendor.disconnected.wait(1.0)
    assert wait_for(lambda: "gone" in gateway.records())
    record = gateway.records()["gone"]
    assert (record.outcome, record.cost_usd) == ("cancelled", None)
