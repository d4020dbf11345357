"""Anthropic's Messages as a dialect: what is carried, what is refused, and that nothing is lost on the way back."""

import json
from typing import Any, get_args, get_type_hints

import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam
from anthropic.types.message_create_params import MessageCreateParamsBase
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import BadAnswer, RequestError
from switchpoint.dialects.anthropic.asked import BESIDE, READERS, REFUSED
from switchpoint.dialects.anthropic.messages import Messages
from switchpoint.dialects.anthropic.sending import write_request
from switchpoint.dialects.anthropic.turns import PARTS, TURNS
from switchpoint.dialects.extensions import EXTENSIONS, without
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.reading import read_chunk

MESSAGES = Messages()
ASKED = {"model": "m", "max_tokens": 9}

# What is asked: there and back


def block(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


def cached(blocks: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    controls = st.none() | st.just({"cache_control": {"type": "ephemeral", "ttl": "1h"}})
    return st.builds(lambda block, control: {**block, **(control or {})}, blocks, controls)


word = st.text(min_size=1, max_size=8)
json_objects = st.dictionaries(word, st.none() | st.booleans() | st.integers(-9, 9) | word, max_size=3)
base64 = st.just("aGk=")
texts = cached(block("text", text=word))
images = cached(
    block(
        "image",
        source=block("base64", media_type=st.sampled_from(["image/png", "image/gif"]), data=base64)
        | block("url", url=st.just("https://example.org/a.png")),
    )
)
pdfs = block("base64", media_type=st.just("application/pdf"), data=base64)
plain = block("text", media_type=st.just("text/plain"), data=word)
documents = cached(block("document", source=pdfs | plain, title=st.just("a.pdf"), context=word))
results = cached(
    block("tool_result", tool_use_id=word, content=word | st.lists(texts | images, min_size=2, max_size=2))
    | block("tool_result", tool_use_id=word, is_error=st.just(True))
)
calls = cached(block("tool_use", id=word, name=word, input=json_objects))
thoughts = block("thinking", thinking=st.text(max_size=5), signature=word) | block("redacted_thinking", data=word)
user_blocks = st.builds(
    lambda first, rest: [*first, *rest],
    st.lists(results, max_size=3),
    st.lists(texts | images | documents, min_size=1, max_size=3),
)
turns = st.lists(
    st.fixed_dictionaries({"role": st.just("user"), "content": user_blocks})
    | st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": st.lists(texts | calls | thoughts, min_size=1, max_size=4)}
    ),
    min_size=1,
    max_size=4,
).map(lambda found: [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}, *found])
tools = cached(
    st.fixed_dictionaries(
        {"name": word, "description": word, "input_schema": st.just({"type": "object"})},
        optional={"strict": st.booleans(), "defer_loading": st.booleans()},
    )
)
choices = (
    st.sampled_from([{"type": "auto"}, {"type": "any"}, {"type": "none"}])
    | st.fixed_dictionaries({"type": st.just("tool"), "name": word})
    | st.just({"type": "any", "disable_parallel_tool_use": True})
)
thinking = st.sampled_from(
    [{"type": "enabled", "budget_tokens": 2048}, {"type": "adaptive", "display": "omitted"}, {"type": "disabled"}]
)
output = st.fixed_dictionaries(
    {"format": st.just({"type": "json_schema", "schema": {"type": "object"}})},
    optional={"effort": st.sampled_from(["low", "medium", "high", "xhigh", "max"])},
)
requests = st.fixed_dictionaries(
    {"model": word, "max_tokens": st.integers(1, 9), "messages": turns},
    optional={
        "system": st.lists(texts, min_size=1, max_size=2),
        "tools": st.lists(tools, min_size=1, max_size=2),
        "tool_choice": choices,
        "stop_sequences": st.lists(word, min_size=1, max_size=2),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 9),
        "metadata": st.just({"user_id": "u"}),
        "service_tier": st.sampled_from(["auto", "standard_only"]),
        "thinking": thinking,
        "output_config": output,
        "cache_control": st.just({"type": "ephemeral"}),
        "betas": st.lists(word, min_size=1, max_size=2),
        "context_management": st.just({"edits": []}),
        "stream": st.booleans(),
    },
)


