"""Query: which text is routed on, and how much of it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.query import IMAGE_TOKENS, ROUTING_CHARS, Query, window

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def query(*messages: dict) -> Query:
    return Query(id="q", messages=messages)


def test_the_last_turn_is_routed_on_and_then_the_one_it_follows() -> None:
    asked = query(
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "reply"},
        {"role": "user", "content": "second"},
        {"role": "tool", "content": "tool output"},
    )

    assert asked.text == "second\nfirst\nreply"
    assert asked.last_turn == asked.full_text == "second"


@given(st.text(max_size=3 * ROUTING_CHARS).filter(lambda text: "<" not in text))
def test_a_query_of_one_turn_is_its_text_alone(text: str) -> None:
    alone = query({"role": "system", "content": "be kind"}, {"role": "user", "content": text})

    assert alone.text == window(text)


@given(st.text(min_size=1), st.text(max_size=3_000), st.text(min_size=1, max_size=3_000))
def test_the_last_turn_has_most_of_the_room(previous: str, answer: str, last: str) -> None:
    asked = query(
        {"role": "user", "content": previous},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": last * 3},
    )

    assert len(asked.text) <= ROUTING_CHARS + 1
    assert asked.text.startswith((last * 3)[: ROUTING_CHARS // 3])


def test_without_a_user_message_the_last_text_is_routed_on() -> None:
    assert query({"role": "system", "content": "be kind"}, {"role": "assistant", "content": None}).text == "be kind"


def test_a_query_without_any_text_has_empty_text() -> None:
    assert query().text == ""
    assert query({"role": "user", "content": [IMAGE]}).text == ""


def test_text_parts_are_joined_and_images_left_out() -> None:
    parts = [{"type": "text", "text": "what"}, IMAGE, {"type": "text", "text": "is this?"}]

    assert query({"role": "user", "content": parts}).text == "what\nis this?"


def test_images_count_in_the_estimate_of_the_input() -> None:
    assert query({"role": "user", "content": [IMAGE]}).input_tokens == IMAGE_TOKENS


def test_tools_count_in_the_estimate_of_the_input() -> None:
    plain = Query(id="q", messages=({"role": "user", "content": "hi"},))
    tooled = Query(id="q", messages=plain.messages, parameters={"tools": [{"type": "function", "function": {}}]})

    assert tooled.input_tokens > plain.input_tokens


def test_system_text_and_tool_calls_count_in_the_estimate_of_the_input() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "x" * 400}}
    plain = query({"role": "user", "content": "hi"})
    systemic = query({"role": "system", "content": "y" * 400}, {"role": "user", "content": "hi"})
    calling = query({"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "tool_calls": [call]})

    assert systemic.input_tokens >= plain.input_tokens + 99
    assert calling.input_tokens >= plain.input_tokens + 99


def test_what_cannot_be_written_as_json_is_counted_all_the_same() -> None:
    odd = Query(id="q", messages=(), parameters={"tools": [{"description": "\ud800" * 100, "x": object()}]})

    assert odd.input_tokens > 25


def test_what_was_counted_is_counted_once_for_each_query_and_anew_for_a_changed_one() -> None:
    asked = query({"role": "user", "content": "x" * 400})
    assert (asked.input_tokens, asked.input_tokens) == (100, 100)

    changed = replace(asked, messages=({"role": "user", "content": "y" * 800},))

    assert (changed.input_tokens, changed.text[0]) == (200, "y")


@given(st.text(max_size=3 * ROUTING_CHARS))
def test_deciding_never_reads_more_than_the_cap(text: str) -> None:
    assert len(window(text)) <= ROUTING_CHARS + 1
    assert window(text).startswith(text[: ROUTING_CHARS // 2])
    assert window(text).endswith(text[-ROUTING_CHARS // 2 :])


@given(st.text())
def test_a_draw_is_in_the_unit_interval_and_depends_on_the_id_alone(id: str) -> None:
    draw = Query(id=id, messages=()).draw

    assert 0.0 <= draw < 1.0
    assert draw == Query(id=id, messages=({"role": "user", "content": "x"},)).draw


@given(st.text())
def test_every_string_has_an_id(text: str) -> None:
    assert len(Query.of(text).id) == 16
