"""A record tells what was called, why, and what became of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from switchpoint.core.decision import Reason
from switchpoint.core.record import Record
from switchpoint.records.story import WHY, bill, said, story


def test_every_call_is_told_in_order_with_its_result(full: Record):
    lines = [(line.attempt, line.model, line.result) for line in story(full)]

    assert lines == [(1, "small", "rejected, score 0.31"), (2, "huge", "RateLimited 429"), (3, "large", "accepted")]


def test_the_lines_and_their_verdicts_add_up_to_the_bill(full: Record):
    lines = story(full)

    costs = [line.cost_usd for line in lines] + [verdict.cost_usd for line in lines for verdict in line.verdicts]
    assert sum(cost for cost in costs if cost is not None) == full.cost_usd == Decimal("0.00221")


def test_the_bill_is_split_into_parts_that_add_up(full: Record):
    found = bill(replace(full, preparation_usd=Decimal("0.0005")))

    assert found == (Decimal("0.00271"), Decimal("0.0021"), Decimal("0.0001"), Decimal("0.00001"), Decimal("0.0005"))
    assert sum(found[1:]) == found.cost_usd


def test_an_unknown_part_leaves_the_others_known(layered: Record):
    assert bill(layered) == (None, Decimal("0.0021"), None, Decimal("0.00032"), Decimal(0))


def test_layers_abandoned_beginnings_and_missing_scores_are_told(layered: Record):
    assert [(line.why, line.result) for line in story(layered)] == [
        ("semantic: like the examples of a route (like 'weather')", "abandoned after its beginning, score 0.12"),
        ("cascade: cheap first", "rejected, no score"),
        ("cascade: the call before failed (after huge)", "accepted (deadline)"),
        (None, "not called"),
    ]


def test_every_verdict_of_a_call_is_told(layered: Record):
    told = [[f"{verdict.verifier}: {said(verdict)}" for verdict in line.verdicts] for line in story(layered)]

    assert told == [
        ["confidence: score 0.12 (8 tokens)"],
        ["checks: score 0.90", "judge: no score (timed out)"],
        [],
        [],
    ]


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
