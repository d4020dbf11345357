"""A record survives the trip into the file and back."""

from __future__ import annotations

import math
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer, Attempt, Failure, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.model import Usage
from switchpoint.core.query import EMPTY
from switchpoint.core.record import Record
from switchpoint.records.database import insertion, insertions
from switchpoint.records.migrations import migrate
from switchpoint.records.rows import attempt_rows, record_of, record_row


def there_and_back(record: Record) -> Record:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    for table, rows in {"records": [record_row(record)], "attempts": attempt_rows(record)}.items():
        for row in rows:
            connection.execute(insertion(table, row), tuple(row.values()))
    attempts = connection.execute("SELECT * FROM attempts ORDER BY number").fetchall()
    found = record_of(connection.execute("SELECT * FROM records").fetchone(), attempts)
    connection.close()
    return found


unit = st.floats(0, 1)
seconds = st.floats(0, 1e6)
words = st.text(st.characters(codec="utf-8"), max_size=20)
money = st.none() | st.decimals(0, 10**6, allow_nan=False, places=12)
tokens = st.none() | st.integers(0, 10**9)
decisions = st.builds(
    Decision,
    model=words,
    router=words,
    reason=st.sampled_from(Reason),
    propensity=st.floats(0, 1, exclude_min=True),
    quality=st.dictionaries(words, unit),
    cost_usd=st.dictionaries(words, seconds),
    novelty=st.none() | unit,
    detail=st.none() | words,
    layer=st.none() | words,
)
usages = st.builds(Usage, input_tokens=tokens, cached_input_tokens=tokens, output_tokens=tokens, cost_usd=money).filter(
    lambda usage: usage != Usage()
)
answers = st.builds(
    Answer,
    text=words,
    model=st.none() | words,
    finish_reason=st.none() | words,
    usage=st.none() | usages,
    logprobs=st.lists(st.floats(-50, 0), max_size=3).map(tuple),
    body=st.dictionaries(words, words | st.integers(-9, 9) | st.lists(words, max_size=2), max_size=3),
)
failures = st.builds(
    Failure,
    kind=words,
    message=words,
    status=st.none() | st.integers(100, 599),
    retryable=st.booleans(),
    retry_after_s=st.none() | seconds,
)
verdicts = st.builds(Verdict, score=unit, cost_usd=money, verifier=words, detail=st.none() | words)
attempts = st.builds(
    Attempt,
    decision=decisions,
    answer=st.none() | answers,
    failure=st.none() | failures,
    verdicts=st.lists(verdicts, max_size=3).map(tuple),
    cost_usd=money,
    latency_s=seconds,
    ttft_s=st.none() | seconds,
    committed=st.booleans(),
    partial=st.booleans(),
)
zones = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
records = st.builds(
    Record,
    id=words,
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=zones),
    query_id=words,
    route=words,
    strategy=words,
    attempts=st.lists(attempts, min_size=1, max_size=3).map(tuple),
    accepted=st.sampled_from([None, 0]),
    outcome=st.sampled_from(["answered", "failed", "cancelled"]),
    decide_s=seconds,
    latency_s=seconds,
    tags=st.dictionaries(words, words, max_size=2),
    needs=st.frozensets(words, max_size=2),
    baseline_model=st.none() | words,
    baseline_cost_usd=money,
    preparation_usd=money,
    preparation_s=seconds,
    config=st.none() | words,
    artifact=st.none() | words,
    messages=st.lists(st.dictionaries(words, words, max_size=2), max_size=2).map(tuple),
    accept_reason=st.none() | words,
)


@settings(max_examples=60, deadline=None)
@given(records)
def test_a_record_with_its_prompt_comes_back_exactly(record: Record):
    assert there_and_back(record) == record


def silent(attempt: Attempt) -> Attempt:
    answer = attempt.answer and replace(attempt.answer, text="", body=EMPTY, logprobs=())
    return replace(attempt, answer=answer, failure=attempt.failure and replace(attempt.failure, message=""))


@settings(max_examples=60, deadline=None)
@given(records.map(lambda record: replace(record, messages=None)))
def test_a_record_without_its_prompt_loses_what_was_said_and_nothing_else(record: Record):
    assert there_and_back(record) == replace(record, attempts=tuple(map(silent, record.attempts)))


def test_an_unknown_estimate_comes_back_as_not_a_number(full: Record):
    decision = Decision(model="small", router="r", reason=Reason.ESTIMATED, cost_usd={"small": math.nan, "large": 0.0})
    record = replace(full, attempts=(Attempt(decision=decision, latency_s=0.1),), accepted=0)

    found = there_and_back(record).attempts[0].decision.cost_usd

    assert math.isnan(found["small"])
    assert found["large"] == 0.0


def test_an_unmeasured_time_comes_back_as_not_a_number(full: Record):
    assert math.isnan(there_and_back(replace(full, latency_s=math.nan)).latency_s)


def test_money_is_exact_at_any_size(full: Record):
    tiny = Decimal("1E-18")

    assert there_and_back(replace(full, baseline_cost_usd=tiny)).baseline_cost_usd == tiny
    assert record_row(replace(full, baseline_cost_usd=tiny))["baseline_cost_usd"] == "0.000000000000000001"


def test_half_a_surrogate_pair_does_not_cost_the_record(full: Record):
    broken = "half \ud83d"
    answer = Answer(text=broken, body={"text": broken})
    attempt = replace(full.attempts[0], answer=answer)

    found = there_and_back(replace(full, attempts=(attempt,), accepted=0, messages=({"content": broken},)))

    assert found.messages == ({"content": broken},)
    assert found.answer is not None
    assert found.answer.text == "half ?"


def test_the_row_shows_the_decision_that_was_accepted(full: Record):
    row = record_row(full)

    assert (row["answered_by"], row["reason"], row["propensity"]) == ("large", "fell_back", 0.9)
    assert row["cost_usd"] == "0.00221"  # the rejected answer and its verification included


def test_a_row_to_write_lacks_what_is_unknown(make):
    record = make(0, baseline_model=None, accepted=None)
    failed = attempt_rows(record)[1]

    assert not {"baseline_model", "answered_by", "reason", "messages"} & set(record_row(record))
    assert not {"answer_model", "input_tokens", "score", "ttft_s", "failure_message"} & set(failed)
    assert None not in [*record_row(record).values(), *failed.values()]


def test_a_preparation_of_unknown_cost_is_written_as_such_since_its_column_has_a_default(make):
    assert record_row(make(0, preparation_usd=None))["preparation_usd"] is None


def test_rows_of_the_same_columns_share_a_statement(make):
    alike = [{"records": [record_row(make(n))], "attempts": attempt_rows(make(n))} for n in range(3)]

    written = [(statement.split()[2], len(values)) for statement, values in insertions(alike)]

    assert written == [("records", 3), ("attempts", 3), ("attempts", 3), ("attempts", 3)]


def test_moments_are_written_so_that_text_sorts_by_time(make):
    early = make(0, at=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5))))
    late = make(1, at=datetime(2026, 1, 1, 7, 0, 0, 1, tzinfo=UTC))

    assert record_row(early)["at"] < record_row(late)["at"]


def test_what_is_not_json_is_refused_by_name(full: Record):
    with pytest.raises(TypeError, match="'object' objects cannot be written"):
        record_row(replace(full, messages=({"content": object()},)))
