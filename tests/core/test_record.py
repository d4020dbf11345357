"""A record says what was paid for nothing, whether one model was enough, and which layer settled the query."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from switchpoint.core.attempt import Answer, Attempt, Failure, Verdict
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.record import Record

CENT = Decimal("0.01")


def call(model: str = "small", reason: Reason = Reason.ESTIMATED, layer: str | None = None, **changes) -> Attempt:
    decision = Decision(model=model, router="r", reason=reason, layer=layer)
    attempt = Attempt(decision=decision, answer=Answer(text="a", body={}), cost_usd=CENT, latency_s=0.1)
    return replace(attempt, **changes)


def record(*attempts: Attempt, accepted: int | None = 0) -> Record:
    return Record(
        id="r",
        at=datetime.now(UTC),
        query_id="q",
        route="auto",
        strategy="s",
        attempts=attempts,
        accepted=accepted,
        outcome="answered",
        decide_s=0.0,
        latency_s=0.1,
        preparation_usd=CENT,
    )


FAILED = {"answer": None, "failure": Failure(kind="UpstreamTimeout", message="late")}


def test_an_answer_that_was_given_and_not_verified_wastes_nothing():
    assert record(call()).wasted_usd == 0


def test_discarded_calls_and_every_verdict_are_wasted():
    verdicts = (Verdict(score=0.9, cost_usd=CENT), Verdict(score=0.8, cost_usd=CENT))

    assert record(call(), call(verdicts=verdicts), call(**FAILED), accepted=1).wasted_usd == 4 * CENT


def test_a_query_that_nobody_answered_wasted_every_call():
    assert record(call(), call(), accepted=None).wasted_usd == 2 * CENT


@pytest.mark.parametrize("lost", [call(cost_usd=None), call(verdicts=(Verdict(score=0.1, cost_usd=None),))])
def test_a_waste_with_an_unknown_part_is_unknown(lost: Attempt):
    assert record(call(), lost).wasted_usd is None


def test_an_unknown_price_of_the_answer_given_leaves_the_waste_known():
    assert record(call(cost_usd=None), call()).wasted_usd == CENT


def test_the_parts_of_a_bill_add_up_to_it():
    found = record(call(), call(verdicts=(Verdict(score=0.9, cost_usd=CENT),)), accepted=1)

    assert found.cost_usd == found.preparation_usd + found.given_usd + found.wasted_usd == 4 * CENT


@pytest.mark.parametrize(
    ("attempts", "escalated"),
    [
        ([call()], False),
        ([call(), call(reason=Reason.ESCALATED, **FAILED)], True),
        ([call(partial=True), call("large", Reason.SWITCHED)], True),
        ([call(), call("large", Reason.OPINION)], False),
        ([call(), call(reason=Reason.OPINION)], False),
        ([call(**FAILED), call("large", Reason.FELL_BACK)], False),
        ([], False),
    ],
)
def test_escalated_means_that_one_answer_was_not_enough(attempts: list[Attempt], escalated: bool):
    assert record(*attempts, accepted=None).escalated is escalated


@pytest.mark.parametrize(("accepted", "layer"), [(0, "semantic"), (1, "cascade"), (None, "cascade")])
def test_the_layer_is_that_of_the_answer_given_else_of_the_last_call(accepted: int | None, layer: str):
    assert record(call(layer="semantic"), call(layer="cascade"), accepted=accepted).layer == layer


def test_a_query_without_calls_was_settled_by_no_layer():
    assert record(accepted=None).layer is None
