from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import BadAnswer
from switchpoint.upstreams.sse import Events

LINE_END = st.sampled_from([b"\n", b"\r", b"\r\n"])
PAYLOAD_LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
PAYLOAD = st.lists(PAYLOAD_LINE, min_size=1, max_size=3).map("\n".join).filter(bool)
NOISE = st.sampled_from([b": heartbeat", b"event: message", b"id: 7", b"retry: 10", b"datum: x", b"unknown"])


def encode(payload: str, end: bytes, noise: bytes) -> bytes:
    lines = [noise, *(b"data: " + line.encode() for line in payload.split("\n")), b""]
    return b"".join(line + end for line in lines)


def test_payloads_come_out_in_order() -> None:
    assert Events().feed(b"data: 1\n\ndata: 2\n\ndata: [DONE]\n\n") == [b"1", b"2", b"[DONE]"]


def test_several_data_lines_are_joined_by_newlines() -> None:
    assert Events().feed(b"data: {\ndata: }\n\n") == [b"{\n}"]


def test_one_space_after_the_colon_is_dropped_and_no_more() -> None:
    assert Events().feed(b"data:a\n\ndata:  b\n\n") == [b"a", b" b"]


def test_comments_other_fields_and_empty_events_are_dropped() -> None:
    assert Events().feed(b": PROCESSING\n\nevent: x\nid: 1\n\ndata:\n\ndata\n\n") == []


def test_an_event_without_its_blank_line_has_not_come_yet() -> None:
    events = Events()

    assert events.feed(b"data: 1\n") == []
    assert events.feed(b"\n") == [b"1"]


def test_a_line_feed_split_from_its_carriage_return_ends_no_second_line() -> None:
    events = Events()

    assert events.feed(b"data: 1\r") == []
    assert events.feed(b"\ndata: 2\r\n\r\n") == [b"1\n2"]


@given(st.lists(st.tuples(PAYLOAD, LINE_END, NOISE), max_size=5), st.lists(st.integers(0, 200), max_size=8))
def test_every_payload_is_found_however_the_bytes_are_split(
    sent: list[tuple[str, bytes, bytes]], cuts: list[int]
) -> None:
    stream = b"".join(encode(*event) for event in sent)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    blocks = [stream[a:b] for a, b in pairwise(edges)]
    events = Events()

    found = list(chain.from_iterable(events.feed(block) for block in blocks))

    assert found == [payload.encode() for payload, _, _ in sent]


@given(st.binary(max_size=60) | st.text("da:t \r\n", max_size=60).map(str.encode))
def test_any_bytes_split_at_every_byte_give_the_same_events(stream: bytes) -> None:
    whole, by_byte = Events(), Events()

    found = [payload for i in range(len(stream)) for payload in by_byte.feed(stream[i : i + 1])]

    assert found == whole.feed(stream)


def test_an_endless_line_is_a_bad_answer() -> None:
    events = Events("upstream 'acme'", max_event_bytes=100)
    events.feed(b"data: " + b"x" * 90)

    with pytest.raises(BadAnswer, match="upstream 'acme': an event is longer than 100 bytes"):
        events.feed(b"x" * 90)


def test_an_endless_event_of_short_lines_is_a_bad_answer() -> None:
    events = Events(max_event_bytes=100)

    with pytest.raises(BadAnswer, match="longer than 100 bytes"):
        events.feed(b"data: xxxxxxxxx\n" * 20)


def test_a_long_stream_of_short_events_is_fine() -> None:
    events = Events(max_event_bytes=100)

    assert len(events.feed(b"data: xxxxxxxxx\n\n" * 1_000)) == 1_000
