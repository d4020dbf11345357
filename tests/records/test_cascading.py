"""Escalations, waste and layers add up over the records, and say how sure they are."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Reason
from switchpoint.core.record import Feedback, Record
from switchpoint.records.cascading import RouteTotals, wilson
from switchpoint.records.database import insertion
from switchpoint.records.log import RecordLog
from switchpoint.records.migrations import m001_records, migrate
from switchpoint.records.reader import RecordReader
from switchpoint.records.rows import attempt_rows, record_row
from switchpoint.records.summary import Summary
from tests.records.test_migrations import as_of

Make = Callable[..., Record]


def summary_of(place: Path | str, *records: Record, feedback: tuple[Feedback, ...] = ()) -> Summary:
    with RecordLog(place) as log:
        for record in records:
            log(record)
        for item in feedback:
            log.add_feedback(item)
    return RecordReader(place).summary()


def counted(totals: RouteTotals) -> tuple[int, int]:
    return totals.queries, totals.escalated


def plain(attempt: Attempt) -> Attempt:
    """The call of a router, which looks at no answer."""
    return replace(attempt, decision=replace(attempt.decision, reason=Reason.ESTIMATED, layer=None), verdicts=())


@pytest.fixture
def mixed(make: Make, layered: Record) -> list[Record]:
    """One record of each kind that counts differently."""
    first, failed, last = make(0).attempts
    routed = {"attempts": (plain(last),), "accepted": 0, "route": "plain"}
    return [
        make(0),
        layered,
        make(1, **routed),
        make(2, attempts=(first,), accepted=0),
        make(3, attempts=(plain(first), plain(last)), accepted=0, outcome="cancelled"),
        make(4, attempts=(replace(plain(last), cost_usd=None),), accepted=None, outcome="failed"),
        make(5, attempts=(plain(first), plain(first)), accepted=0),
        make(6, attempts=(failed,), accepted=None, outcome="failed"),
        make(7, attempts=(), accepted=None, outcome="refused"),
    ]


def test_the_totals_say_what_the_records_say_one_by_one(place: Path | str, mixed: list[Record]):
    total = summary_of(place, *mixed).escalation

    known = [record.wasted_usd for record in mixed if record.wasted_usd is not None]
    assert counted(total) == (9, sum(record.escalated for record in mixed)) == (9, 2)
    assert total.wasted_usd_per_1k == pytest.approx(float(sum(known)) / len(known) * 1000)
    assert len(known) == 7


def test_every_route_has_its_own_totals_the_most_used_first(place: Path | str, make: Make):
    attempts = (plain(make(0).attempts[2]),)
    elsewhere = make(9, attempts=attempts, accepted=0, route="plain")

    routes = summary_of(place, elsewhere, make(0), make(1)).routes

    assert [(each.route, *counted(each)) for each in routes] == [("auto", 2, 2), ("plain", 1, 0)]
    assert [each.wasted_usd_per_1k for each in routes] == [pytest.approx(0.11), 0.0]


def test_without_records_nothing_is_known(place: Path | str):
    summary = summary_of(place)

    assert (summary.routes, summary.layers, summary.escalation.wasted_usd_per_1k) == ((), (), None)
    assert math.isnan(summary.escalation.share.value)


def test_a_layer_has_its_share_of_the_queries_that_layers_settled(place: Path | str, make: Make, layered: Record):
    in_first = replace(layered, id="rec-first", attempts=layered.attempts[:1], accepted=None, outcome="cancelled")

    layers = summary_of(place, make(0), layered, replace(layered, id="rec-again"), in_first).layers

    assert [(each.layer, each.queries, each.share) for each in layers] == [
        ("cascade", 2, pytest.approx(2 / 3)),
        ("semantic", 1, pytest.approx(1 / 3)),
    ]


def test_the_feedback_of_a_layer_is_that_of_the_queries_it_settled(place: Path | str, make: Make, layered: Record):
    def say(record: Record, value: float, source: str = "user") -> Feedback:
        return Feedback(record_id=record.id, at=datetime.now(UTC), metric="quality", value=value, source=source)

    again = replace(layered, id="rec-again")
    given = (say(make(0), 0.0), say(layered, 1.0), say(layered, 0.4, "judge"), say(again, 0.1), say(again, 0.7))
    (cascade,) = summary_of(place, make(0), layered, again, feedback=given).layers

    assert cascade.feedback == {"quality": pytest.approx((1.0 + 0.4 + 0.7) / 3)}
    assert cascade.rated == 2


def test_a_database_from_before_verdicts_knows_its_waste(path: Path, make: Make):
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, [m001_records])
        for table, rows in {"records": [record_row(make(0))], "attempts": attempt_rows(make(0))}.items():
            for row in (as_of(connection, table, row) for row in rows):
                connection.execute(insertion(table, row), tuple(row.values()))

    assert summary_of(path).escalation.wasted_usd_per_1k == pytest.approx(0.11)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)],
)
def test_the_interval_is_the_published_one(successes: int, n: int, low: float, high: float):
    """The last two: Newcombe (1998), Two-sided confidence intervals for the single proportion, table I, method 3."""
    assert wilson(successes, n) == (successes / n, pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_its_share_and_mirrors(counts: tuple[int, int]):
    successes, n = counts
    found, mirrored = wilson(successes, n), wilson(n - successes, n)

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_money_of_a_waste_stays_exact_before_the_mean(place: Path | str, make: Make):
    cheap = replace(make(0).attempts[0], cost_usd=Decimal("0.1"), verdicts=())

    total = summary_of(place, *(make(n, attempts=(cheap,), accepted=None) for n in range(3))).escalation

    assert total.wasted_usd_per_1k == 100.0