@given(requests)
def test_a_request_comes_back_as_it_was_after_it_was_a_chat_completion(body: dict[str, Any]) -> None:
    chat = json.loads(json.dumps(MESSAGES.request(body)))

    assert write_request(chat, max_tokens=1) == body


@given(requests)
def test_without_its_extensions_a_request_is_plain(body: dict[str, Any]) -> None:
    plain = json.dumps(without(MESSAGES.request(body)))

    hidden = (*EXTENSIONS, "cache_control", "is_error", "signature")
    assert not any(f'"{name}": ' in plain for name in hidden)  # as a name; a text may well be one of these words


def test_images_in_results_are_shown_to_other_vendors_after_all_results() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    blocks = [
        {"type": "tool_result", "tool_use_id": "a", "content": [image]},
        {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "4"}, image]},
        {"type": "text", "text": "Go on"},
    ]
    chat = MESSAGES.request({**ASKED, "messages": [{"role": "user", "content": blocks}]})

    first, second, shown, user = without(chat)["messages"]
    assert (first["content"], second["content"]) == ("Shown below.", [{"type": "text", "text": "4"}])
    assert (shown["role"], [part["type"] for part in shown["content"]]) == ("user", ["image_url", "image_url"])
    assert user == {"role": "user", "content": "Go on"}


# What is asked: each field


def fields_of(kind: Any) -> set[str]:
    return set(get_type_hints(kind))


def test_every_field_of_the_official_client_is_carried_kept_beside_or_refused() -> None:
    same = {"model", "messages", "max_tokens", "user_profile_id", "workspace_id"}  # the last two are headers
    untouched = {"diagnostics", "inference_geo", "speed"}  # a vendor that does not know them refuses them itself

    assert fields_of(MessageCreateParamsBase) == same | untouched | {
        name for name in fields_of(MessageCreateParamsBase) if name in READERS or name in BESIDE or name in REFUSED
    }


@pytest.mark.parametrize("kind", get_args(ContentBlockParam), ids=lambda kind: kind.__name__)
def test_every_block_of_the_official_client_is_carried_or_refused_by_name(kind: Any) -> None:
    [name] = get_args(get_args(get_type_hints(kind, include_extras=True)["type"])[0])
    body = {**ASKED, "messages": [{"role": "user", "content": [{"type": name}]}]}

    with pytest.raises(RequestError) as error:
        MESSAGES.request(body)

    carried = name in PARTS or name in TURNS
    assert error.value.param is not None
    assert error.value.param.startswith("messages[0].content[0]")
    assert ("cannot be carried" in str(error.value)) is (
        not carried or name in ("tool_use", "thinking", "redacted_thinking")
    )


@pytest.mark.parametrize("kind", [None, 1, [], {}, ["text"], {"text": 1}])
def test_a_block_whose_type_is_no_word_is_refused_by_name(kind: Any) -> None:
    with pytest.raises(RequestError, match="cannot be carried"):
        MESSAGES.request({**ASKED, "messages": [{"role": "user", "content": [{"type": kind}]}]})


@pytest.mark.parametrize("kind", get_args(ToolUnionParam)[1:], ids=lambda kind: kind.__name__)
def test_every_tool_that_the_vendor_defines_is_refused_by_name(kind: Any) -> None:
    type_, *_ = get_args(get_args(get_type_hints(kind, include_extras=True)["type"])[0])

    with pytest.raises(RequestError, match=f"tools.0.. cannot be carried. It is the tool '{type_}'"):
        MESSAGES.request({**ASKED, "messages": [], "tools": [{"type": type_, "name": "x"}]})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("mcp_servers", [{}]),
        ("thread", {"type": "create"}),
        ("service_tier", "gold"),
        ("tool_choice", {"type": "tool"}),
        ("tools", [{"name": "x"}]),
        ("tools", {}),
        ("output_config", {"format": {"type": "grammar"}}),
        ("output_config", {"shape": 1}),
        ("messages", [{"role": "tool", "content": "x"}]),
        ("messages", [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]),
        ("messages", [{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "u"}}]}]),
        ("messages", [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]),
        ("system", [{"type": "image"}]),
    ],
)
def test_what_cannot_be_carried_names_its_place(field: str, value: object) -> None:
    with pytest.raises(RequestError) as error:
        MESSAGES.request({**ASKED, "messages": [], field: value})

    assert error.value.param is not None
    assert error.value.param.startswith(field)


