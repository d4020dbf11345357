"""A session of Anthropic's client, through a router and through a cascade."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from tests.clients.conftest import CASCADE, DRAW, ROUTER, World
from tests.clients.test_openai_chat import WEATHER, City
from tests.clients.vendors import CITIES, CITY, ENDLESS, HARD, LOOKED_UP, PLAIN, SEEN, THOUGHT

USER = {"role": "user", "content": "What is the capital of France?"}
ASKING = {"role": "user", "content": "Is it warmer in Paris or in Rome?"}
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
FUNCTION = WEATHER["function"]
TOOL = {"name": FUNCTION["name"], "description": FUNCTION["description"], "input_schema": FUNCTION["parameters"]}
THINKING = {"type": "enabled", "budget_tokens": 2048}


def asked(route: str, *messages: Any, **more: Any) -> dict[str, Any]:
    return {"model": route, "max_tokens": 4000, "messages": list(messages), **more}


def results_of(message: anthropic.types.Message) -> dict[str, Any]:
    """Answer every call of a message."""
    calls = [block for block in message.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "mild"} for call in calls]
    return {"role": "user", "content": results}


def cities(message: anthropic.types.Message) -> list[str]:
    return [block.input["city"] for block in message.content if block.type == "tool_use"]


def test_a_question_with_a_system_text_is_answered(world: World, route: str):
    message = world.anthropic.messages.create(**asked(route, USER, system="Be brief."))

    assert (message.content[0].text, message.stop_reason, message.role) == (PLAIN, "end_turn", "assistant")
    assert message.model in {"mini", "maxi"} and message.usage.output_tokens > 0


def test_what_the_weak_model_cannot_answer_the_cascade_takes_to_the_other_vendor(world: World):
    hard = {"role": "user", "content": HARD + "why?"}
    raw = world.anthropic.messages.with_raw_response.create(**asked(CASCADE, hard))

    assert (raw.parse().model, raw.parse().content[0].text) == ("maxi", PLAIN)
    assert raw.headers["x-switchpoint-reason"] == "escalated"


def test_the_stream_helper_puts_the_message_together(world: World, route: str):
    with world.anthropic.messages.stream(**asked(route, USER)) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()

    assert "".join(pieces) == final.content[0].text == PLAIN
    assert len(pieces) > 1


def test_an_image_is_seen(world: World, route: str):
    parts = [PICTURE, {"type": "text", "text": "What is this?"}]
    message = world.anthropic.messages.create(**asked(route, {"role": "user", "content": parts}))

    assert message.content[0].text == SEEN


@pytest.mark.parametrize("name", [ROUTER, CASCADE, DRAW])
def test_a_whole_loop_of_tools_stays_with_the_model_that_began_it(world: World, name: str):
    more = {"tools": [TOOL], "metadata": {"user_id": f"messages-{name}"}}
    called = world.anthropic.messages.create(**asked(name, ASKING, **more))
    said = {"role": "assistant", "content": called.content}
    raw = world.anthropic.messages.with_raw_response.create(**asked(name, ASKING, said, results_of(called), **more))

    assert (called.stop_reason, cities(called)) == ("tool_use", list(CITIES))
    assert (raw.parse().content[0].text, raw.parse().model) == (LOOKED_UP, called.model)
    assert raw.headers["x-switchpoint-session-phase"] == "locked"


def test_streamed_calls_of_tools_are_put_together(world: World, route: str):
    with world.anthropic.messages.stream(**asked(route, ASKING, tools=[TOOL])) as stream:
        message = stream.get_final_message()

    assert cities(message) == list(CITIES)


def test_an_answer_is_parsed_into_a_type(world: World, route: str):
    parsed = world.anthropic.messages.parse(**asked(route, USER), output_format=City)

    assert parsed.parsed_output == City(**CITY)


def test_thinking_is_a_block_before_the_text(world: World, route: str):
    message = world.anthropic.messages.create(**asked(route, USER, thinking=THINKING))

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].thinking == THOUGHT


@pytest.mark.parametrize(("name", "question"), [(ROUTER, ENDLESS), (CASCADE, HARD + ENDLESS)])
def test_leaving_a_stream_ends_the_call_at_the_vendor_and_the_record_says_so(world: World, name: str, question: str):
    endless = {"role": "user", "content": question + "sing!"}
    with world.anthropic.messages.stream(**asked(name, endless)) as stream:
        piece = next(iter(stream.text_stream))

    assert piece
    assert world.last_record().outcome == "cancelled"
    assert world.left(world.last_record().attempts[-1].decision.model)


def test_tokens_are_counted(world: World, route: str):
    counted = world.anthropic.messages.count_tokens(model=route, messages=[USER], system="Be brief.")

    assert counted.input_tokens > 5
    assert world.first.requests == []


def test_a_vendor_that_counts_is_asked_to_count(world: World):
    assert world.anthropic.messages.count_tokens(model="maxi", messages=[USER]).input_tokens == 42


def test_a_client_that_asks_is_told_the_story(world: World, route: str):
    told = world.anthropic.messages.create(**asked(route, USER), extra_body={"switchpoint": {"explain": True}})

    assert told.switchpoint["attempts"][-1]["model"] == told.model


def test_models_and_routes_are_listed(world: World, route: str):
    assert {route, "mini", "maxi"} <= {model.id for model in world.anthropic.models.list()}


def test_the_client_of_betas_is_answered_too(world: World, route: str):
    message = world.anthropic.beta.messages.create(**asked(route, USER, betas=["context-1m-2025-08-07"]))

    assert message.content[0].text == PLAIN
    assert all(received.headers.get("anthropic-beta") is None for received in world.first.requests)
