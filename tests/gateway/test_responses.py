"""POST /v1/responses, through the official client unchanged."""

import json
from collections.abc import Callable
from typing import Any

import openai
import pydantic
import pytest

from switchpoint import Switchpoint
from switchpoint.gateway.serve import serving
from tests.fake_gemini import CALL, FakeGemini
from tests.fake_openai import TEXT, TOOL_CALL, USAGE, Behaviour, Exchange, failing
from tests.gateway.conftest import Gateway

CLOCK = {"type": "function", "name": "clock", "parameters": {"type": "object"}, "strict": False}
IMAGE = "data:image/png;base64,AAAA"
ASKED = {"model": "auto", "input": "What is 2 + 2?"}


def saying(*deltas: dict[str, Any], finish: str = "stop") -> Behaviour:
    """Answer with these deltas, which are strings put together where the answer is whole."""

    async def behave(exchange: Exchange) -> None:
        if exchange.received.streams:
            for delta in deltas:
                await exchange.delta(**delta)
            await exchange.delta(finish)
            await exchange.event({**exchange.frame("chat.completion.chunk"), "choices": [], "usage": USAGE})
            await exchange.event("[DONE]")
            await exchange.end()
            return
        message = {name: "".join(d.get(name, "") for d in deltas) for name in {name for d in deltas for name in d}}
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
        await exchange.json({**exchange.frame("chat.completion"), "choices": [choice], "usage": USAGE})

    return behave


@pytest.fixture
def teach(gateway: Gateway) -> Callable[[Behaviour], str]:
    """Make a model behave in a way; return its name."""

    def taught(behaviour: Behaviour) -> str:
        gateway.upstream.behaviours["flaky"] = behaviour
        return "acme/flaky"

    return taught


def test_a_text_is_answered_with_a_message(client: openai.OpenAI):
    response = client.responses.create(**ASKED)

    assert (response.output_text, response.status, response.model) == (TEXT, "completed", "priced")
    assert response.usage.input_tokens == USAGE["prompt_tokens"]
    assert response.usage.input_tokens_details.cached_tokens == USAGE["prompt_tokens_details"]["cached_tokens"]
    assert response.output[0].content[0].annotations == []


def test_a_response_tells_what_was_asked_and_that_nothing_is_kept(client: openai.OpenAI):
    response = client.responses.create(**ASKED, temperature=0.5, metadata={"a": "b"}, instructions="Be brief.")

    assert (response.temperature, response.metadata, response.instructions) == (0.5, {"a": "b"}, "Be brief.")
    assert response.model_dump()["store"] is False
    assert (response.tools, response.tool_choice, response.parallel_tool_calls) == ([], "auto", True)


def test_every_field_reaches_the_upstream_in_the_form_of_a_chat_completion(gateway: Gateway):
    gateway.client.responses.create(
        **ASKED, instructions="Be brief.", max_output_tokens=9, reasoning={"effort": "low"}, text={"verbosity": "low"},
        service_tier="flex", prompt_cache_key="k", extra_body={"seed": 7},
    )  # fmt: skip

    sent = gateway.sent.body
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["max_completion_tokens"], sent["reasoning_effort"], sent["verbosity"]) == (9, "low", "low")
    assert (sent["service_tier"], sent["prompt_cache_key"], sent["seed"]) == ("flex", "k", 7)
    assert not {"input", "instructions", "text", "reasoning", "max_output_tokens"} & set(sent)


def test_a_stream_tells_the_whole_life_of_a_response(client: openai.OpenAI):
    events = list(client.responses.create(**ASKED, stream=True))

    names = list(dict.fromkeys(event.type.removeprefix("response.") for event in events))
    assert names == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.done",
        "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT


def test_a_stream_adds_up_to_what_a_whole_answer_says(client: openai.OpenAI):
    whole = client.responses.create(**ASKED)
    with client.responses.stream(**ASKED) as stream:
        streamed = stream.get_final_response()

    assert streamed.output_text == whole.output_text
    assert streamed.usage == whole.usage
    assert [item.type for item in streamed.output] == [item.type for item in whole.output]


def test_an_answer_can_be_parsed_into_a_type(client: openai.OpenAI, teach: Callable[[Behaviour], str]):
    class Sum(pydantic.BaseModel):
        total: int

    model = teach(saying({"content": '{"total"'}, {"content": ": 4}"}))
    asked = {"model": model, "input": "2 + 2", "text_format": Sum}

    assert client.responses.parse(**asked).output_parsed == Sum(total=4)
    with client.responses.stream(**asked) as stream:
        assert stream.get_final_response().output_parsed == Sum(total=4)


