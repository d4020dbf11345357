"""A chat completion as Gemini's generateContent."""

import re
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from switchpoint.core.errors import RequestError
from switchpoint.dialects.gemini.contents import UNSIGNED
from switchpoint.dialects.gemini.request import ASIDE, HARMLESS, READ, SAME, generate_content

USER = {"role": "user", "content": "What time is it?"}
FUNCTION = {"name": "clock", "arguments": '{"zone":"UTC"}'}
CALLS = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": FUNCTION}]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "12:00"}
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "clock", "description": "Tells.", "parameters": SCHEMA}}


def sent(*messages: dict[str, Any], model: str = "gemini-3-flash", **fields: Any) -> dict[str, Any]:
    return generate_content({"model": model, "messages": [*(messages or (USER,))], **fields})


def config(**fields: Any) -> dict[str, Any]:
    return sent(**fields)["generationConfig"]


def test_every_field_of_the_official_client_is_carried_or_refused():
    refused = {"audio", "function_call", "moderation", "prediction", "web_search_options"}
    known = set(SAME) | READ | ASIDE | set(HARMLESS) | refused

    assert set(CompletionCreateParamsBase.__annotations__) - known == set()
    for name in refused:
        with pytest.raises(RequestError, match=name):
            sent(**{name: {"type": "x"}})


def test_system_messages_are_the_system_instruction_and_turns_alternate():
    body = sent({"role": "system", "content": "Be brief."}, USER, USER, {"role": "assistant", "content": "Noon."})

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [(turn["role"], len(turn["parts"])) for turn in body["contents"]] == [("user", 2), ("model", 1)]


def test_a_call_and_its_result_are_parts_with_one_name():
    _, said, given = sent(USER, CALLS, RESULT, model="gemini-2.5-pro")["contents"]

    assert said["parts"] == [{"functionCall": {"id": "c1", "name": "clock", "args": {"zone": "UTC"}}}]
    response = {"id": "c1", "name": "clock", "response": {"result": "12:00"}}
    assert given == {"role": "user", "parts": [{"functionResponse": response}]}


def test_a_result_that_is_an_error_says_so_and_what_is_for_other_vendors_stays_behind():
    thinking = {"thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}
    *_, said, given = sent(USER, CALLS | thinking, RESULT | {"anthropic": {"is_error": True}})["contents"]

    assert given["parts"][0]["functionResponse"]["response"] == {"result": "Error: 12:00"}
    assert "thinking" not in str(said) and "anthropic" not in str(given)


def test_a_result_that_is_an_object_stays_one():
    *_, given = sent(USER, CALLS, {**RESULT, "content": '{"hour": 12}'})["contents"]

    assert given["parts"][0]["functionResponse"]["response"] == {"hour": 12}


@pytest.mark.parametrize(("model", "signature"), [("gemini-3-pro", UNSIGNED), ("gemini-2.5-flash", None)])
def test_a_call_of_another_model_is_marked_as_unsigned_since_gemini_3(model: str, signature: str | None):
    call = sent(USER, CALLS, RESULT, model=model)["contents"][1]["parts"][0]

    assert call.get("thoughtSignature") == signature


def test_media_are_inline_or_named():
    data = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg?x=1"}}
    sound = {"type": "input_audio", "input_audio": {"format": "wav", "data": "BBBB"}}

    parts = sent({"role": "user", "content": [data, linked, sound]})["contents"][0]["parts"]

    assert parts[0] == {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    assert parts[1] == {"fileData": {"fileUri": "https://example.com/a.jpg?x=1", "mimeType": "image/jpeg"}}
    assert parts[2] == {"inlineData": {"mimeType": "audio/wav", "data": "BBBB"}}


def test_tools_keep_their_json_schema():
    declared = {"name": "clock", "description": "Tells.", "parametersJsonSchema": SCHEMA}

    assert sent(tools=[TOOL])["tools"] == [{"functionDeclarations": [declared]}]


@pytest.mark.parametrize(
    ("choice", "mode", "names"),
    [
        ("none", "NONE", None),
        ("required", "ANY", None),
        ({"type": "function", "function": {"name": "clock"}}, "ANY", ["clock"]),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "clock"}}]}},
            "VALIDATED",
            ["clock"],
        ),
    ],
)
def test_the_choice_of_a_tool_is_a_mode(choice: Any, mode: str, names: list[str] | None):
    chosen = sent(tools=[TOOL], tool_choice=choice)["toolConfig"]["functionCallingConfig"]

    assert (chosen["mode"], chosen.get("allowedFunctionNames")) == (mode, names)


def test_a_strict_tool_is_validated():
    strict = {"type": "function", "function": {**TOOL["function"], "strict": True}}

    assert sent(tools=[strict])["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert "toolConfig" not in sent(tools=[TOOL], tool_choice="auto")


def test_parameters_have_geminis_names():
    assert config(max_completion_tokens=9, top_p=0.5, top_k=3, stop="END", n=2, seed=7) == {
        "maxOutputTokens": 9,
        "topP": 0.5,
        "topK": 3,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "seed": 7,
    }
    assert config(logprobs=True, top_logprobs=2) == {"responseLogprobs": True, "logprobs": 2}


def test_structured_output_is_a_json_schema():
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}

    assert config(response_format=form) == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    assert config(response_format={"type": "json_object"}) == {"responseMimeType": "application/json"}


@pytest.mark.parametrize(
    ("model", "effort", "thinking"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0, "includeThoughts": False}),
        ("gemini-2.5-flash", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-pro", "low", {"thinkingLevel": "low", "includeThoughts": True}),
    ],
)
def test_the_effort_is_a_budget_before_gemini_3_and_a_level_since(model: str, effort: str, thinking: dict[str, Any]):
    assert config(model=model, reasoning_effort=effort) == {"thinkingConfig": thinking}


def test_whatever_gemini_has_can_be_asked_for_in_its_own_form():
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]

    body = sent(temperature=1, gemini={"safetySettings": safety, "generationConfig": {"mediaResolution": "LOW"}})

    assert body["safetySettings"] == safety
    assert body["generationConfig"] == {"temperature": 1, "mediaResolution": "LOW"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"store": True}, "store"),
        ({"made_up": 1}, "made_up"),
        ({"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
    ],
)
def test_what_gemini_does_not_have_is_refused_by_name(fields: dict[str, Any], param: str):
    with pytest.raises(RequestError, match=re.escape(param.split(".")[0])) as refused:
        sent(**fields)

    assert refused.value.param == param


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f1"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,AAAA"}}]},
        {"role": "tool", "tool_call_id": "nobody", "content": "12:00"},
        {"role": "function", "name": "clock", "content": "12:00"},
        {"role": "assistant", "content": "", "audio": {"id": "a1"}},
    ],
)
def test_a_message_that_cannot_be_carried_is_refused_by_its_place(message: dict[str, Any]):
    with pytest.raises(RequestError, match=re.escape("messages[1]")):
        sent(USER, message)


def test_every_field_stands_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "upstreams.md").read_text()

    known = set(SAME) | READ | ASIDE | set(HARMLESS)
    assert [name for name in sorted(known - {"model", "stream"}) if f"`{name}`" not in page] == []
