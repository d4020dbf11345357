"""The totals add up, and say what they do not know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.record import Feedback, Record
from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader
from switchpoint.records.summary import Summary, Totals, known_total

Make = Callable[..., Record]


def summary_of(place: Path | str, *records: Record, feedback: tuple[Feedback, ...] = ()) -> Summary:
    with RecordLog(place) as log:
        for record in records:
            log(record)
        for item in feedback:
            log.add_feedback(item)
    return RecordReader(place).summary()


def of(summary: Summary, model: str | None) -> Totals:
    return next(totals for totals in summary.models if totals.model == model)


def test_nothing_adds_up_to_nothing_known(place: Path | str):
    summary = summary_of(place)

    assert summary.models == ()
    assert (summary.total.queries, summary.total.cost_usd, summary.total.latency_s) == (0, None, None)


def test_a_query_counts_for_the_model_that_answered_and_a_failure_for_the_one_that_failed(
    place: Path | str, make: Make
):
    summary = summary_of(place, make(0), make(1), make(2, accepted=0), make(3, accepted=None, outcome="failed"))

    found = {totals.model: (totals.queries, totals.share, totals.failures) for totals in summary.models}
    assert found == {"large": (2, 0.5, 0), "small": (1, 0.25, 0), None: (1, 0.25, 0), "huge": (0, 0.0, 4)}
    assert (summary.total.queries, summary.total.failures) == (4, 4)


def test_money_is_summed_exactly_and_rejected_answers_are_charged(place: Path | str, make: Make):
    total = summary_of(place, *(make(n) for n in range(10))).total

    assert total.cost_usd == Decimal("0.0221")
    assert total.baseline_cost_usd == Decimal("0.1")
    assert total.saved_usd == Decimal("0.0779")


def test_a_bill_that_is_unknown_is_counted_and_not_taken_for_free(place: Path | str, make: Make):
    unpriced = replace(make(0).attempts[2], cost_usd=None)

    total = summary_of(place, make(0), make(1, attempts=(unpriced,), accepted=0)).total

    assert (total.cost_usd, total.unpriced) == (Decimal("0.00221"), 1)
    assert (total.saved_usd, total.baseline_cost_usd) == (Decimal("0.00779"), Decimal("0.01"))  # of the other query
    assert total.saved_share == pytest.approx(0.779)


def test_without_a_baseline_nothing_is_said_to_be_saved(place: Path | str, make: Make):
    total = summary_of(place, make(0, baseline_model=None, baseline_cost_usd=None)).total

    assert (total.saved_usd, total.saved_share) == (None, None)


def test_a_free_baseline_leaves_the_share_of_the_savings_unknown(place: Path | str, make: Make):
    total = summary_of(place, make(0, baseline_cost_usd=Decimal(0))).total

    assert (total.saved_usd, total.saved_share) == (Decimal("-0.00221"), None)


def test_latency_is_described_by_mean_and_percentiles(place: Path | str, make: Make):
    total = summary_of(place, *(make(n, latency_s=float(n)) for n in range(101))).total

    assert (total.latency_s, total.latency_p50_s, total.latency_p95_s) == (50.0, 50.0, 95.0)


def test_feedback_is_averaged_by_metric_and_only_the_newest_counts(place: Path | str, make: Make):
    def say(record_id: str, metric: str, value: float) -> Feedback:
        return Feedback(record_id=record_id, at=datetime.now(UTC), metric=metric, value=value, source="user")

    summary = summary_of(
        place,
        make(0),
        make(1, accepted=0),
        feedback=(say("rec-0", "helpful", 0.0), say("rec-0", "helpful", 1.0), say("rec-1", "helpful", 0.5)),
    )

    assert summary.total.feedback == {"helpful": 0.75}
    assert of(summary, "large").feedback == {"helpful": 1.0}
    assert of(summary, "small").feedback == {"helpful": 0.5}


def test_the_totals_can_begin_at_a_time(place: Path | str, make: Make):
    summary_of(place, *(make(n) for n in range(4)))

    total = RecordReader(place).summary(since=make(2).at).total

    assert (total.queries, total.failures) == (2, 2)


@given(st.lists(st.none() | st.decimals(0, 100, places=9)))
def test_a_known_total_ignores_what_is_unknown(amounts: list[Decimal | None]):
    known = [amount for amount in amounts if amount is not None]

    assert known_total(amounts) == (pytest.approx(sum(known)) if known else None)
