"""Errors as the classes of both clients, and whether the clients try again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.clients.conftest import CASCADE, KEY, METERED, NARROW, POOR, World
from tests.clients.vendors import PLAIN

USER = {"role": "user", "content": "What is the capital of France?"}
PICTURE = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}


def chat(client: openai.OpenAI, model: str = CASCADE, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": model, "messages": [USER], **more})


def respond(client: openai.OpenAI, model: str = CASCADE, **more: Any) -> Any:
    return client.responses.create(**{"model": model, "input": USER["content"], **more})


def message(client: anthropic.Anthropic, model: str = CASCADE, **more: Any) -> Any:
    return client.messages.create(**{"model": model, "max_tokens": 99, "messages": [USER], **more})


CASES = [
    ("sp-nobody", {}, "AuthenticationError"),
    (NARROW, {"model": "mini"}, "PermissionDeniedError"),
    (KEY, {"model": "nobody"}, "NotFoundError"),
    (KEY, {"extra_body": {"switchpoint": {"unheard": "of"}}}, "BadRequestError"),
    (KEY, {"model": "refuses"}, "BadRequestError"),
    (KEY, {"model": "limited"}, "RateLimitError"),
    (KEY, {"model": "fails"}, "InternalServerError"),
    (KEY, {"model": "silent", "extra_body": {"switchpoint": {"deadline_ms": 100}}}, "InternalServerError"),
    (POOR, {}, "RateLimitError"),
]
IDS = ["key", "scope", "model", "option", "malformed", "limited", "fails", "deadline", "money"]
PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")


@pytest.mark.parametrize("ask", [chat, respond])
@pytest.mark.parametrize(("key", "asked", "kind"), CASES, ids=IDS)
def test_openais_client_raises_the_class_that_fits(world: World, ask: Any, key: str, asked: Any, kind: str):
    with world.openai_with(key) as client, pytest.raises(getattr(openai, kind)) as raised:
        ask(client, **asked)

    assert raised.value.body["message"] and raised.value.body["type"]


@pytest.mark.parametrize(("key", "asked", "kind"), CASES, ids=IDS)
def test_anthropics_client_raises_the_class_that_fits(world: World, key: str, asked: Any, kind: str):
    with world.anthropic_with(key) as client, pytest.raises(getattr(anthropic, kind)) as raised:
        message(client, **asked)

    assert raised.value.body["type"] == "error" and raised.value.body["error"]["message"]


@pytest.mark.parametrize("kind", sorted({kind for *_, kind in CASES}))
def test_the_page_of_the_clients_names_the_class(kind: str):
    assert f"| `{kind}` |" in PAGE


def test_what_cannot_be_carried_is_refused_by_name(world: World):
    asked = [{"role": "user", "content": [PICTURE]}]
    with pytest.raises(anthropic.BadRequestError, match="file"):
        message(world.anthropic, messages=asked)


def test_a_budget_that_is_spent_is_told_apart_from_a_rate_limit(world: World):
    with world.openai_with(POOR) as client, pytest.raises(openai.RateLimitError) as raised:
        chat(client)

    assert raised.value.code == "insufficient_quota"
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_a_limit_of_requests_says_when_to_come_back(world: World):
    with world.openai_with(METERED) as client, pytest.raises(openai.RateLimitError) as raised:
        for _ in range(3):
            chat(client)

    assert raised.value.code == "rate_limit_exceeded"
    assert int(raised.value.response.headers["retry-after"]) > 0
    assert raised.value.response.headers["x-should-retry"] == "true"


@pytest.mark.parametrize("model", ["fails", "limited"])
def test_what_we_tried_again_the_clients_do_not(world: World, model: str):
    with world.openai_with(KEY, max_retries=2) as client, pytest.raises(openai.APIStatusError):
        chat(client, model)
    with world.anthropic_with(KEY, max_retries=2) as client, pytest.raises(anthropic.APIStatusError):
        message(client, model)

    assert len(world.records()) == 2


def test_a_stream_that_breaks_raises_in_every_dialect(world: World):
    model = "error-event"
    with pytest.raises(openai.APIError, match="tired"):
        list(chat(world.openai, model, stream=True))
    with pytest.raises(openai.APIError, match="tired"):
        list(respond(world.openai, model, stream=True))
    with pytest.raises(anthropic.APIError, match="tired"):
        list(message(world.anthropic, model, stream=True))


def test_after_an_error_the_same_client_is_answered(world: World):
    with pytest.raises(openai.NotFoundError):
        chat(world.openai, "nobody")

    assert chat(world.openai).choices[0].message.content == PLAIN
