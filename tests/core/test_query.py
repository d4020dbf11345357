"""Query: which text is routed on, and how much of it."""

from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.query import IMAGE_TOKENS, ROUTING_CHARS, Query, window

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def query(*messages: dict) -> Query:
    return Query(id="q", messages=messages)


def test_the_last_user_message_is_routed_on() -> None:
    asked = query(
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "reply"},
        {"role": "user", "content": "second"},
        {"role": "tool", "content": "tool output"},
    )

    assert asked.text == "second"


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
