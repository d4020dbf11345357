"""Streams split anywhere give the same; streams with anything wrong in them a right answer or a BadAnswer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import UpstreamError
from tests.fuzz.streams import ANSWERS, DIALECTS, STREAMS, Stream, answered, by, event, payloads, read, write

streams = st.sampled_from(list(STREAMS.values()))
junk = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [
        b"\n\n",
        b"\r",
        b"data: ",
        b"data: {}\n\n",
        b"data: [DONE]\n\n",
        b"null",
        b'"',
        b"}",
        b"[",
        b"\xff",
        b"\x00",
        b": x\n",
    ]
)


def without_time(data: bytes) -> list[Any]:
    """Return the events without what tells when, and under what number, they were made."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: bare(inner) for name, inner in value.items() if name not in ("created", "created_at", "id")}
        return [bare(inner) for inner in value] if isinstance(value, list) else value

    return bare(payloads(data))


def said(chunks: list[Chunk]) -> list[tuple[Any, ...]]:
    """Return all of the chunks but their bytes, in which the second of their making stands."""
    names = [each.name for each in fields(Chunk) if each.name != "data"]
    return [tuple(getattr(chunk, name) for name in names) for chunk in chunks]


def end_is_told(dialect: str, told: list[Any]) -> bool:
    if dialect == "chat":
        return told[-1] == b"[DONE]"
    return told[-1]["type"] in ("message_stop", "response.completed", "response.incomplete")


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_split_at_any_byte_gives_the_same_chunks(stream: Stream):
    whole = said(read(stream.kind, [stream.data]))

    for cut in range(1, len(stream.data)):
        assert said(read(stream.kind, [stream.data[:cut], stream.data[cut:]])) == whole
    assert said(read(stream.kind, by(1)(stream.data))) == whole


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_that_comes_byte_by_byte_gives_a_caller_the_same_events(stream: Stream, dialect: str):
    whole = without_time(write(dialect, read(stream.kind, [stream.data])))

    assert without_time(write(dialect, read(stream.kind, by(1)(stream.data)))) == whole
    assert end_is_told(dialect, payloads(write(dialect, read(stream.kind, [stream.data]))))


def damaged(draw: st.DrawFn) -> Stream:
    """Cut pieces out of a stream and put others in."""
    kind, data = draw(streams)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(junk | st.just(b"")) + data[at + draw(st.integers(0, 12)) :]
    return Stream(kind, data)


@settings(max_examples=400, deadline=None)
@given(st.composite(damaged)(), st.sampled_from(list(DIALECTS)), st.integers(1, 40))
def test_whatever_happens_to_its_bytes_it_is_a_right_answer_or_an_error_of_the_upstream(
    stream: Stream, dialect: str, size: int
):
    with suppress(UpstreamError):
        payloads(write(dialect, read(stream.kind, by(size)(stream.data))))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value inside a JSON value, and to itself."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def reshaped(draw: st.DrawFn) -> Stream:
    """Put any JSON in the place of any value of some events, drop some events and swap some."""
    kind, data = draw(streams)
    told = payloads(data)
    for _ in range(draw(st.integers(1, 3))):
        number = draw(st.integers(0, len(told) - 1))
        if told[number] != b"[DONE]":
            told[number] = replaced(told[number], draw(st.sampled_from(places(told[number]))), draw(JSON))
    kept = draw(st.permutations(told)) if draw(st.booleans()) else told
    return Stream(kind, b"".join(map(event, kept)))


@settings(max_examples=800, deadline=None)
@given(st.composite(reshaped)(), st.sampled_from(list(DIALECTS)))
def test_whatever_shape_its_events_have_it_is_a_right_answer_or_an_error_of_the_upstream(stream: Stream, dialect: str):
    with suppress(UpstreamError):
        payloads(write(dialect, read(stream.kind, [stream.data])))


def whole(draw: st.DrawFn) -> tuple[str, bytes]:
    """Put any JSON in the place of any value of a whole answer, or cut a piece out of it."""
    kind, body = draw(st.sampled_from(list(ANSWERS.values())))
    for _ in range(draw(st.integers(1, 3))):
        body = replaced(body, draw(st.sampled_from(places(body))), draw(JSON))
    data = json.dumps(body).encode()
    at = draw(st.integers(0, len(data)))
    return kind, data if draw(st.booleans()) else data[:at] + draw(junk) + data[at:]


@settings(max_examples=800, deadline=None)
@given(st.composite(whole)(), st.sampled_from(list(DIALECTS)))
def test_whatever_a_whole_answer_holds_it_is_a_right_answer_or_an_error_of_the_upstream(
    sent: tuple[str, bytes], dialect: str
):
    with suppress(UpstreamError):
        json.loads(answered(sent[0], dialect, sent[1]))


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(list(DIALECTS)))
def test_events_in_any_order_are_written_or_refused_and_every_stream_has_one_end(data: st.DataObject, dialect: str):
    stream = data.draw(streams)
    order = data.draw(st.permutations(payloads(stream.data)))
    try:
        chunks = read(stream.kind, map(event, order))
    except UpstreamError:
        return

    told = payloads(write(dialect, chunks))

    assert end_is_told(dialect, told)
    assert sum(end_is_told(dialect, [each]) for each in told) == 1
