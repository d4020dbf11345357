"""Whole answers, through the official client unchanged."""

import json

import openai
import pytest

from switchpoint.core.decision import Reason
from tests.fake_openai import TEXT, USAGE
from tests.gateway.conftest import NO_USAGE, USER, WEATHER, Gateway

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "number", "schema": {"type": "object"}}}


def test_an_answer_comes_back_as_the_upstream_gave_it(client: openai.OpenAI):
    answer = client.chat.completions.create(model="auto", messages=[USER])

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens_details.cached_tokens == USAGE["prompt_tokens_details"]["cached_tokens"]


def test_the_body_names_our_model_whatever_the_upstream_calls_it(client: openai.OpenAI):
    answer = client.chat.completions.create(model="acme/other-name", messages=[USER])

    assert answer.model == "acme/other-name"


def test_a_request_without_a_model_takes_the_route_auto(gateway: Gateway):
    gateway.post(messages=[USER])

    assert gateway.record.route == "auto"
    assert gateway.record.strategy == "best"


@pytest.mark.parametrize(("threshold", "model"), [("0.2", "dear"), ("0.8", "priced")])
def test_a_router_can_be_named_with_a_threshold(client: openai.OpenAI, threshold: str, model: str):
    answer = client.chat.completions.create(model=f"router-toy-{threshold}", messages=[USER])

    assert answer.model == model


def test_the_upstream_gets_every_field_that_is_not_ours(gateway: Gateway):
    mine = {"temperature": 0.1, "seed": 7, "metadata": {"a": "b"}, "n": 2, "made_up": [1, {"x": None}]}

    gateway.post(model="auto", messages=[USER], switchpoint={"tags": {"tenant": "acme"}}, **mine)

    assert gateway.sent.body == {**mine, "model": "ok", "messages": [USER], "stream": False}


def test_unknown_fields_of_the_client_reach_the_upstream(gateway: Gateway):
    gateway.client.chat.completions.create(model="auto", messages=[USER], extra_body={"min_p": 0.05})

    assert gateway.sent.body["min_p"] == 0.05


def test_a_tool_can_be_called_and_its_result_sent_back(gateway: Gateway):
    create = gateway.client.chat.completions.create
    asked = create(model="acme/tools", messages=[USER], tools=[WEATHER]).choices[0].message
    result = {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "12:00"}

    create(model="acme/echo", messages=[USER, asked.model_dump(exclude_none=True), result], tools=[WEATHER])

    assert json.loads(asked.tool_calls[0].function.arguments) == {"zone": "UTC"}
    assert gateway.sent.body["messages"][2] == result
    assert gateway.record.needs == {"tools"}


def test_images_reach_the_upstream_and_only_models_that_see_are_asked(gateway: Gateway):
    message = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}

    gateway.client.chat.completions.create(model="auto", messages=[message])

    assert gateway.sent.body["messages"] == [message]
    assert gateway.record.needs == {"vision"}
    with pytest.raises(openai.BadRequestError, match="cannot do vision"):
        gateway.client.chat.completions.create(model="plain", messages=[message])


def test_a_schema_for_the_answer_excludes_models_that_cannot_keep_to_one(gateway: Gateway):
    gateway.client.chat.completions.create(model="auto", messages=[USER], response_format=SCHEMA)

    assert gateway.sent.body["response_format"] == SCHEMA
    assert gateway.record.answered_by == "dear"  # "priced" comes first, but is known to lack it


def test_headers_tell_the_decision(gateway: Gateway):
    raw = gateway.client.chat.completions.with_raw_response.create(model="auto", messages=[USER])

    told = {name: value for name, value in raw.headers.items() if name.startswith("x-switchpoint-")}
    assert told == {
        "x-switchpoint-version": "1",
        "x-switchpoint-record": gateway.record.id,
        "x-switchpoint-route": "auto",
        "x-switchpoint-model": "priced",
        "x-switchpoint-reason": "estimated",
        "x-switchpoint-router": "best",
        "x-switchpoint-cost-usd": "0.000014",
    }


def test_an_unknown_cost_is_not_told_as_a_number(gateway: Gateway):
    response = gateway.post(model=f"acme/{NO_USAGE}", messages=[USER])

    assert "x-switchpoint-cost-usd" not in response.headers


def test_a_request_id_is_kept_if_it_is_sane(gateway: Gateway):
    kept = gateway.http.post("/v1/chat/completions", json={"messages": [USER]}, headers={"x-request-id": "abc-1.2"})
    replaced = gateway.http.post("/v1/chat/completions", json={"messages": [USER]}, headers={"x-request-id": "a b"})

    assert gateway.records[0].query_id == kept.headers["x-request-id"] == "abc-1.2"
    assert gateway.records[1].query_id == replaced.headers["x-request-id"] != "a b"


