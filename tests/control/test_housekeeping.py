"""Housekeeping: calls that agents make for themselves."""

import pytest

from switchpoint.control.conversations.housekeeping import Patterns, is_housekeeping
from switchpoint.core.query import Query


def query(text: str, system: str | None = None, **parameters: object) -> Query:
    before = [] if system is None else [{"role": "system", "content": system}]
    return Query(id="q", messages=(*before, {"role": "user", "content": text}), parameters=parameters)


@pytest.mark.parametrize(
    "asked",
    [
        query("quota", max_tokens=1),
        query("hi", max_completion_tokens=1),
        query("fix it", "Analyze if this message indicates a new conversation topic. If it does, extract a title."),
        query("say ok", "You are a title generator. You output ONLY a thread title. Nothing else."),
        query("Please write a 5-10 word title the following conversation:\n\nUser: hi"),
        query("Your task is to create a detailed summary of the conversation so far, paying close attention"),
        query("### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat history"),
    ],
)
def test_calls_of_well_known_agents_are_recognised(asked: Query) -> None:
    assert is_housekeeping(asked, Patterns())


@pytest.mark.parametrize(
    "asked",
    [
        query("Write a title for my novel."),
        query("Summarise this text: ..."),
        query("hi", max_tokens=2),
        query("hi", max_tokens=1, tools=[{"type": "function"}]),
        query("hi", max_tokens=True),
        query(""),
    ],
)
def test_what_people_ask_is_none(asked: Query) -> None:
    assert not is_housekeeping(asked, Patterns())


def test_patterns_are_the_operators() -> None:
    own = Patterns(system_contains=("name this chat",), user_contains=())

    assert is_housekeeping(query("hello", "Please name this chat."), own)
    assert not is_housekeeping(query("hello", "You are a title generator"), own)
