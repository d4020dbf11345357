"""Joining: a streamed answer's chunks as the body that it would have had in one piece."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Chunk
from switchpoint.engine.joining import calls_tool, joined
from switchpoint.upstreams.wire import chunks, text_answer


def piece(**delta) -> Chunk:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return Chunk(data=json.dumps({"choices": [choice]}).encode(), text=delta.get("content") or "")


def message(*pieces: Chunk):
    return joined(pieces, body=True).body["choices"][0]["message"]


@given(st.text(), st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=3))
def test_what_was_cut_into_chunks_is_put_together_again(text: str, functions: list[tuple[str, str]]) -> None:
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(functions)
    ]
    text = text.encode("utf-8", "ignore").decode()
    whole = text_answer(text, model="m")
    whole.body["choices"][0]["message"] |= {"tool_calls": calls} if calls else {}

    told = joined(chunks(whole), body=True).body["choices"][0]

    assert told["message"].get("tool_calls", []) == msgspec.json.decode(msgspec.json.encode(calls))
    assert (told["message"]["content"] or "") == text
    assert told["finish_reason"] == "stop"


def test_arguments_that_come_in_pieces_are_one_call() -> None:
    first = piece(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{"}}])
    second = piece(tool_calls=[{"index": 0, "function": {"arguments": "}"}}])

    assert message(first, second)["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    pieces = [piece(tool_calls=[{"id": i, "function": {"name": i, "arguments": "{}"}}]) for i in ("a", "b")]

    assert [call["id"] for call in message(*pieces)["tool_calls"]] == ["a", "b"]


def test_beside_a_tool_call_empty_content_is_null() -> None:
    assert message(piece(tool_calls=[{"index": 0, "function": {"name": "f"}}]))["content"] is None
    assert message(piece(content=""))["content"] == ""


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_is_kept_apart_from_content(name: str) -> None:
    assert message(piece(**{name: "so "}), piece(**{name: "then"}), piece(content="yes")) == {
        "role": "assistant",
        "content": "yes",
        name: "so then",
    }


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"choices": 3}', b'{"choices": [{"delta": {"tool_calls": 3}}]}'])
def test_what_is_not_in_the_promised_form_adds_nothing(data: bytes) -> None:
    assert message(Chunk(data=data, text="said"))["content"] == "said"
    assert not calls_tool(Chunk(data=data + b'"tool_calls"'))


def test_an_empty_list_of_calls_calls_nothing() -> None:
    assert not calls_tool(piece(content="x", tool_calls=[], function_call=None))
    assert calls_tool(piece(tool_calls=[{"index": 0}]))


def test_only_who_has_to_look_at_it_gets_a_body() -> None:
    assert joined([piece(content="x")], body=False).body == {}
