"""The cache of a configuration, through the gateway: who gets whose answer, and what is told and recorded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from switchpoint import Switchpoint
from switchpoint.assembly.cache import TaggingGate
from switchpoint.control.keys import digest, new_secret
from switchpoint.gateway.service import OpenGate
from switchpoint.records.reader import RecordReader

ACME, OTHER = new_secret(), new_secret()
QUESTION = [{"role": "user", "content": "What is 2 + 2?"}]
PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
Ask = Callable[..., Any]


def configuration(folder: Path, **cache: Any) -> dict[str, Any]:
    return {
        "upstreams": {"fake": {"kind": "fake", "script": {"mini": ["first", "second", "third"], "maxi": ["big"]}}},
        "models": {
            "mini": {"upstream": "fake", "tier": "weak", **PRICE},
            "maxi": {"upstream": "fake", "tier": "strong", **PRICE},
        },
        "records": {"path": str(folder / "records.sqlite")},
        "cache": {"enabled": True, **cache},
    }


def with_keys(folder: Path) -> dict[str, Any]:
    keys = {name: {"sha256": digest(secret), "tenant": name} for name, secret in (("acme", ACME), ("other", OTHER))}
    path = str(folder / "control.sqlite")
    return {**configuration(folder), "access": {"required": True, "path": path, "keys": keys}}


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], Ask]]:
    with ExitStack() as stack:

        def serve(configuration: dict[str, Any]) -> Ask:
            switchpoint = stack.enter_context(Switchpoint.of(configuration))
            client = stack.enter_context(TestClient(switchpoint.app()))

            def ask(model: str = "mini", key: str = "", headers: dict[str, str] | None = None, **body: Any) -> Any:
                sent = {"model": model, "messages": QUESTION, "temperature": 0, **body}
                own = {"authorization": f"Bearer {key}"} if key else {}
                response = client.post("/v1/chat/completions", json=sent, headers={**own, **(headers or {})})
                assert response.status_code == 200, response.text
                return response

            ask.switchpoint = switchpoint
            return ask

        yield serve


def hit(response: Any) -> bool:
    return response.headers.get("x-switchpoint-cache") == "hit"


def text(response: Any) -> str:
    return response.json()["choices"][0]["message"]["content"]


def test_the_same_request_is_answered_again_and_says_so(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path))
    first, again = ask(), ask()

    assert [text(first), text(again)] == ["first", "first"]
    assert [hit(first), hit(again)] == [False, True]


def test_an_answer_from_the_cache_is_recorded_and_costs_nothing(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path))
    ask()
    again = ask()
    ask.switchpoint.log.flush()
    newest, oldest = sorted(RecordReader(ask.switchpoint.log.path).all(), key=lambda record: record.at, reverse=True)

    assert again.headers["x-switchpoint-record"] == newest.id
    assert newest.cost_usd == 0 < oldest.cost_usd
    assert newest.attempts[0].answer.usage.output_tokens == oldest.attempts[0].answer.usage.output_tokens
    assert Decimal(again.headers["x-switchpoint-cost-usd"]) == 0


def test_a_stream_is_given_again_as_it_came(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path))
    first, again = ask(stream=True), ask(stream=True)

    assert again.text == first.text
    assert [hit(first), hit(again)] == [False, True]


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"x-switchpoint-cache": "off"}},
        {"headers": {"cache-control": "no-store"}},
        {"headers": {"cache-control": "max-age=0, No-Store"}},
        {"switchpoint": {"cache": "off"}},
    ],
)
def test_a_caller_may_have_an_answer_of_his_own(serve: Any, tmp_path: Path, how: dict[str, Any]):
    ask = serve(configuration(tmp_path))
    ask()

    assert text(ask(**how)) == "second"
    assert text(ask()) == "first"


def test_a_route_and_the_model_it_chooses_do_not_share_answers(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path))

    assert [text(ask("mini")), text(ask("cheapest")), text(ask("router-length-1"))] == ["first", "second", "third"]


def test_a_caller_cannot_say_that_he_asked_for_another_route(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path))
    ask("cheapest")

    assert not hit(ask("mini", switchpoint={"tags": {"route": "cheapest"}}))


def test_tenants_never_share_answers_whatever_they_call_themselves(serve: Any, tmp_path: Path):
    ask = serve(with_keys(tmp_path))
    ask(key=ACME)

    assert hit(ask(key=ACME))
    assert not hit(ask(key=OTHER))
    assert not hit(ask(key=OTHER, switchpoint={"tags": {"tenant": "acme"}}, seed=1))
    assert not hit(ask(key=ACME, seed=1))


NEAR = [
    {"key": key, "model": model, "messages": [*system, *QUESTION], **parameters}
    for key in (ACME, OTHER)
    for model in ("mini", "maxi", "auto", "cheapest", "best", "random", "router-length-0.5")
    for system in ([], [{"role": "system", "content": "Be brief."}], [{"role": "system", "content": "Be  brief."}])
    for parameters in ({}, {"max_tokens": 9}, {"max_tokens": 90}, {"seed": 9}, {"stop": ["9"]}, {"user": "9"})
]


@pytest.mark.parametrize("stream", [True, False])
def test_no_two_near_duplicates_share_an_answer(serve: Any, tmp_path: Path, stream: bool):
    ask = serve(with_keys(tmp_path))

    assert all(one != other for one, other in combinations(NEAR, 2))
    assert [hit(ask(**near, stream=stream)) for near in NEAR] == [False] * len(NEAR)


def test_only_what_is_named_is_cached(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path, routes=["cheapest"], models=["mini"]))

    assert [hit(ask("cheapest")), hit(ask("cheapest")), hit(ask("mini")), hit(ask("mini"))] == [
        False,
        True,
        False,
        False,
    ]


def test_off_it_is_not_there_at_all(serve: Any, tmp_path: Path):
    ask = serve(configuration(tmp_path, enabled=False))

    assert [text(ask()), text(ask())] == ["first", "second"]
    assert not isinstance(ask.switchpoint.service().gate, TaggingGate)
    assert isinstance(ask.switchpoint.service().gate, OpenGate)
