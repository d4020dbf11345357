"""A session of OpenAI's client in chat completions, through a router and through a cascade."""

from __future__ import annotations

import json
from typing import Any

import openai
import pydantic
import pytest

from tests.clients.conftest import CASCADE, DRAW, ROUTER, World
from tests.clients.vendors import CITIES, CITY, ENDLESS, HARD, LOOKED_UP, PLAIN, SEEN, THOUGHT
from tests.fake_openai import LOGPROB

USER = {"role": "user", "content": "What is the capital of France?"}
HARD_QUESTION = {"role": "user", "content": HARD + "why?"}
SYSTEM = {"role": "system", "content": "Be brief."}
SQUARE = "data:image/png;base64,aGk="
PICTURE = {"type": "image_url", "image_url": {"url": SQUARE}}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ASKING = {"role": "user", "content": "Is it warmer in Paris or in Rome?"}


class City(pydantic.BaseModel):
    name: str
    rivers: list[str]


def results_of(message: Any) -> list[dict[str, str]]:
    """Answer every call of a message."""
    return [{"role": "tool", "tool_call_id": call.id, "content": f"{call.id}: mild"} for call in message.tool_calls]


def test_a_question_with_a_system_text_is_answered(world: World, route: str):
    answer = world.openai.chat.completions.create(model=route, messages=[SYSTEM, USER])

    assert answer.choices[0].message.content == PLAIN
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model in {"mini", "maxi"} and answer.usage.completion_tokens > 0


def test_the_router_sends_questions_to_both_vendors(world: World):
    asked = ["Name a colour.", "Derive Noether's theorem in full."]
    for text in asked:
        world.openai.chat.completions.create(model=ROUTER, messages=[{"role": "user", "content": text}])

    assert [received.model for received in world.sent] == ["mini", "maxi"]


def test_what_the_weak_model_cannot_answer_the_cascade_takes_to_the_other_vendor(world: World):
    raw = world.openai.chat.completions.with_raw_response.create(model=CASCADE, messages=[HARD_QUESTION])

    assert (raw.parse().model, raw.parse().choices[0].message.content) == ("maxi", PLAIN)
    assert raw.headers["x-switchpoint-reason"] == "escalated"
    assert [attempt.decision.model for attempt in world.record(raw.headers).attempts] == ["mini", "maxi"]


def test_the_stream_helper_puts_the_answer_together(world: World, route: str):
    with world.openai.chat.completions.stream(model=route, messages=[USER]) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()

    assert "".join(deltas) == final.choices[0].message.content == PLAIN
    assert len(deltas) > 1


def test_a_stream_of_the_cascade_holds_the_strong_answer_alone(world: World):
    with world.openai.chat.completions.stream(model=CASCADE, messages=[HARD_QUESTION]) as stream:
        final = stream.get_final_completion()

    assert (final.model, final.choices[0].message.content) == ("maxi", PLAIN)
    assert len(world.first.requests) == len(world.second.requests) == 1


def test_usage_of_a_stream_comes_to_who_asks_for_it(world: World, route: str):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(world.openai.chat.completions.create(model=route, messages=[USER], **options))

    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens > 0


def test_an_image_is_seen(world: World, route: str):
    asked = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}]
    answer = world.openai.chat.completions.create(model=route, messages=asked)

    assert answer.choices[0].message.content == SEEN
    assert "aGk=" in json.dumps(world.sent[-1].body)


def test_tools_are_called_together_and_their_results_answered(world: World, route: str):
    called = world.openai.chat.completions.create(model=route, messages=[ASKING], tools=[WEATHER])
    message = called.choices[0].message
    history = [ASKING, message, *results_of(message)]
    answer = world.openai.chat.completions.create(model=route, messages=history, tools=[WEATHER])

    assert called.choices[0].finish_reason == "tool_calls"
    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == list(CITIES)
    assert answer.choices[0].message.content == LOOKED_UP


