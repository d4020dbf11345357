"""Reading a conversation: whose words are in it, and what ties it to the model that spoke last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.conversation import Turns, held_state, open_tool_loop, opening, own_words, turns

CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def says(content: object, **more: object) -> dict:
    return {"role": "assistant", "content": content, **more}


def result(content: object = "sunny") -> dict:
    return {"role": "tool", "tool_call_id": "1", "content": content}


def test_the_previous_turn_is_the_users_message_and_the_last_answer_to_it() -> None:
    told = turns(
        [user("old"), says("older answer"), user("a"), says("wait", tool_calls=[CALL]), result(), says("b"), user("c")]
    )

    assert told == Turns("c", "a", "b")


def test_tool_results_are_nobodys_words() -> None:
    parts = [{"type": "tool_result", "text": "secret output"}, {"type": "text", "text": "go on"}]

    assert turns([user("a"), says(None, tool_calls=[CALL]), result("output"), user(parts)]) == Turns("go on", "a", "")


def test_two_user_messages_in_a_row_are_one_turn() -> None:
    assert turns([user("here is a file"), user("what is in it?")]) == Turns("what is in it?")


def test_a_turn_without_words_is_looked_through() -> None:
    wrapped = user("<system-reminder>be brief</system-reminder>")

    assert turns([user("question"), says(None, tool_calls=[CALL]), result(), wrapped]).last == "question"


def test_what_agents_wrap_around_the_users_words_is_left_out() -> None:
    text = "<system-reminder>one</system-reminder>\nFix it.\n<environment_details>two</environment_details>"

    assert own_words(text) == "Fix it."


@pytest.mark.parametrize("text", ["", "a < b", "<system-reminder> never closed", "</system-reminder>", "<b>bold</b>"])
def test_any_other_text_is_left_as_it_is(text: str) -> None:
    assert own_words(text) == text


@given(st.lists(st.sampled_from(["<system-reminder>", "</system-reminder>", "x", " "]), max_size=60))
def test_no_closed_wrapper_is_left_and_nothing_is_added(parts: list[str]) -> None:
    text = "".join(parts)
    words = own_words(text)

    assert "</system-reminder>" not in words.partition("<system-reminder>")[2]
    assert words.count("x") <= text.count("x")


@pytest.mark.parametrize(
    ("messages", "is_open"),
    [
        ([user("a")], False),
        ([user("a"), says("b"), user("c")], False),
        ([user("a"), says(None, tool_calls=[CALL])], True),
        ([user("a"), says(None, tool_calls=[CALL]), result()], True),
        ([user("a"), says(None, function_call={"name": "f"}), {"role": "function", "content": "x"}], True),
        ([user("a"), says(None, tool_calls=[CALL]), result(), user("and hurry")], True),
        ([user("a"), says(None, tool_calls=[CALL]), result(), says("done"), user("thanks")], False),
        ([user("a"), says("b", tool_calls=[]), user("c")], False),
    ],
)
def test_a_tool_loop_is_open_until_the_assistant_has_spoken_again(messages: list[dict], is_open: bool) -> None:
    assert (open_tool_loop(messages) is not None) is is_open


@pytest.mark.parametrize(
    ("messages", "parameters", "field"),
    [
        ([user("a")], {}, None),
        ([user("a")], {"previous_response_id": None}, None),
        ([user("a")], {"previous_response_id": "resp_1"}, "previous_response_id"),
        ([user("a")], {"container": {"id": "c"}}, "container"),
        ([user("a"), says("b", thinking_blocks=[{"signature": "x"}])], {}, "thinking_blocks"),
        ([user("a"), says("b", thinking_blocks=[])], {}, None),
        ([user("a"), says("b", gemini={"thoughtSignature": "x"})], {}, "thoughtSignature"),
        ([user("a")], {"gemini": {"cachedContent": "c"}, "anthropic": 7}, "cachedContent"),
        ([user("a")], {"anthropic": {"container": "c"}}, "container"),
        ([says(None, tool_calls=[{**CALL, "extra_content": {"thought_signature": "x"}}])], {}, "thought_signature"),
        (
            [says(None, tool_calls=[{**CALL, "extra_content": {"google": {"thought_signature": "x"}}}])],
            {},
            "thought_signature",
        ),
        ([user("a"), says("b", thinking_blocks=[{"signature": "x"}]), user("c"), says("d"), user("e")], {}, None),
        ([user([{"type": "text", "text": "thinking_blocks"}])], {}, None),
    ],
)
def test_what_only_one_provider_holds_is_named(messages: list[dict], parameters: dict, field: str | None) -> None:
    assert held_state(messages, parameters) == field


def test_an_opening_stays_the_same_while_a_conversation_grows() -> None:
    begun = [{"role": "system", "content": "be kind"}, user("<system-reminder>date</system-reminder>hello")]

    assert opening(begun) == opening([*begun, says("hi"), user("more")]) == ("be kind", "hello")
