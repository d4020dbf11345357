"""A session of OpenAI's client in responses, through a router and through a cascade."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.clients.conftest import CASCADE, DRAW, ROUTER, World
from tests.clients.test_openai_chat import SQUARE, WEATHER, City
from tests.clients.vendors import CITIES, CITY, ENDLESS, HARD, LOOKED_UP, PLAIN, SEEN, THOUGHT

QUESTION = "What is the capital of France?"
TOOL = {"type": "function", "strict": False, **WEATHER["function"]}
ASKING = {"role": "user", "content": "Is it warmer in Paris or in Rome?"}


def outputs_of(response: Any) -> list[dict[str, str]]:
    """Answer every call of a response."""
    calls = [item for item in response.output if item.type == "function_call"]
    return [{"type": "function_call_output", "call_id": call.call_id, "output": "mild"} for call in calls]


def test_a_question_with_instructions_is_answered(world: World, route: str):
    response = world.openai.responses.create(model=route, input=QUESTION, instructions="Be brief.")

    assert (response.output_text, response.status) == (PLAIN, "completed")
    assert response.usage.output_tokens > 0


def test_what_the_weak_model_cannot_answer_the_cascade_takes_to_the_other_vendor(world: World):
    response = world.openai.responses.create(model=CASCADE, input=HARD + QUESTION)

    assert (response.model, response.output_text) == ("maxi", PLAIN)
    assert len(world.first.requests) == len(world.second.requests) == 1


def test_the_stream_helper_puts_the_response_together(world: World, route: str):
    with world.openai.responses.stream(model=route, input=QUESTION) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()

    assert "".join(deltas) == final.output_text == PLAIN
    assert len(deltas) > 1


def test_an_image_is_seen(world: World, route: str):
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": SQUARE}]
    response = world.openai.responses.create(model=route, input=[{"role": "user", "content": parts}])

    assert response.output_text == SEEN


@pytest.mark.parametrize("name", [ROUTER, CASCADE, DRAW])
def test_a_whole_loop_of_tools_stays_with_the_model_that_began_it(world: World, name: str):
    called = world.openai.responses.create(model=name, input=[ASKING], tools=[TOOL], user=f"responses-{name}")
    history = [ASKING, *called.output, *outputs_of(called)]
    create = world.openai.responses.with_raw_response.create
    raw = create(model=name, input=history, tools=[TOOL], user=f"responses-{name}")

    calls = [json.loads(item.arguments)["city"] for item in called.output if item.type == "function_call"]
    assert calls == list(CITIES)
    assert (raw.parse().output_text, raw.parse().model) == (LOOKED_UP, called.model)
    assert raw.headers["x-switchpoint-session-phase"] == "locked"


def test_streamed_calls_of_tools_are_put_together(world: World, route: str):
    with world.openai.responses.stream(model=route, input=[ASKING], tools=[TOOL]) as stream:
        final = stream.get_final_response()

    assert len(outputs_of(final)) == len(CITIES)


def test_an_answer_is_parsed_into_a_type(world: World, route: str):
    parsed = world.openai.responses.parse(model=route, input=QUESTION, text_format=City)

    assert parsed.output_parsed == City(**CITY)


def test_reasoning_is_an_item_before_the_message(world: World, route: str):
    response = world.openai.responses.create(model=route, input=QUESTION, reasoning={"effort": "low"})

    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].content[0].text == THOUGHT


def test_log_probabilities_come_from_a_model_that_gives_them(world: World, route: str):
    asked = {"include": ["message.output_text.logprobs"]}
    response = world.openai.responses.create(model=route, input=QUESTION, **asked)

    assert response.model == "mini"
    assert response.output[0].content[0].logprobs


@pytest.mark.parametrize(("name", "question"), [(ROUTER, ENDLESS), (CASCADE, HARD + ENDLESS)])
def test_leaving_a_stream_ends_the_call_at_the_vendor_and_the_record_says_so(world: World, name: str, question: str):
    with world.openai.responses.stream(model=name, input=question + "sing!") as stream:
        event = next(event for event in stream if event.type == "response.output_text.delta")

    assert event.delta
    assert world.last_record().outcome == "cancelled"
    assert world.left(world.last_record().attempts[-1].decision.model)


def test_what_would_need_state_is_refused_by_name(world: World, route: str):
    with pytest.raises(openai.BadRequestError) as refused:
        world.openai.responses.create(model=route, input=QUESTION, previous_response_id="resp_1")

    assert refused.value.param == "previous_response_id"
    assert world.sent == []
