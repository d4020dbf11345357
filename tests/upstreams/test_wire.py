import json
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import RequestError
from switchpoint.core.model import Usage
from switchpoint.core.query import Query
from switchpoint.upstreams.wire import chunks, request, text_answer
from tests.fake_openai import TOOL_CALL
from tests.upstreams.conftest import named

HI = {"role": "user", "content": "hi"}


def query(**parameters: object) -> Query:
    return Query(id="q", messages=(HI,), parameters=parameters)


def test_the_models_parameters_win_over_the_callers_and_unknown_ones_pass() -> None:
    model = named("mini", parameters={"temperature": 0})

    body = json.loads(request(model, query(temperature=1, prompt_cache_key="k"), stream=False))

    assert body == {"model": "mini", "messages": [HI], "temperature": 0, "prompt_cache_key": "k", "stream": False}


def test_the_preamble_comes_before_the_callers_messages() -> None:
    example = {"role": "system", "content": "Be brief."}

    body = json.loads(request(named("mini", preamble=(example,)), query(), stream=False))

    assert body["messages"] == [example, HI]


def test_a_stream_always_asks_for_its_usage_and_keeps_other_stream_options() -> None:
    asked = query(stream_options={"include_usage": False, "include_obfuscation": False})

    body = json.loads(request(named("mini"), asked, stream=True))

    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}


def test_a_whole_answer_is_asked_for_without_stream_options_even_when_the_caller_streams() -> None:
    body = json.loads(request(named("mini"), query(stream=True, stream_options={"include_usage": True}), stream=False))

    assert (body["stream"], "stream_options" in body) == (False, False)


def test_read_only_mappings_and_decimals_are_written() -> None:
    body = json.loads(request(named("mini"), query(a=MappingProxyType({"b": Decimal("0.5")})), stream=False))

    assert body["a"] == {"b": 0.5}


@pytest.mark.parametrize("value", ["\ud800", object(), {1j: 1}])
def test_what_json_cannot_hold_is_the_callers_error(value: object) -> None:
    with pytest.raises(RequestError, match="cannot be written as JSON"):
        request(named("mini"), query(user=value), stream=False)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_chunks_of_an_answer_hold_its_text_usage_and_finish_once(text: str) -> None:
    usage = Usage(input_tokens=3, output_tokens=2, cost_usd=Decimal("0.0001"))
    answer = text_answer(text, model="mini", usage=usage, logprobs=(-0.5,))

    pieces = chunks(answer)

    assert "".join(piece.text for piece in pieces) == text
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]
    assert [piece.usage for piece in pieces if piece.usage] == [usage]
    assert [value for piece in pieces for value in piece.logprobs] == [-0.5]
    assert {piece.model for piece in pieces} == {"mini"}


def test_the_usage_chunk_has_no_choices_and_comes_last() -> None:
    pieces = chunks(text_answer("4", model="mini", usage=Usage(input_tokens=3)))

    assert json.loads(pieces[-1].data)["choices"] == []


def test_an_answer_of_unknown_usage_has_no_usage_chunk() -> None:
    pieces = chunks(text_answer("4", model="mini"))

    assert pieces[-1].finish_reason == "stop"


def test_fields_of_the_body_beyond_openais_are_in_every_chunk() -> None:
    pieces = chunks(text_answer("4", model="mini", extra={"note": 1}))

    assert [json.loads(piece.data)["note"] for piece in pieces] == [1] * len(pieces)


def test_tool_calls_of_an_answer_are_streamed_with_their_index() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
    body = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}

    deltas = [json.loads(p.data)["choices"][0]["delta"] for p in chunks(Answer(text="", body=body))]

    assert deltas == [{"role": "assistant", "content": None}, {"tool_calls": [{"index": 0, **TOOL_CALL}]}, {}]


def test_every_choice_of_an_answer_is_streamed() -> None:
    choices = [{"index": i, "message": {"content": word}, "finish_reason": "stop"} for i, word in enumerate("ab")]

    found = [json.loads(piece.data)["choices"][0] for piece in chunks(Answer(text="a", body={"choices": choices}))]

    assert [(c["index"], c["delta"]["content"]) for c in found if c["delta"].get("content")] == [(0, "a"), (1, "b")]
