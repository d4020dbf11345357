"""What is read from the bodies and events of the servers that are about."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import BadAnswer, RateLimited, UpstreamError
from switchpoint.core.model import Usage
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.reading import read_answer, read_chunk

FAILURES = Failures("acme")


def body(usage: Any = None, content: Any = "4", **choice: Any) -> bytes:
    message = {"role": "assistant", "content": content}
    return json.dumps({"choices": [{"message": message, **choice}], "usage": usage}).encode()


def read(data: bytes) -> Answer:
    return read_answer(data, FAILURES)


def test_usage_is_read_with_its_cached_part_and_the_stated_bill() -> None:
    usage = {
        "prompt_tokens": 12,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
        "cost": 0.000123,
    }

    assert read(body(usage)).usage == Usage(
        input_tokens=12, cached_input_tokens=8, output_tokens=3, cost_usd=Decimal("0.000123")
    )


def test_cached_tokens_are_read_under_deepseeks_name_too() -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_cache_hit_tokens": 9}

    assert read(body(usage)).usage == Usage(input_tokens=12, cached_input_tokens=9, output_tokens=3)


def test_whole_counts_written_as_floats_are_counts() -> None:
    assert read(body({"prompt_tokens": 12.0, "completion_tokens": 3.0})).usage == Usage(
        input_tokens=12, output_tokens=3
    )


@pytest.mark.parametrize("usage", [None, "much", [1], {"prompt_tokens": -1}, {"prompt_tokens": "many"}])
def test_usage_that_is_not_understood_is_unknown_and_the_answer_stands(usage: Any) -> None:
    answer = read(body(usage))

    assert (answer.text, answer.usage) == ("4", None)


@pytest.mark.parametrize("cost", [-1, "NaN", "Infinity"])
def test_a_bill_that_is_no_amount_of_money_is_unknown(cost: Any) -> None:
    usage = read(body({"prompt_tokens": 1, "cost": cost})).usage

    assert usage == Usage(input_tokens=1, cost_usd=None)


def test_log_probabilities_are_read_from_chat_completions() -> None:
    content = [{"token": "4", "logprob": -0.5, "top_logprobs": []}, {"token": ".", "logprob": -0.25}]

    assert read(body(logprobs={"content": content})).logprobs == (-0.5, -0.25)


def test_log_probabilities_are_read_from_the_older_completions_form() -> None:
    logprobs = {"tokens": ["4", "."], "token_logprobs": [None, -0.25]}

    assert read(body(logprobs=logprobs)).logprobs == (-0.25,)


def test_log_probabilities_are_read_from_older_llama_cpp_servers() -> None:
    data = json.loads(body()) | {"completion_probabilities": [{"token": "4", "logprob": -0.5}]}

    assert read(json.dumps(data).encode()).logprobs == (-0.5,)


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": "none"}, 7])
def test_missing_log_probabilities_are_empty(logprobs: Any) -> None:
    assert read(body(logprobs=logprobs)).logprobs == ()


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "4"}]

    assert read(body(content=parts)).text == "4"


def test_only_the_first_of_several_choices_is_the_answer() -> None:
    other = {"index": 1, "message": {"content": "other"}, "finish_reason": "length"}
    first = {"index": 0, "message": {"content": "first"}, "finish_reason": "stop"}

    answer = read(json.dumps({"choices": [other, first]}).encode())

    assert (answer.text, answer.finish_reason, len(answer.body["choices"])) == ("first", "stop", 2)


def test_a_chunk_of_another_choice_has_no_text_but_keeps_its_bytes() -> None:
    data = b'{"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}'

    chunk = read_chunk(data, FAILURES)

    assert (chunk.data, chunk.text, chunk.finish_reason) == (data, "", None)


@pytest.mark.parametrize("data", [b"{}", b'{"choices": null}', b'{"choices": [{"index": 0}]}', b"[]", b"7", b""])
def test_an_answer_without_a_message_is_bad(data: bytes) -> None:
    with pytest.raises(BadAnswer, match="upstream 'acme'"):
        read(data)


@pytest.mark.parametrize("data", [b'{"model": "\xff"}', b'{"error": ' + b"[" * 100_000, b"<html>"])
def test_what_is_not_json_is_a_bad_answer(data: bytes) -> None:
    with pytest.raises(BadAnswer, match="not JSON"):
        read(data)


def test_the_error_body_of_older_vllm_servers_is_an_error() -> None:
    with pytest.raises(RateLimited, match="Slow down"):
        read(b'{"object": "error", "message": "Slow down", "code": 429}')


def test_text_that_is_not_unicode_is_a_bad_answer_wherever_it_stands() -> None:
    with pytest.raises(BadAnswer, match="not JSON"):
        read(body().replace(b'"role"', b'"\\ud800"'))


@given(st.binary(max_size=80) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_any_bytes_are_an_answer_or_a_named_error(data: bytes) -> None:
    try:
        assert isinstance(read_chunk(data, FAILURES).text, str)
    except UpstreamError as error:
        assert "upstream 'acme'" in str(error)


@pytest.mark.parametrize(
    ("delta", "speaks"),
    [
        (b'{"role":"assistant","content":""}', False),
        (b'{"role":"assistant","content":null,"tool_calls":null}', False),
        (b'{"content":"4"}', True),
        (b'{"reasoning_content":"hm"}', True),
        (b'{"tool_calls":[{"index":0,"function":{"name":"f"}}]}', True),
        (b'{"refusal":"no"}', True),
    ],
)
def test_a_chunk_speaks_once_it_holds_a_part_of_the_answer(delta: bytes, speaks: bool) -> None:
    assert read_chunk(b'{"choices":[{"index":0,"delta":' + delta + b"}]}", Failures("up")).speaks is speaks


def test_the_end_of_an_answer_speaks_and_usage_alone_does_not() -> None:
    end = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'

    assert read_chunk(end, Failures("up")).speaks
    assert not read_chunk(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}', Failures("up")).speaks
