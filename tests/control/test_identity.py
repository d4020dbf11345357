"""Identity: which conversation a query continues."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.control.conversations.identity import Identity, identify
from switchpoint.core.query import Query
from switchpoint.core.session import Claim

SECRET = b"x" * 32
HELLO = ({"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"})
ANSWER = ({"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"})


def query(*messages: dict, claim: Claim | None = None, **parameters: object) -> Query:
    return Query(id="q", messages=messages or HELLO, claim=claim, parameters=parameters)


def who(asked: Query, tenant: str = "acme", secret: bytes = SECRET) -> Identity:
    return identify(asked, tenant, secret)


@pytest.mark.parametrize(
    ("asked", "rung"),
    [
        (query(claim=Claim("x-session-id", "1"), user="u"), "x-session-id"),
        (query(metadata={"session_id": "1", "user_id": "2"}), "metadata.session_id"),
        (query(metadata={"user_id": "2"}, user="u"), "metadata.user_id"),
        (query(conversation={"id": "c"}, prompt_cache_key="k"), "conversation"),
        (query(prompt_cache_key="k", user="u"), "prompt_cache_key"),
        (query(user="u"), "user"),
        (query(user="", metadata={"user_id": 7}), "opening"),
    ],
)
def test_the_first_rung_that_says_something_counts(asked: Query, rung: str) -> None:
    assert who(asked).rung == rung


def test_a_conversation_that_grows_stays_itself() -> None:
    for parameters in ({}, {"user": "u"}):
        assert who(query(*HELLO, **parameters)) == who(query(*HELLO, *ANSWER, **parameters))


def test_a_person_may_hold_several_conversations_at_a_time() -> None:
    other = ({"role": "user", "content": "something else"},)

    assert who(query(*HELLO, user="u")) != who(query(*other, user="u"))


def test_an_id_of_a_conversation_is_enough() -> None:
    other = ({"role": "user", "content": "something else"},)
    claim = Claim("x-switchpoint-session", "1")

    assert who(query(*HELLO, claim=claim)) == who(query(*other, claim=claim))


@given(st.text(), st.text(), st.none() | st.text(min_size=1))
def test_two_tenants_never_share_a_conversation(one: str, other: str, claim: str | None) -> None:
    asked = query(claim=None if claim is None else Claim("x-session-id", claim))

    assert (who(asked, one).id == who(asked, other).id) is (one == other)


@given(st.text(), st.text())
def test_an_id_tells_nothing_of_what_it_was_made_from_without_the_secret(user: str, text: str) -> None:
    asked = query({"role": "user", "content": text}, user=user)

    assert who(asked).id != who(asked, secret=b"y" * 32).id
    assert len(who(asked).id) == 32


def test_parts_are_told_apart_wherever_they_end() -> None:
    assert who(query(user="ab"), "c").id != who(query(user="b"), "ca").id


def test_the_middle_of_a_long_opening_is_not_read() -> None:
    long = replace(query(), messages=({"role": "user", "content": "a" * 10_000 + "b" + "a" * 10_000},))
    like = replace(query(), messages=({"role": "user", "content": "a" * 10_000 + "c" + "a" * 10_000},))

    assert who(long) == who(like)
