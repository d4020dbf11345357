"""The Responses API as chat completions, and back."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsBase,
    ResponseCreateParamsNonStreaming,
)
from pydantic import TypeAdapter

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import RequestError
from switchpoint.dialects.responses.body import ECHOED
from switchpoint.dialects.responses.request import ELSEWHERE, READ, REFUSED, SAME
from switchpoint.dialects.responses.responses import Responses
from switchpoint.dialects.responses.sealed import opened, sealed

RESPONSES = Responses()
EVENT = TypeAdapter(ResponseStreamEvent)
ASKED = {"model": "auto", "input": "Hello"}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c1",
    "name": "clock",
    "arguments": "{}",
    "status": "completed",
}
CUSTOM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "shell", "input": "ls"}
IMAGE_FILE = {"type": "input_image", "file_id": "f"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]}


def chat(**fields: Any) -> dict[str, Any]:
    return RESPONSES.request({**ASKED, **fields})


def messages(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return chat(input=list(items))["messages"]


def answered(message: dict[str, Any], finish: str = "stop", **asked: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "created": 7, "model": "mini", "choices": [choice], "usage": None}
    return RESPONSES.answer(body, {**ASKED, **asked})


def events(*deltas: dict[str, Any], finish: str | None = "stop", **asked: Any) -> list[dict[str, Any]]:
    """Return the events of a stream of these deltas."""
    writer = RESPONSES.writer("mini", {**ASKED, **asked})
    frame = {"id": "chatcmpl-1", "created": 7, "model": "theirs"}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    written = [writer.event(Chunk(data=json.dumps({**frame, "choices": [choice]}).encode())) for choice in choices]
    return read(b"".join([*written, writer.end(None)]))


def read(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(block.partition("data: ")[2]) for block in data.decode().split("\n\n") if block]


# What is asked


def test_every_field_of_the_official_client_is_carried_or_refused_once():
    official = set(ResponseCreateParamsBase.__annotations__) | set(ResponseCreateParamsNonStreaming.__annotations__)
    groups = [set(SAME), set(READ), set(REFUSED)]

    assert official == set().union(*groups)
    assert sum(map(len, groups)) == len(official)
    assert not official & set(ELSEWHERE)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_is_refused_by_name_and_null_asks_for_nothing(name: str):
    with pytest.raises(RequestError, match=f"'{name}'") as refused:
        chat(**{name: "something"})

    assert refused.value.param == name
    assert chat(**{name: None}) == chat()


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_fields_of_chat_completions_are_refused_with_their_name_here(name: str):
    with pytest.raises(RequestError, match="is a field of chat completions"):
        chat(**{name: 1})


def test_values_that_ask_for_nothing_are_taken():
    nothing = {
        "store": False,
        "background": False,
        "truncation": "disabled",
        "include": ["reasoning.encrypted_content"],
    }

    assert chat(**nothing, stream_options={"include_obfuscation": False}) == chat()


def test_fields_that_nobody_knows_travel_on():
    assert chat(seed=7, min_p=0.1, switchpoint={"explain": True}) == {
        "model": "auto",
        "messages": [{"role": "user", "content": "Hello"}],
        "seed": 7,
        "min_p": 0.1,
        "switchpoint": {"explain": True},
    }


def test_instructions_come_first():
    assert chat(instructions="Be brief.")["messages"][0] == {"role": "system", "content": "Be brief."}


def test_one_turn_of_the_assistant_is_one_message():
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]}

    [message] = messages(THOUGHT, said, CALL, CUSTOM)

    assert (message["reasoning_content"], message["content"]) == ("Hm.", "Let me see.")
    function, custom = message["tool_calls"]
    assert function == {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    assert custom == {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}}


def test_two_messages_of_the_assistant_stay_two():
    said = {"role": "assistant", "content": "One."}

    assert messages(said, {**said, "content": "Two."}) == [said, {**said, "content": "Two."}]


def test_nothing_comes_between_a_call_and_its_output():
    output = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "12:00"}]}

    assistant, tool = messages(CALL, {"role": "assistant", "content": "Wait."}, THOUGHT, output)

    assert (assistant["content"], assistant["reasoning_content"]) == ("Wait.", "Hm.")
    assert tool == {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "12:00"}]}


def test_fields_of_items_that_nobody_knows_travel_on():
    [message] = messages({**CALL, "gemini": {"thoughtSignature": "x"}})

    assert message["tool_calls"][0]["gemini"] == {"thoughtSignature": "x"}


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "a"}, {"type": "text", "text": "a"}),
        ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "refusal": "no"}),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
        ),
        (
            {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
            {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        ),
    ],
)
def test_parts_have_the_form_of_chat_completions(part: dict[str, Any], expected: dict[str, Any]):
    assert messages({"role": "user", "content": [part]})[0]["content"] == [expected]


def test_tools_and_their_choice_are_nested():
    function = {"type": "function", "name": "clock", "parameters": {}, "strict": True, "description": None}
    grammar = {"type": "grammar", "syntax": "regex", "definition": "a+"}
    custom = {"type": "custom", "name": "shell", "format": grammar}

    made = chat(tools=[function, custom], tool_choice={"type": "custom", "name": "shell"})

    assert made["tools"][0]["function"]["strict"] is True
    inner = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    assert made["tools"][1] == {"type": "custom", "custom": {"name": "shell", "format": inner}}
    assert made["tool_choice"] == {"type": "custom", "custom": {"name": "shell"}}


def test_allowed_tools_are_nested_too():
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "clock"}]}

    made = chat(tool_choice=choice)["tool_choice"]

    named = {"type": "function", "function": {"name": "clock"}}
    assert made == {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [named]}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [IMAGE_FILE]}]}, "input[0].content[0].file_id"),
        ({"input": [{"type": "function_call", "name": "x"}]}, "input[0].arguments"),
        ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "gAAA"}]}, "input[0].encrypted_content"),
        ({"include": [["x"]]}, "include[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "x", "defer_loading": True}]}, "tools[0].defer_loading"),
        ({"tool_choice": 3}, "tool_choice"),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
    ],
)  # fmt: skip
def test_a_request_in_the_wrong_shape_is_refused_by_its_place(fields: dict[str, Any], param: str):
    with pytest.raises(RequestError, match=re.split(r"\W", param)[0]) as refused:
        chat(**fields)

    assert refused.value.param == param


KEYS = ["type", "role", "content", "index", "id", "name", "function", "arguments", "text", "call_id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(SAME | READ | set(REFUSED))), JSON))
def test_no_request_fails_in_a_way_that_nobody_foresaw(body: dict[str, Any]):
    try:
        made = RESPONSES.request(body)
    except RequestError as error:
        assert error.param is not None
    else:
        assert made["messages"]


# What is answered


def test_an_answer_has_every_field_that_responses_echo():
    response = answered({"role": "assistant", "content": "4"}, temperature=0.5)

    assert set(ECHOED) <= set(response)
    assert (response["id"], response["created_at"], response["temperature"]) == ("resp_1", 7, 0.5)


def test_custom_calls_have_their_input():
    call = {"id": "c2", "type": "custom", "custom": {"name": "shell", "input": "ls"}}

    [item] = answered({"content": None, "tool_calls": [call]}, "tool_calls")["output"]

    assert {name: item[name] for name in ("type", "call_id", "name", "input")} == {
        "type": "custom_tool_call", "call_id": "c2", "name": "shell", "input": "ls",
    }  # fmt: skip


def test_citations_stand_with_the_text():
    citation = {
        "type": "url_citation",
        "url_citation": {"url": "https://example.com", "start_index": 0, "end_index": 1},
    }

    [item] = answered({"content": "4", "annotations": [citation]})["output"]

    flat = {"type": "url_citation", "url": "https://example.com", "start_index": 0, "end_index": 1}
    assert item["content"][0]["annotations"] == [flat]


def test_what_a_vendor_wants_back_is_sealed_and_comes_back_with_the_next_turn():
    block = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
    output = answered({"content": "4", "reasoning_content": "Hm.", "thinking_blocks": [block]})["output"]

    [message] = messages(*output)

    assert message["thinking_blocks"] == [block]
    assert (message["reasoning_content"], message["content"]) == ("Hm.", "4")


def test_pieces_of_what_a_vendor_wants_back_are_put_together():
    pieces = [{"thinking": "Hm", "type": "thinking"}, {"thinking": "."}, {"signature": "sig"}]

    *_, last = events(*({"thinking_blocks": [{"index": 0, **piece}]} for piece in pieces), {"content": "4"})

    [message] = messages(*last["response"]["output"])
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "Hm.", "signature": "sig"}]


def test_what_comes_sealed_after_the_text_belongs_to_that_text():
    *_, last = events({"content": "4"}, {"gemini": {"thoughtSignature": "sig"}})

    [message] = messages(*last["response"]["output"])

    assert (message["content"], message["gemini"]) == ("4", {"thoughtSignature": "sig"})


@given(st.dictionaries(st.text(), JSON))
def test_what_is_sealed_can_be_opened(fields: dict[str, Any]):
    assert opened(sealed(fields), "here") == fields


# What is streamed


def test_arguments_of_several_calls_may_come_by_turns():
    def piece(index: int, arguments: str, **fields: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **fields, "function": {"name": "f", "arguments": arguments}}]}

    *_, last = events(piece(0, "{", id="a"), piece(1, "[", id="b"), piece(0, "}"), piece(1, "]"), finish="tool_calls")

    assert [(item["call_id"], item["arguments"]) for item in last["response"]["output"]] == [("a", "{}"), ("b", "[]")]


DELTAS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text()),
        st.builds(lambda text: {"reasoning_content": text}, st.text()),
        st.builds(lambda text: {"refusal": text}, st.text()),
        st.builds(
            lambda n, text: {"tool_calls": [{"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": text}}]},
            st.integers(0, 2),
            st.text(),
        ),
    )
)


@given(DELTAS, st.sampled_from(["stop", "length", None]))
def test_every_item_is_added_once_and_done_once_as_the_response_has_it(
    deltas: list[dict[str, Any]], finish: str | None
):
    told = events(*deltas, finish=finish)

    output = told[-1]["response"]["output"]
    done = {event["output_index"]: event["item"] for event in told if event["type"] == "response.output_item.done"}
    added = [event["output_index"] for event in told if event["type"] == "response.output_item.added"]
    assert added == sorted(done) == list(range(len(output)))
    assert [done[index] for index in added] == output
    assert [event["sequence_number"] for event in told] == list(range(len(told)))


@given(DELTAS, st.sampled_from(["stop", "length", "content_filter"]), st.sampled_from([None, "auto"]))
def test_every_event_is_one_by_the_types_of_the_official_client(
    deltas: list[dict[str, Any]], finish: str, summary: str | None
):
    for event in events(*deltas, finish=finish, reasoning={"summary": summary}):
        EVENT.validate_python(event)


@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": {"cached_tokens": 8}, "cost": 0.1}])
def test_usage_is_one_by_the_types_of_the_official_client(details: dict[str, Any]):
    counted = {"prompt_tokens": 12, "completion_tokens": 4, **details}
    body = {"id": "x", "created": 7, "model": "mini", "usage": counted, "choices": []}

    usage = Response.model_validate(RESPONSES.answer(body, ASKED)).usage

    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 4, 16)
    assert usage.input_tokens_details.cached_tokens == (8 if details else 0)


@pytest.mark.parametrize("usage", [None, 3, {"prompt_tokens": 12}, {"prompt_tokens": 12, "completion_tokens": "4"}])
def test_usage_without_its_tokens_is_unknown(usage: Any):
    body = {"id": "x", "created": 7, "model": "mini", "usage": usage, "choices": []}

    assert RESPONSES.answer(body, ASKED)["usage"] is None


@given(DELTAS)
def test_the_deltas_of_a_stream_add_up_to_its_items(deltas: list[dict[str, Any]]):
    told = events(*deltas)

    for name, kind in (("content", "output_text"), ("reasoning_content", "reasoning_text"), ("refusal", "refusal")):
        said = "".join(delta.get(name, "") for delta in deltas)
        pieces = "".join(event["delta"] for event in told if event["type"] == f"response.{kind}.delta")
        whole = "".join(
            part.get("text", part.get("refusal"))
            for item in told[-1]["response"]["output"]
            for part in item.get("content", [])
            if part["type"] == kind
        )
        assert pieces == whole == said


def test_an_error_before_anything_was_said_is_an_event_alone():
    told = {"error": {"message": "No.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}}

    [event] = read(RESPONSES.writer("", ASKED).error(told))

    assert (event["type"], event["message"], event["error"]) == ("error", "No.", told["error"])


def test_an_error_in_the_middle_ends_items_as_incomplete():
    writer = RESPONSES.writer("mini", ASKED)
    choice = {"index": 0, "delta": {"content": "Hel"}}
    writer.event(Chunk(data=json.dumps({"id": "x", "choices": [choice]}).encode()))

    told = {"error": {"message": "No.", "type": "rate_limit_error"}}
    *_, done, failed, error = read(writer.error(told))

    assert (done["item"]["status"], failed["type"], error["type"]) == ("incomplete", "response.failed", "error")
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "No."}


def test_every_field_stands_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "dialects" / "responses.md").read_text()

    assert [name for name in sorted(SAME | READ | set(REFUSED)) if f"`{name}" not in page] == []


MESSAGE = st.dictionaries(
    st.sampled_from(["content", "refusal", "reasoning", "tool_calls", "annotations", "thinking_blocks", "audio"]), JSON
)


@given(MESSAGE, MESSAGE)
def test_whatever_an_upstream_says_is_written(first: dict[str, Any], second: dict[str, Any]):
    told = events(first, second)

    assert told[-1]["type"] == "response.completed"
    assert answered(first)["object"] == "response"
