"""The bytes of a streamed answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Chunk
from switchpoint.core.model import Usage
from switchpoint.dialects.frames import Frames

CHUNK = {"id": "1", "model": "theirs", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}
USAGE_ONLY = {"id": "1", "model": "theirs", "choices": [], "usage": {"total_tokens": 3}}


def chunk(body: dict, compact: bool = True, **fields: object) -> Chunk:
    data = json.dumps(body, separators=(",", ":") if compact else None).encode()
    return Chunk(data=data, model=body.get("model"), **fields)


def payload(event: bytes) -> dict:
    assert event.startswith(b"data: ") and event.endswith(b"\n\n") and event.count(b"\n") == 2
    return json.loads(event[6:])


def test_bytes_that_name_our_model_are_passed_untouched():
    data = b'{"model":  "ours", "choices": [{"delta": {"content": "\\u0048i"}}], "odd":1e2}'

    assert Frames("ours", False).event(Chunk(data=data, model="ours")) == b"data: " + data + b"\n\n"


@pytest.mark.parametrize("compact", [True, False])
def test_only_the_name_is_replaced(compact: bool):
    piece = chunk(CHUNK, compact)

    event = Frames("ours", False).event(piece)

    assert event == b"data: " + piece.data.replace(b"theirs", b"ours") + b"\n\n"


@given(st.text(), st.text(min_size=1), st.booleans())
def test_the_text_of_an_answer_is_never_changed(text: str, name: str, compact: bool):
    tricky = f'{text}"model":"{name}"{text}"model": "{name}"'
    body = {"choices": [{"index": 0, "delta": {"content": tricky}}], "model": name}

    seen = payload(Frames("ours/é", False).event(chunk(body, compact)))

    assert seen == {**body, "model": "ours/é"}


def test_a_name_written_in_another_way_is_replaced_too():
    data = b'{"model" : "a\\/b", "choices": [{"delta": {"content": "Hi"}}]}'

    seen = payload(Frames("ours", False).event(Chunk(data=data, model="a/b")))

    assert seen == {"model": "ours", "choices": [{"delta": {"content": "Hi"}}]}


def test_a_chunk_without_a_name_gets_one():
    nameless = {"id": "1", "choices": [{"index": 0, "delta": {}}]}

    assert payload(Frames("ours", False).event(chunk(nameless)))["model"] == "ours"


def test_json_over_several_lines_stays_one_event():
    piece = Chunk(data=json.dumps(CHUNK, indent=1).encode(), model="theirs")

    assert payload(Frames("ours", False).event(piece)) == {**CHUNK, "model": "ours"}


@pytest.mark.parametrize("compact", [True, False])
def test_a_chunk_of_usage_alone_is_for_those_who_asked(compact: bool):
    usage = chunk(USAGE_ONLY, compact, usage=Usage(input_tokens=1, output_tokens=2))

    assert Frames("ours", keep_usage=False).event(usage) == b""
    assert payload(Frames("ours", keep_usage=True).event(usage)) == {**USAGE_ONLY, "model": "ours"}


def test_usage_beside_a_piece_of_the_answer_does_not_hide_it():
    piece = chunk({**CHUNK, "usage": {"total_tokens": 3}}, usage=Usage(input_tokens=1, output_tokens=2))

    assert payload(Frames("ours", keep_usage=False).event(piece))["choices"] == CHUNK["choices"]
