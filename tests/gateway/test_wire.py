"""Reading a request."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import RequestError
from switchpoint.gateway.wire import parse
from tests.gateway.conftest import USER, WEATHER

IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
MODELS = ("mini", "maxi")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
known_fields = st.sampled_from(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "functions",
        "response_format",
        "logprobs",
        "switchpoint",
    ]
)
known_options = st.sampled_from(["explain", "max_cost_usd", "deadline_s", "allow", "tags"])
messages = st.lists(
    st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name"]), json_values, max_size=4), max_size=3
)


def read(**body: Any) -> Any:
    return parse(json.dumps({"messages": [USER], **body}).encode(), (), MODELS)


def refused(body: bytes | dict, headers: Any = ()) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(body if isinstance(body, bytes) else json.dumps(body).encode(), headers, MODELS)
    return caught.value


def test_what_is_not_ours_becomes_a_parameter():
    request = read(model="mini", stream=True, switchpoint={}, temperature=0.5, made_up={"a": 1})

    assert request.query.parameters == {"temperature": 0.5, "made_up": {"a": 1}}
    assert (request.route, request.stream) == ("mini", True)


def test_messages_of_every_kind_are_taken_as_they_are():
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    result = {"role": "tool", "tool_call_id": "1", "content": "12:00"}
    other = {"role": "developer", "content": [{"type": "text", "text": "Be brief."}, {"type": "brand-new"}]}

    request = read(messages=[other, USER, call, result, IMAGE])

    assert request.query.messages == (other, USER, call, result, IMAGE)


@pytest.mark.parametrize(
    ("body", "needs"),
    [
        ({}, set()),
        ({"tools": [WEATHER]}, {"tools"}),
        ({"tools": []}, set()),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"messages": [USER, {"role": "tool", "content": "12"}]}, {"tools"}),
        ({"messages": [IMAGE]}, {"vision"}),
        ({"response_format": {"type": "json_schema"}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"logprobs": True}, {"logprobs"}),
        ({"logprobs": False}, set()),
        ({"tools": [WEATHER], "messages": [IMAGE], "logprobs": True}, {"tools", "vision", "logprobs"}),
    ],
)
def test_needs_are_derived_from_the_request(body: dict, needs: set):
    assert read(**body).query.needs == needs


def test_our_own_options_are_read():
    options = {"explain": True, "max_cost_usd": 0.01, "deadline_s": 5, "allow": ["mini"], "tags": {"team": "x"}}

    request = read(switchpoint=options)

    query = request.query
    assert request.explain
    assert (query.max_cost_usd, query.deadline_s, query.allow) == (0.01, 5.0, {"mini"})
    assert query.tags == {"team": "x"}


def test_headers_mirror_the_options_and_the_body_wins():
    headers = [
        (b"x-switchpoint-explain", b"true"),
        (b"x-switchpoint-max-cost-usd", b"0.5"),
        (b"x-switchpoint-deadline-s", b"3"),
        (b"x-switchpoint-allow", b"mini, maxi"),
        (b"x-switchpoint-tags", b"tenant=acme,note=a=b"),
    ]
    body = json.dumps({"messages": [USER], "switchpoint": {"deadline_s": 9}}).encode()

    request = parse(body, headers, MODELS)

    query = request.query
    assert (request.explain, query.max_cost_usd, query.deadline_s) == (True, 0.5, 9.0)
    assert query.allow == {"mini", "maxi"}
    assert query.tags == {"tenant": "acme", "note": "a=b"}


def test_a_contract_is_read_from_headers_and_from_the_body():
    headers = [(b"x-switchpoint-deadline-ms", b"1500"), (b"x-switchpoint-min-quality", b"0.8")]

    query = parse(json.dumps({"messages": [USER], "switchpoint": {"deadline_s": 2}}).encode(), headers, MODELS).query

    assert (query.deadline_s, query.min_quality) == (1.5, 0.8)


@pytest.mark.parametrize(
    "options",
    [{"min_quality": 1.1}, {"min_quality": -0.1}, {"min_quality": "nan"}, {"deadline_ms": 0}, {"session": ""}],
)
def test_a_contract_that_cannot_be_is_refused(options: dict):
    with pytest.raises(RequestError):
        read(switchpoint=options)


def test_tier_and_task_are_tags_that_win_over_tags():
    query = read(switchpoint={"tier": "gold", "task": "chat", "tags": {"tier": "free", "team": "x"}}).query

    assert query.tags == {"tier": "gold", "task": "chat", "team": "x"}


@pytest.mark.parametrize(
    ("headers", "claim"),
    [
        ([], None),
        ([(b"x-claude-code-session-id", b"c")], ("x-claude-code-session-id", "c")),
        ([(b"x-claude-code-session-id", b"c"), (b"x-session-id", b"s")], ("x-session-id", "s")),
        ([(b"x-session-id", b"s"), (b"x-switchpoint-session", b"p")], ("x-switchpoint-session", "p")),
        ([(b"x-session-id", b"")], None),
        ([(b"x-session-id", b"x" * 257)], None),
    ],
)
def test_headers_name_the_conversation_the_most_telling_first(headers: list, claim: tuple | None):
    assert parse(json.dumps({"messages": [USER]}).encode(), headers, MODELS).query.claim == claim


def test_every_request_gets_an_id_of_its_own():
    assert read().query.id != read().query.id


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (b"", None, "not JSON"),
        (b'{"messages": [', None, "not JSON"),
        (b'{"messages": NaN}', None, "not JSON"),
        (b'{"messages": "\xff"}', None, "not JSON"),
        (b"[]", None, "Got an array"),
        (b"null", None, "Got null"),
        ({}, "messages", "Got none"),
        ({"messages": []}, "messages", "Got an empty array"),
        ({"messages": "hi"}, "messages", "Got a string"),
        ({"messages": ["hi"]}, "messages[0]", "Got a string"),
        ({"messages": [USER, {"content": "hi"}]}, "messages[1].role", "Got null"),
        ({"messages": [{"role": 1}]}, "messages[0].role", "Got a number"),
        ({"messages": [{"role": "user", "content": {}}]}, "messages[0].content", "Got an object"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]", "Got a string"),
        ({"messages": [USER], "model": 4}, "model", "must be a string"),
        ({"messages": [USER], "stream": "yes"}, "stream", "must be a boolean"),
        ({"messages": [USER], "stream_options": 1}, "stream_options", "must be an object"),
        ({"messages": [USER], "response_format": "json"}, "response_format", "must be an object"),
        ({"messages": [USER], "switchpoint": "on"}, "switchpoint", "must be an object"),
        ({"messages": [USER], "switchpoint": {"explian": 1}}, "switchpoint.explian", "Did you mean 'explain'"),
        ({"messages": [USER], "switchpoint": {"max_cost_usd": -1}}, "switchpoint.max_cost_usd", ">= 0"),
        ({"messages": [USER], "switchpoint": {"deadline_s": 0}}, "switchpoint.deadline_s", "> 0"),
        ({"messages": [USER], "switchpoint": {"allow": ["minni"]}}, "switchpoint.allow", "Did you mean 'mini'"),
        ({"messages": [USER], "switchpoint": {"tags": {"a": [1]}}}, "switchpoint.tags[...]", "Expected `str`"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(body: bytes | dict, param: str | None, message: str):
    error = refused(body)

    assert error.param == param
    assert message in str(error)


@pytest.mark.parametrize("value", [b"nan", b"inf", b"-1", b"cheap"])
def test_a_limit_in_a_header_must_be_a_number_that_can_be_kept(value: bytes):
    error = refused({"messages": [USER]}, [(b"x-switchpoint-max-cost-usd", value)])

    assert error.param in ("switchpoint", "switchpoint.max_cost_usd")


def test_deep_nesting_is_refused():
    assert "nested too deeply" in str(refused(b"[" * 100_000 + b"]" * 100_000))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"\ud83d\ude00", "😀"),
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\ude00\ud83d!", "\ufffd\ufffd!"),
        (rb"\\ud83d and \ud83d", "\\ud83d and \ufffd"),
        (rb"nul \u0000", "nul \x00"),
    ],
)
def test_halves_of_surrogate_pairs_become_the_replacement_character(written: bytes, read: str):
    request = parse(b'{"messages":[{"role":"user","content":"%b"}]}' % written)

    assert request.query.full_text == read


@given(st.binary(max_size=200))
def test_no_bytes_do_more_harm_than_a_request_error(data: bytes):
    tolerate(data)


@given(st.dictionaries(known_fields | st.text(max_size=5), json_values, max_size=6))
def test_no_json_does_more_harm_than_a_request_error(body: dict):
    tolerate(msgspec.json.encode(body))


@given(messages, st.dictionaries(known_options, json_values), st.dictionaries(known_fields, json_values, max_size=2))
def test_no_message_or_option_does_more_harm_than_a_request_error(said: list, options: dict, rest: dict):
    tolerate(msgspec.json.encode({"messages": said, "switchpoint": options, **rest}))


@given(st.sampled_from([b"explain", b"max-cost-usd", b"deadline-s", b"allow", b"tags"]), st.binary(max_size=20))
def test_no_header_does_more_harm_than_a_request_error(name: bytes, value: bytes):
    tolerate(b'{"messages":[{"role":"user"}]}', [(b"x-switchpoint-" + name, value), (b"x-request-id", value)])


def tolerate(data: bytes, headers: Any = ()) -> None:
    """Read a request, then what deciding will read of it."""
    try:
        query = parse(data, headers, MODELS).query
    except RequestError as error:
        assert str(error)
    else:
        assert query.input_tokens > 0 and 0 <= query.draw < 1 and query.text is not None