def test_nothing_is_told_in_the_body_unless_asked(gateway: Gateway):
    assert "switchpoint" not in gateway.post(messages=[USER]).json()


@pytest.mark.parametrize(
    "how", [{"json": {"switchpoint": {"explain": True}}}, {"headers": {"x-switchpoint-explain": "true"}}]
)
def test_a_caller_who_asks_is_told_the_whole_story(gateway: Gateway, how: dict):
    how = {**how, "json": {"messages": [USER], **how.get("json", {})}}

    told = gateway.http.post("/v1/chat/completions", **how).json()["switchpoint"]

    assert told["record"] == gateway.record.id
    assert told["decision"] == {
        "model": "priced",
        "router": "best",
        "reason": "estimated",
        "propensity": 1.0,
        "quality": {"priced": 0.5, "dear": 0.5},
        "cost_usd": {},
        "novelty": None,
        "detail": None,
        "layer": None,
    }
    assert (told["cost_usd"], told["baseline_cost_usd"], told["saved_usd"]) == (0.000014, 0.00014, 0.000126)
    assert told["upstream_model"] == "ok"


def test_the_story_tells_the_attempts_that_failed(gateway: Gateway):
    told = gateway.post(model="sturdy", messages=[USER], switchpoint={"explain": True}).json()["switchpoint"]

    calls = [(call["model"], call["reason"], call["failure"]) for call in told["attempts"]]
    assert calls == [("acme/fails", "estimated", "UpstreamError"), ("acme/ok", "fell_back", None)]
    assert told["decision"]["reason"] == Reason.FELL_BACK


def test_tags_and_limits_can_come_as_headers(gateway: Gateway):
    headers = {"x-switchpoint-tags": "tenant=acme, role=coder", "x-switchpoint-max-cost-usd": "0.001"}

    response = gateway.http.post("/v1/chat/completions", json={"model": "dear", "messages": [USER]}, headers=headers)

    assert response.status_code == 400
    assert "over the limit of 0.001000" in response.json()["error"]["message"]
    assert gateway.record.tags == {"tenant": "acme", "role": "coder"}


def test_a_deadline_that_passes_is_a_timeout(client: openai.OpenAI):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(
            model="acme/silent", messages=[USER], extra_body={"switchpoint": {"deadline_s": 0.05}}
        )

    assert caught.value.status_code == 504


def test_the_models_that_may_answer_can_be_named(gateway: Gateway):
    gateway.post(messages=[USER], switchpoint={"allow": ["dear"]})

    assert gateway.record.answered_by == "dear"


def test_a_cascade_answers_with_the_model_that_passed(gateway: Gateway):
    response = gateway.post(model="cheap-first", messages=[USER])

    assert response.json()["choices"][0]["message"]["content"] == USER["content"]
    assert response.headers["x-switchpoint-reason"] == "escalated"
    assert [attempt.decision.model for attempt in gateway.record.attempts] == ["acme/empty", "acme/echo"]


def test_half_a_surrogate_pair_in_a_text_does_no_harm(gateway: Gateway):
    body = b'{"model":"acme/echo","messages":[{"role":"user","content":"cut \\ud83d"}]}'

    response = gateway.http.post("/v1/chat/completions", content=body)

    assert response.json()["choices"][0]["message"]["content"] == "cut \ufffd"


def test_an_answer_that_was_taken_before_all_was_tried_is_marked(gateway: Gateway):
    response = gateway.post(model="hurried", messages=[USER], switchpoint={"explain": True})

    assert response.headers["x-switchpoint-accept-reason"] == "cost-limit"
    assert response.json()["switchpoint"]["accept_reason"] == "cost limit"


@pytest.mark.parametrize("route", ["best", "content", "cheap-first"])
def test_an_answer_that_the_strategy_chose_is_not(gateway: Gateway, route: str):
    assert "x-switchpoint-accept-reason" not in gateway.post(model=route, messages=[USER]).headers


def test_the_story_tells_every_verdict_on_every_answer(gateway: Gateway):
    told = gateway.post(model="cheap-first", messages=[USER], switchpoint={"explain": True}).json()["switchpoint"]

    draft, given = told["attempts"]
    assert [(verdict["verifier"], verdict["score"]) for verdict in draft["verdicts"]] == [("checks", 0.0)]
    assert set(draft["verdicts"][0]) == {"verifier", "score", "cost_usd", "detail"}
    assert (given["verdicts"], given["layer"], given["partial"]) == ([], None, False)
