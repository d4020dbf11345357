"""Conversations, from the configuration to the headers of an answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.read import parse
from switchpoint.core.errors import ConfigError
from switchpoint.gateway.serve import serving

SCRIPT = {"kind": "fake", "script": {"mini": ["Fine."], "big": ["Very well."]}}
BASE = {
    "upstreams": {"fake": SCRIPT},
    "models": {
        "mini": {"upstream": "fake", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1, "tier": "weak"},
        "big": {"upstream": "fake", "input_usd_per_mtok": 9, "output_usd_per_mtok": 9, "tier": "strong"},
    },
    "routers": {"draw": {"kind": "random"}},
    "records": {"enabled": False},
}
USER = {"role": "user", "content": "What is the weather in Paris?"}
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
LOOP = [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
LOOP += [{"role": "tool", "tool_call_id": "1", "content": "sunny"}]


@contextmanager
def gateway(**sections: Any) -> Iterator[httpx2.Client]:
    switchpoint = Switchpoint.of({**BASE, **sections})
    with serving(switchpoint.app()) as url, httpx2.Client(base_url=url) as client:
        yield client


def ask(client: httpx2.Client, messages: list[dict], headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"model": "draw", "messages": messages, **more}
    return client.post("/v1/chat/completions", json=body, headers=headers or {})


def phase(response: Any) -> str | None:
    return response.headers.get("x-switchpoint-session-phase")


def test_a_conversation_keeps_the_model_that_was_drawn_for_it() -> None:
    with gateway() as client:
        told = [ask(client, [USER], {"x-switchpoint-session": "one"}) for _ in range(12)]

    assert [phase(each) for each in told] == ["new"] + ["stay"] * 11
    assert len({each.headers["x-switchpoint-model"] for each in told}) == 1


def test_conversations_differ_from_each_other() -> None:
    with gateway() as client:
        told = [ask(client, [USER], {"x-session-id": str(number)}) for number in range(20)]

    assert {phase(each) for each in told} == {"new"}
    assert len({each.headers["x-switchpoint-model"] for each in told}) == 2


def test_an_open_tool_loop_is_locked_to_the_model_that_began_it() -> None:
    with gateway() as client:
        first = ask(client, [USER], user="alice")
        looped = [ask(client, LOOP, user="alice") for _ in range(6)]

    assert {phase(each) for each in looped} == {"locked"}
    assert {each.json()["model"] for each in looped} == {first.json()["model"]}


def test_a_locked_model_that_is_not_allowed_is_an_error() -> None:
    with gateway() as client:
        first = ask(client, [USER], user="alice").json()["model"]
        other = "big" if first == "mini" else "mini"
        refused = ask(client, LOOP, user="alice", switchpoint={"allow": [other]})

    assert refused.status_code == 400
    assert "an open tool loop ties this conversation to it" in refused.json()["error"]["message"]


def test_a_model_that_the_caller_names_is_called_whatever_was_before() -> None:
    with gateway() as client:
        told = [ask(client, [USER], {"x-session-id": "1"}, model=name).json()["model"] for name in ("mini", "big")]

    assert told == ["mini", "big"]


def test_housekeeping_goes_where_the_configuration_says() -> None:
    with gateway(sessions={"housekeeping": {"use": "mini"}}) as client:
        told = [ask(client, [{"role": "user", "content": "quota"}], max_tokens=1) for _ in range(8)]

    assert {each.json()["model"] for each in told} == {"mini"}
    assert {phase(each) for each in told} == {None}


def test_tags_from_headers_steer_rules() -> None:
    rules = [{"name": "helpers", "tags": {"subagent": "review"}, "use": "mini"}]
    rules += [{"name": "paying", "tags": {"tier": "gold", "task": "code"}, "use": "big"}]
    routers = {"house": {"kind": "rules", "rules": rules, "otherwise": "cheapest"}}
    with gateway(routers=routers) as client:
        gold = ask(client, [USER], {"x-switchpoint-tier": "gold", "x-switchpoint-task": "code"}, model="house")
        helper = ask(client, [USER], {"x-openai-subagent": "review"}, model="house")

    assert (gold.json()["model"], helper.json()["model"]) == ("big", "mini")


def test_a_contract_is_kept_or_said_to_be_missed() -> None:
    with gateway() as client:
        told = [ask(client, [USER], {"x-switchpoint-min-quality": q}, model="cheapest") for q in ("0", "0.9", "1")]
        named = ask(client, [USER], model="mini", switchpoint={"min_quality": 0.9})

    assert [each.json()["model"] for each in told[:2]] == ["mini", "big"]
    assert [each.headers["x-switchpoint-min-quality"] for each in told[:2]] == ["reached", "reached"]
    assert named.headers["x-switchpoint-min-quality"] == "unknown"


def test_switched_off_nothing_is_remembered_and_nothing_prepared() -> None:
    switchpoint = Switchpoint.of({**BASE, "sessions": {"enabled": False}})

    assert switchpoint.sessions is None
    assert switchpoint.engine.preparations_of(switchpoint.routes.resolve("draw")) == ()


def test_conversations_outlive_a_new_configuration() -> None:
    before = Switchpoint.of(BASE)
    after = Switchpoint(parse({**BASE, "sessions": {"margin": 0.5}}), after=before)

    assert after.sessions is not None and before.sessions is not None
    assert (after.sessions.store, after.sessions.secret) == (before.sessions.store, before.sessions.secret)


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"housekeeping": {"use": "mimi"}}, "sessions.housekeeping.use: unknown name 'mimi'. Did you mean 'mini'"),
        ({"secret_env": "SWITCHPOINT_TEST_SECRET"}, "must hold a secret of 16 bytes or more"),
        ({"locks": ["everything"]}, "sessions.locks"),
    ],
)
def test_what_cannot_be_is_told(section: dict, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWITCHPOINT_TEST_SECRET", "short")

    with pytest.raises(ConfigError, match=told):
        Switchpoint.of({**BASE, "sessions": section})


def test_a_tool_loop_is_locked_in_anthropics_dialect_too() -> None:
    said = [{"role": "user", "content": "What is the weather?"}]
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}
    reminder = {"type": "text", "text": "<system-reminder>be brief</system-reminder>"}
    loop = [*said, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result, reminder]}]
    body = {"model": "draw", "max_tokens": 50, "metadata": {"user_id": "user_1_session_2"}}
    with gateway() as client:
        first = client.post("/v1/messages", json={**body, "messages": said})
        looped = [client.post("/v1/messages", json={**body, "messages": loop}) for _ in range(5)]

    assert phase(first) == "new"
    assert {phase(each) for each in looped} == {"locked"}
    assert {each.json()["model"] for each in looped} == {first.json()["model"]}
