"""A record tells what was called, why, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from switchpoint.core.decision import Reason
from switchpoint.core.record import Record
from switchpoint.records.story import WHY, story


def test_every_call_is_told_in_order_with_its_result(full: Record):
    lines = [(line.attempt, line.model, line.result) for line in story(full)]

    assert lines == [(1, "small", "rejected, score 0.31"), (2, "huge", "RateLimited 429"), (3, "large", "accepted")]


def test_a_call_costs_what_verifying_its_answer_costs_too(full: Record):
    assert story(full)[0].cost_usd == Decimal("0.00011")


def test_a_model_that_was_weighed_and_not_called_is_told_last(full: Record):
    lines = story(replace(full, attempts=full.attempts[:1], accepted=0))

    assert [(line.model, line.attempt, line.quality, line.expected_cost_usd) for line in lines] == [
        ("small", 1, 0.6, 0.0001),
        ("large", None, 0.9, 0.002),
        ("huge", None, 0.95, None),
    ]


def test_the_detail_of_a_decision_follows_its_reason(full: Record):
    assert story(full)[2].why == "the call before failed (after huge)"


def test_an_answer_that_nobody_took_is_told_so(full: Record):
    lines = story(replace(full, attempts=full.attempts[2:], accepted=None, outcome="cancelled"))

    assert lines[0].result == "not used"


def test_every_reason_has_its_words():
    assert set(WHY) == set(Reason)
