"""Sessions: what is remembered of a conversation between its requests."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from switchpoint.control.conversations.housekeeping import Patterns
from switchpoint.control.conversations.sessions import Sessions
from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.model import Usage
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.core.session import Claim, Session
from switchpoint.stores.memory import Memory
from tests.doubles import failed

CLAIM = Claim("x-session-id", "1")
HELLO = {"role": "user", "content": "hello"}


class Clock:
    """A clock that moves when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Silent:
    """A store that does not answer."""

    async def get(self, key: str) -> bytes | None:
        return None

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        pass

    async def delete(self, key: str) -> None:
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(Memory(), patterns=Patterns(), clock=clock)


def query(*messages: dict, claim: Claim | None = CLAIM, **tags: str) -> Query:
    return Query(id="q", messages=messages or (HELLO,), claim=claim, tags=tags)


def attempt(model: str, reason: Reason = Reason.ESTIMATED, **more: object) -> Attempt:
    decision = Decision(model=model, router="r", reason=reason, **more)  # type: ignore[arg-type]
    answer = Answer(text="x", body={}, usage=Usage(input_tokens=700, output_tokens=5))
    return Attempt(decision=decision, answer=answer, latency_s=1.0)


def record(asked: Query, *attempts: Attempt, outcome: str = "answered") -> Record:
    return Record(
        id="r",
        at=datetime.now(UTC),
        query_id=asked.id,
        route="auto",
        strategy="r",
        attempts=attempts,
        accepted=len(attempts) - 1 if outcome == "answered" else None,
        outcome=outcome,
        decide_s=0.0,
        latency_s=1.0,
        session=asked.session,
    )


def converse(sessions: Sessions, *answers: Sequence[Attempt], asked: Query | None = None) -> Query:
    """Have one request after the other answered or failed; return the next one, prepared."""

    async def all_of_them() -> Query:
        for attempts in answers:
            prepared = await sessions.prepare(asked or query())
            outcome = "failed" if attempts[-1].failure else "answered"
            sessions(record(prepared, *attempts, outcome=outcome))
            await asyncio.sleep(0)
        return await sessions.prepare(asked or query())

    return asyncio.run(all_of_them())


def session_of(prepared: Query) -> Session:
    assert prepared.session is not None
    return prepared.session


def test_a_conversation_begins_without_a_model_and_with_its_tags(sessions: Sessions) -> None:
    prepared = converse(sessions)

    assert session_of(prepared).model is None
    assert prepared.tags == {"session": session_of(prepared).id, "session_rung": "x-session-id"}


def test_who_answered_is_remembered(sessions: Sessions, clock: Clock) -> None:
    converse(sessions, [attempt("mini")], [attempt("big")])
    clock.now += 40

    session = session_of(converse(sessions))

    assert (session.model, session.strategy, session.turns, session.switches) == ("big", "r", 2, 1)
    assert (session.idle_s, session.input_tokens) == (40.0, 700)


def test_the_model_whose_answer_was_given_counts_after_an_escalation(sessions: Sessions) -> None:
    prepared = converse(sessions, [attempt("mini"), attempt("big", Reason.ESCALATED)])

    assert session_of(prepared).model == "big"


def test_failures_are_counted_until_somebody_answers(sessions: Sessions) -> None:
    twice = converse(sessions, [attempt("mini")], [failed("mini")], [failed("mini")])
    answered = converse(sessions, [attempt("mini")])

    assert (session_of(twice).model, session_of(twice).failures) == ("mini", 2)
    assert session_of(answered).failures == 0


def test_a_conversation_that_nobody_answered_has_not_begun(sessions: Sessions) -> None:
    assert session_of(converse(sessions, [failed("mini")])).model is None


def test_the_topic_stays_while_the_model_is_held(sessions: Sessions) -> None:
    ruled = attempt("mini", Reason.RULE, detail="rule proofs")

    prepared = converse(sessions, [ruled], [attempt("mini", Reason.STICKY, detail="a switch would not pay")])

    assert session_of(prepared).topic == "rule proofs"


def test_what_is_cancelled_or_refused_changes_nothing(sessions: Sessions) -> None:
    async def cancelled() -> Query:
        prepared = await sessions.prepare(query())
        sessions(record(prepared, attempt("mini"), outcome="cancelled"))
        await asyncio.sleep(0)
        return await sessions.prepare(query())

    assert session_of(asyncio.run(cancelled())).model is None


def test_two_tenants_with_the_same_claim_share_nothing(sessions: Sessions) -> None:
    converse(sessions, [attempt("mini")], asked=query(tenant="one"))

    assert session_of(converse(sessions, asked=query(tenant="two"))).model is None
    assert session_of(converse(sessions, asked=query(tenant="one"))).model == "mini"


def test_by_its_opening_alone_a_first_request_continues_nothing(sessions: Sessions) -> None:
    first = query(claim=None)
    grown = query(HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}, claim=None)
    converse(sessions, [attempt("mini")], asked=first)

    assert session_of(converse(sessions, asked=first)).model is None
    assert session_of(converse(sessions, asked=grown)).model == "mini"


def test_a_callers_own_tags_do_not_stand_for_ours(sessions: Sessions) -> None:
    prepared = converse(sessions, asked=query(session="forged", session_rung="forged"))

    assert "forged" not in prepared.tags.values()


@pytest.mark.parametrize("asked", [query({"role": "user", "content": "quota"}), query(task="housekeeping")])
def test_housekeeping_is_no_part_of_a_conversation(sessions: Sessions, asked: Query) -> None:
    prepared = converse(sessions, asked=replace(asked, parameters={"max_tokens": 1}))

    assert (prepared.session, prepared.tags) == (None, {"task": "housekeeping"})


def test_what_a_caller_calls_his_task_is_his_to_say(sessions: Sessions) -> None:
    asked = replace(query(task="chat"), parameters={"max_tokens": 1})

    assert converse(sessions, asked=asked).tags["task"] == "chat"


def test_a_conversation_is_forgotten_in_time() -> None:
    clock = Clock()
    sessions = Sessions(Memory(clock=clock), keep_s=60.0, clock=clock)
    converse(sessions, [attempt("mini")])
    clock.now += 61

    assert session_of(converse(sessions)).model is None


@pytest.mark.parametrize("stored", [b"", b"{}", b"\xff", b'{"model": 7, "at": 1}'])
def test_what_cannot_be_read_is_a_conversation_that_begins(stored: bytes) -> None:
    store = Memory()
    sessions = Sessions(store)
    id = session_of(converse(sessions)).id

    asyncio.run(store.set(f"session:1:{id}", stored, 60.0))

    assert session_of(converse(sessions)).model is None


def test_a_store_that_does_not_answer_costs_the_memory_and_nothing_else() -> None:
    assert session_of(converse(Sessions(Silent()), [attempt("mini")])).model is None


def test_replicas_that_share_a_store_and_a_secret_share_conversations() -> None:
    store, secret = Memory(), b"s" * 32
    converse(Sessions(store, secret=secret), [attempt("mini")])

    assert session_of(converse(Sessions(store, secret=secret))).model == "mini"
    assert session_of(converse(Sessions(store))).model is None


def test_a_record_after_the_end_of_the_loop_is_let_go(sessions: Sessions) -> None:
    prepared = converse(sessions)

    sessions(record(prepared, attempt("mini")))

    assert session_of(converse(sessions)).model is None