@pytest.mark.parametrize(
    ("asked", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32_000}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 32_000}, "output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": "max"}}, "xhigh"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "disabled"}}, None),
    ],
)
def test_how_hard_to_think_is_said_in_openais_words_too(asked: dict[str, Any], effort: str | None) -> None:
    assert MESSAGES.request({**ASKED, "messages": [], **asked}).get("reasoning_effort") == effort


def test_a_models_own_effort_wins_over_the_callers_thinking() -> None:
    asked = {**ASKED, "messages": [], "thinking": {"type": "enabled", "budget_tokens": 32_000}}
    chat = {**MESSAGES.request(asked), "reasoning_effort": "low"}

    body = write_request(chat, max_tokens=1, own_effort=True)

    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})


NAMES = st.sampled_from(["type", "role", "content", "source", "name", "effort"])
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(["text", "image", "tool_use", "user", "assistant"])
branches = st.lists(leaves, max_size=3) | st.dictionaries(NAMES, leaves, max_size=4)
anything = leaves | st.lists(leaves | branches, max_size=3) | st.dictionaries(NAMES, leaves | branches, max_size=4)


@given(st.dictionaries(st.sampled_from([*READERS, *BESIDE, *REFUSED]), anything, max_size=4))
def test_whatever_is_asked_is_carried_or_refused(body: dict[str, Any]) -> None:
    try:
        chat = MESSAGES.request(body)
    except RequestError as error:
        assert error.param is not None
    else:
        assert isinstance(chat, dict)


# What a chat completion asks of Anthropic


def sent(**fields: Any) -> dict[str, Any]:
    return write_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}, max_tokens=7)


def test_leading_instructions_are_the_system_prompt_and_later_ones_stay_where_they_are() -> None:
    roles = ["developer", "system", "user", "system"]
    body = sent(messages=[{"role": role, "content": role} for role in roles])

    assert [block["text"] for block in body["system"]] == ["developer", "system"]
    assert [turn["role"] for turn in body["messages"]] == ["user", "system"]


def test_results_of_tools_and_what_the_user_says_after_them_are_one_turn() -> None:
    tool = {"role": "tool", "tool_call_id": "a", "content": "1", "name": "clock"}
    body = sent(messages=[tool, {**tool, "tool_call_id": "b"}, {"role": "user", "content": "Go on"}])

    [turn] = body["messages"]
    assert [block["type"] for block in turn["content"]] == ["tool_result", "tool_result", "text"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"max_completion_tokens": 3, "max_tokens": 5}, {"max_tokens": 3}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"parallel_tool_calls": True}, {}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "minimal"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"n": 1, "logprobs": False, "logit_bias": {}, "stream_options": {"include_usage": True}}, {}),
        ({"new_field": {"a": 1}}, {"new_field": {"a": 1}}),
    ],
)
def test_parameters_are_said_in_anthropics_words(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert {**sent(), **expected} == sent(**asked)


def test_one_call_at_a_time_is_asked_for_where_there_are_tools() -> None:
    tool = {"type": "function", "function": {"name": "clock"}}

    body = sent(tools=[tool], parallel_tool_calls=False)

    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["tools"] == [{"name": "clock", "input_schema": {"type": "object", "properties": {}}}]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0]"),
        ({"messages": [{"role": "function", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "", "name": "Ann"}]}, "messages[0].name"),
        ({"messages": [{"role": "assistant", "function_call": {"name": "x"}}]}, "messages[0].function_call"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0]"),
    ],
)
def test_what_anthropic_has_no_place_for_is_refused_by_name(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(RequestError) as error:
        sent(**asked)

    assert f"{named}" in str(error.value).split(":")[0]


# What is answered


def answer(message: dict[str, Any], **choice: Any) -> dict[str, Any]:
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, **choice}], "usage": None}
    return MESSAGES.answer(body, ASKED)