def test_a_structured_answer_is_asked_for_in_the_form_of_chat_completions(gateway: Gateway):
    form = {"type": "json_schema", "name": "sum", "schema": {"type": "object"}, "strict": True}

    gateway.client.responses.create(**ASKED, text={"format": form})

    schema = {"name": "sum", "schema": {"type": "object"}, "strict": True}
    assert gateway.sent.body["response_format"] == {"type": "json_schema", "json_schema": schema}
    assert gateway.record.needs == {"json_schema"}


def test_a_tool_is_called_and_its_output_sent_back(gateway: Gateway):
    create = gateway.client.responses.create
    question = {"role": "user", "content": "What time is it?"}
    called = create(model="acme/tools", input=[question], tools=[CLOCK])
    [call] = called.output
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "12:00"}

    create(model="acme/tools", input=[question, *called.output, output], tools=[CLOCK])

    assert (call.name, json.loads(call.arguments)) == ("clock", {"zone": "UTC"})
    assistant, result = gateway.sent.body["messages"][1:]
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    assert result == {"role": "tool", "tool_call_id": TOOL_CALL["id"], "content": "12:00"}


def test_a_streamed_call_brings_its_arguments_in_pieces(client: openai.OpenAI):
    with client.responses.stream(model="acme/tools", input="What time is it?", tools=[CLOCK]) as stream:
        events = list(stream)
        [call] = stream.get_final_response().output

    deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert len(deltas) == 2
    assert "".join(deltas) == call.arguments == TOOL_CALL["function"]["arguments"]


def test_images_reach_the_upstream_and_only_models_that_see_are_asked(gateway: Gateway):
    parts = [{"type": "input_text", "text": "What?"}, {"type": "input_image", "image_url": IMAGE, "detail": "low"}]

    gateway.client.responses.create(model="auto", input=[{"role": "user", "content": parts}])

    text, image = gateway.sent.body["messages"][0]["content"]
    assert text == {"type": "text", "text": "What?"}
    assert image == {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}
    assert gateway.record.needs == {"vision"}


@pytest.mark.parametrize(
    ("reasoning", "kind"), [({}, "reasoning_text"), ({"summary": "auto"}, "reasoning_summary_text")]
)
def test_reasoning_is_an_item_before_the_message(
    client: openai.OpenAI, teach: Callable[[Behaviour], str], reasoning: dict[str, str], kind: str
):
    model = teach(saying({"reasoning_content": "Two and "}, {"reasoning_content": "two."}, {"content": "4"}))

    events = list(client.responses.create(model=model, input="2 + 2", reasoning=reasoning, stream=True))

    assert [e.delta for e in events if e.type == f"response.{kind}.delta"] == ["Two and ", "two."]
    thought, message = events[-1].response.output
    assert (thought.type, message.type) == ("reasoning", "message")
    assert [part.text for part in (thought.summary or thought.content)] == ["Two and two."]


def test_reasoning_goes_back_with_the_next_turn(gateway: Gateway, teach: Callable[[Behaviour], str]):
    model = teach(saying({"reasoning_content": "Two and two."}, {"content": "4"}))
    first = gateway.client.responses.create(model=model, input="2 + 2")

    gateway.client.responses.create(model=model, input=[*first.output, {"role": "user", "content": "Sure?"}])

    said, _ = gateway.sent.body["messages"]
    assert said == {"role": "assistant", "content": "4", "reasoning_content": "Two and two."}


def test_a_refusal_is_a_part_of_its_own(client: openai.OpenAI, teach: Callable[[Behaviour], str]):
    events = list(client.responses.create(model=teach(saying({"refusal": "I will not."})), input="Do it.", stream=True))

    assert [event.delta for event in events if event.type == "response.refusal.delta"] == ["I will not."]
    assert events[-1].response.output[0].content[0].refusal == "I will not."