def test_streamed_calls_of_tools_are_put_together(world: World, route: str):
    with world.openai.chat.completions.stream(model=route, messages=[ASKING], tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message

    assert [json.loads(call.function.arguments)["city"] for call in message.tool_calls] == list(CITIES)


@pytest.mark.parametrize("name", [DRAW, CASCADE])
def test_a_loop_of_tools_over_several_turns_stays_with_the_model_that_began_it(world: World, name: str):
    history: list[Any] = [ASKING]
    told = []
    for turn in range(6):
        create = world.openai.chat.completions.with_raw_response.create
        raw = create(model=name, messages=history, tools=[WEATHER], user=f"loop-{name}")
        told.append((raw.parse().model, raw.headers["x-switchpoint-session-phase"]))
        message = raw.parse().choices[0].message
        calls = message if message.tool_calls else history[1]
        history = [ASKING, calls, *results_of(calls)] if turn == 0 else history

    assert len({model for model, _ in told}) == 1
    assert [phase for _, phase in told] == ["new"] + ["locked"] * 5


def test_an_answer_is_parsed_into_a_type(world: World, route: str):
    parsed = world.openai.chat.completions.parse(model=route, messages=[USER], response_format=City)

    assert parsed.choices[0].message.parsed == City(**CITY)


def test_a_stream_is_parsed_into_a_type(world: World, route: str):
    with world.openai.chat.completions.stream(model=route, messages=[USER], response_format=City) as stream:
        final = stream.get_final_completion()

    assert final.choices[0].message.parsed == City(**CITY)


def test_several_answers_come_to_who_asks_for_them(world: World, route: str):
    answer = world.openai.chat.completions.create(model=route, messages=[USER], n=2)

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert {choice.message.content for choice in answer.choices} == {PLAIN}


def test_log_probabilities_come_from_a_model_that_gives_them(world: World, route: str):
    answer = world.openai.chat.completions.create(model=route, messages=[USER], logprobs=True)

    assert answer.model == "mini"
    assert {token.logprob for token in answer.choices[0].logprobs.content} == {LOGPROB}


def test_reasoning_comes_beside_the_answer(world: World, route: str):
    answer = world.openai.chat.completions.create(model=route, messages=[USER], reasoning_effort="low")

    assert answer.choices[0].message.content == PLAIN
    assert answer.choices[0].message.reasoning_content == THOUGHT


@pytest.mark.parametrize(("name", "question"), [(ROUTER, ENDLESS), (CASCADE, HARD + ENDLESS)])
def test_leaving_a_stream_ends_the_call_at_the_vendor_and_the_record_says_so(world: World, name: str, question: str):
    asked = {"model": name, "messages": [{"role": "user", "content": question + "sing!"}], "stream": True}
    raw = world.openai.chat.completions.with_raw_response.create(**asked)
    stream = raw.parse()
    answering = next(stream).model
    stream.close()

    assert world.left(answering)
    assert world.last_record().outcome == "cancelled"


def test_a_client_that_gives_up_while_a_draft_is_held_ends_its_call(world: World):
    endless = [{"role": "user", "content": ENDLESS + "sing!"}]
    with pytest.raises(openai.APITimeoutError):
        world.openai.with_options(timeout=0.3).chat.completions.create(model=CASCADE, messages=endless, stream=True)

    assert world.left("mini") and world.second.requests == []
    assert world.last_record().outcome == "cancelled"


def test_the_headers_tell_who_decided_what_at_what_cost(world: World, route: str):
    raw = world.openai.chat.completions.with_raw_response.create(model=route, messages=[USER])

    record = world.record(raw.headers)
    assert raw.headers["x-switchpoint-route"] == record.route == route
    assert raw.headers["x-switchpoint-model"] == record.answered_by == raw.parse().model
    assert float(raw.headers["x-switchpoint-cost-usd"]) == float(record.cost_usd) > 0


def test_a_client_that_asks_is_told_the_story(world: World, route: str):
    asked = {"extra_body": {"switchpoint": {"explain": True}}}
    answer = world.openai.chat.completions.create(model=route, messages=[USER], **asked)

    assert answer.switchpoint["route"] == route
    assert answer.switchpoint["attempts"][-1]["model"] == answer.model


def test_texts_become_vectors(world: World):
    made = world.openai.embeddings.create(model="vectors", input=["one", "three"], encoding_format="float")

    assert [entry.embedding for entry in made.data] == [[3, 0.5, -1.0], [5, 0.5, -1.0]]
    assert made.model == "vectors"


def test_models_and_routes_are_listed_and_looked_up(world: World, route: str):
    listed = {model.id: model for model in world.openai.models.list()}
    found = world.openai.models.retrieve(route)

    assert (listed[route].kind, listed["mini"].kind) == ("route", "model")
    assert (found.id, found.kind) == (route, "route")
    with pytest.raises(openai.NotFoundError):
        world.openai.models.retrieve("nobody")