def test_unknown_usage_is_null() -> None:
    assert answer({"content": "4"}, finish_reason="stop")["usage"] == {"input_tokens": None, "output_tokens": None}


def test_a_refusal_is_said_and_told() -> None:
    told = answer({"content": None, "refusal": "No."}, finish_reason="content_filter")

    assert (told["content"], told["stop_reason"]) == ([{"type": "text", "text": "No."}], "refusal")


def test_the_string_that_stopped_it_is_told_where_the_upstream_tells_it() -> None:
    told = answer({"content": "4"}, finish_reason="stop", stop_reason="END")

    assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", "END")


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"'])
def test_arguments_that_are_no_object_are_a_bad_answer(arguments: str) -> None:
    call = {"id": "a", "function": {"name": "clock", "arguments": arguments}}

    with pytest.raises(BadAnswer, match="'clock'"):
        answer({"content": None, "tool_calls": [call]}, finish_reason="tool_calls")


@pytest.mark.parametrize("message", [{"tool_calls": ["x"]}, {"content": ["x"]}, {"tool_calls": 5}])
def test_an_answer_in_no_known_form_is_bad(message: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="not of OpenAI's form"):
        answer(message, finish_reason="stop")


@pytest.mark.parametrize(
    ("status", "code", "type"),
    [
        (400, "invalid_request", "invalid_request_error"),
        (401, "invalid_api_key", "authentication_error"),
        (404, "model_not_found", "not_found_error"),
        (413, "request_too_large", "request_too_large"),
        (422, None, "invalid_request_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (502, "upstream_error", "api_error"),
        (503, "overloaded", "overloaded_error"),
        (504, "upstream_timeout", "timeout_error"),
    ],
)
def test_an_error_is_of_anthropics_type_for_its_status_and_keeps_our_code(status: int, code: str, type: str) -> None:
    told = {"error": {"message": "No.", "type": "server_error", "param": None, "code": code}}

    error = {"type": type, "message": "No.", "code": code}
    assert MESSAGES.error(told, status) == {"type": "error", "error": error}


# What is streamed


def events(*deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of these deltas, without the first and the last two."""
    writer = MESSAGES.writer("m", ASKED)
    data = b""
    for delta in deltas:
        body = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        data += writer.event(read_chunk(json.dumps(body).encode(), Failures("u")))
    data += writer.end(None)
    return [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: ")][1:-2]


def test_blocks_are_numbered_and_one_ends_before_the_next_begins() -> None:
    told = events({"reasoning": "Hm."}, {"content": "Four"}, {"content": "."}, {"reasoning": "Ah."}, {"content": "4"})

    assert [(event["type"].removeprefix("content_block_"), event["index"]) for event in told] == [
        *[("start", 0), ("delta", 0), ("stop", 0)],
        *[("start", 1), ("delta", 1), ("delta", 1), ("stop", 1)],
        *[("start", 2), ("delta", 2), ("stop", 2)],
        *[("start", 3), ("delta", 3), ("stop", 3)],
    ]


def call(index: int, id: str | None, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": id, "function": {"name": "f", "arguments": arguments}}]}


@pytest.mark.parametrize("indexes", [(0, 1), (0, 0)])
def test_parallel_calls_are_blocks_of_their_own_even_if_a_server_counts_them_as_one(indexes: tuple[int, int]) -> None:
    told = events(call(indexes[0], "a", "{}"), call(indexes[1], "b", "{"), call(indexes[1], None, "}"))

    pieces = [(event["index"], event["delta"]["partial_json"]) for event in told if "delta" in event]
    assert pieces == [(0, "{}"), (1, "{"), (1, "}")]
    assert [event["content_block"]["id"] for event in told if "content_block" in event] == ["a", "b"]


def test_pieces_of_a_call_that_come_late_belong_to_its_block() -> None:
    told = events(call(0, "a", "{"), call(1, "b", "{}"), call(0, None, "}"))

    pieces = [(event["index"], event["delta"]["partial_json"]) for event in told if "delta" in event]
    assert pieces == [(0, "{"), (1, "{}"), (0, "}")]