@pytest.mark.parametrize(("finish", "why"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_short_is_incomplete(
    client: openai.OpenAI, teach: Callable[[Behaviour], str], finish: str, why: str
):
    model = teach(saying({"content": "It is"}, finish=finish))

    whole = client.responses.create(model=model, input="?")
    *_, last = client.responses.create(model=model, input="?", stream=True)

    assert last.type == "response.incomplete"
    for response in (whole, last.response):
        assert (response.status, response.incomplete_details.reason) == ("incomplete", why)
        assert response.output[0].status == "incomplete"


def test_log_probabilities_come_with_the_text_for_who_asks(client: openai.OpenAI):
    include = ["message.output_text.logprobs"]

    response = client.responses.create(**ASKED, include=include)
    plain = client.responses.create(**ASKED)

    assert {token.logprob for token in response.output[0].content[0].logprobs} == {-0.25}
    assert plain.output[0].content[0].logprobs == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"truncation": "auto"}, "truncation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].type"),
        ({"input": [{"type": "computer_call_output", "call_id": "c", "output": {}}]}, "input[0].type"),
        ({"extra_body": {"messages": []}}, "messages"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(client: openai.OpenAI, fields: dict[str, Any], param: str):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(**{**ASKED, **fields})

    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"


def test_an_error_before_the_answer_has_its_status(client: openai.OpenAI):
    with pytest.raises(openai.RateLimitError):
        client.responses.create(model="acme/limited", input="?")
    with pytest.raises(openai.NotFoundError, match="Unknown model 'nobody'"):
        client.responses.create(model="nobody", input="?", stream=True)


def test_an_error_in_the_middle_fails_the_response_and_raises(client: openai.OpenAI):
    seen = []
    stream = client.responses.create(model="acme/truncated", input="?", stream=True)
    with pytest.raises(openai.APIError, match="broke off"):
        for event in stream:
            seen.append(event)

    assert seen[-1].type == "response.failed"
    assert seen[-1].response.error.code == "server_error"
    assert seen[-1].response.output_text == "Hel"


def test_the_upstreams_refusal_reaches_the_caller(client: openai.OpenAI, teach: Callable[[Behaviour], str]):
    with pytest.raises(openai.BadRequestError, match="Too hot"):
        client.responses.create(model=teach(failing(400, "Too hot.")), input="?", temperature=9)


def test_a_caller_who_goes_away_ends_the_call(gateway: Gateway):
    stream = gateway.client.responses.create(model="acme/drips", input="?", stream=True)
    next(iter(stream))

    stream.close()

    assert gateway.upstream.disconnected.wait(5)


@pytest.mark.parametrize("stream", [False, True])
def test_the_story_is_told_to_who_asks_for_it(gateway: Gateway, stream: bool):
    explain = {"switchpoint": {"explain": True}}

    answer = gateway.client.responses.create(**ASKED, extra_body=explain, stream=stream)

    response = list(answer)[-1].response if stream else answer
    assert response.switchpoint["decision"]["model"] == "priced"


@pytest.mark.parametrize("route", ["best", "cheap-first", "sturdy"])
def test_routers_cascades_and_fallbacks_answer_whole_and_streamed(client: openai.OpenAI, route: str):
    asked = {"model": route, "input": [{"role": "user", "content": TEXT}]}

    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        streamed = stream.get_final_response()

    assert (whole.output_text, streamed.output_text) == (TEXT, TEXT)
    assert whole.model == streamed.model


def test_heartbeats_do_not_disturb_the_client(beating: Gateway):
    with beating.client.responses.stream(model="acme/slow", input="?") as stream:
        assert stream.get_final_response().output_text == TEXT


def test_an_error_after_a_heartbeat_raises(beating: Gateway):
    with pytest.raises(openai.APIError, match="tired"):
        list(beating.client.responses.create(model="acme/slow-to-fail", input="?", stream=True))


def test_gemini_gets_back_through_the_client_what_it_signed():
    with FakeGemini() as server:
        upstreams = {"google": {"kind": "gemini", "base_url": server.base_url}}
        models = {name: {"upstream": "google"} for name in ("tools", "ok")}
        app = Switchpoint.of({"upstreams": upstreams, "models": models, "records": {"enabled": False}}).app()
        with serving(app) as url, openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
            with client.responses.stream(model="tools", input="What time is it?", tools=[CLOCK]) as stream:
                calls = stream.get_final_response().output
            outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": "12:00"} for call in calls]
            client.responses.create(model="ok", input=[*calls, *outputs], tools=[CLOCK])

    said, given = server.requests[1].body["contents"]
    assert said["parts"][0] == CALL
    assert [part["functionResponse"]["response"] for part in given["parts"]] == [{"result": "12:00"}] * 2
