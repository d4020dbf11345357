"""What is asked before and after an answer hangs or fails: the caller gets an answer all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

import httpx2
import pytest

from tests.chaos import behaviours as does
from tests.chaos.cells import STRONG
from tests.chaos.gateway import STRONG_TEXT, USER, Gateway, running
from tests.chaos.observing import Seen
from tests.fake_openai import answering, failing, sending

FAULTY = ("hangs", "raises", "lies")
RATERS = {
    "silent": does.silent,
    "tired": failing(500),
    "babbling": answering("I could not say."),
    "html": sending(b"<"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    verifiers = {
        name: {"kind": "python", "function": f"tests.chaos.verifying:{name}", "time_box_s": 0.2} for name in FAULTY
    }
    verifiers["hanging-judge"] = {"kind": "judge", "model": "silent", "time_box_s": 0.2}
    cascades = {
        f"verified-{name}": {"kind": "threshold", "models": ["well", STRONG], "verifier": name, "threshold": 0.5}
        for name in verifiers
    }
    rated = {"kind": "rated", "models": ["well", STRONG], "weak": "well", "strong": STRONG, "threshold": 0.5}
    routers = {f"rated-by-{name}": {**rated, "rater": name, "time_box_s": 0.2} for name in RATERS}
    with running(
        tmp_path_factory.mktemp("deciding"),
        {"well": answering(), **RATERS},
        verifiers=verifiers,
        cascades=cascades,
        routers=routers,
    ) as gateway:
        yield gateway


def ask(gateway: Gateway, route: str, id: str, **more: object) -> httpx2.Response:
    body = {"model": route, "messages": [USER], **more}
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json=body, headers={"x-request-id": id})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", [*FAULTY, "hanging-judge"])
def test_a_verifier_that_fails_accepts_nothing_so_the_next_model_answers(gateway: Gateway, name: str, stream: bool):
    id = f"verified-{name}-{stream}"

    response = ask(gateway, f"verified-{name}", id, stream=stream)

    assert (response.status_code, response.headers["x-switchpoint-model"]) == (200, STRONG)
    assert Seen(response).text == STRONG_TEXT
    assert "secret" not in response.text
    record = gateway.records()[id]
    assert [attempt.failure for attempt in record.attempts] == [None, None]
    assert math.isnan(record.attempts[0].verdicts[0].score)


@pytest.mark.parametrize("name", list(RATERS))
def test_a_preparation_that_fails_still_leads_to_an_answer(gateway: Gateway, name: str):
    response = ask(gateway, f"rated-by-{name}", f"rated-{name}")

    assert response.status_code == 200
    record = gateway.records()[f"rated-{name}"]
    assert (record.outcome, len(record.attempts)) == ("answered", 1)


def test_what_a_preparation_cost_that_hung_is_not_known(gateway: Gateway):
    ask(gateway, "rated-by-silent", "unknown-cost")

    record = gateway.records()["unknown-cost"]
    assert record.preparation_usd is None and record.cost_usd is None


def test_a_deadline_holds_while_a_preparation_hangs(gateway: Gateway):
    response = ask(gateway, "rated-by-silent", "deadline", switchpoint={"deadline_ms": 50})

    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert gateway.records()["deadline"].attempts == ()
