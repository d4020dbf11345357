"""Numbers are shown so that a person reads them right."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.dashboard.formats import FILTERS, feedback, moment, percent, seconds, unit, usd


@pytest.mark.parametrize("name", sorted(set(FILTERS) - {"moment", "feedback"}))
def test_unknown_is_never_shown_as_zero(name: str):
    show: Callable[[None], str] = FILTERS[name]

    assert show(None) == "–"


@pytest.mark.parametrize("show", [usd, seconds, percent, unit])
def test_not_a_number_is_unknown(show: Callable[[float], str]):
    assert show(math.nan) == "–"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (Decimal("1234.5"), "$1,234.50"),
        (Decimal("0.5"), "$0.500"),
        (Decimal("0.0021"), "$0.00210"),
        (Decimal("1.234E-7"), "$0.000000123"),
        (Decimal("-0.02"), "−$0.0200"),
    ],
)
def test_money_has_three_digits_below_a_dollar(amount: Decimal, shown: str):
    assert usd(amount) == shown


@given(st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-12))
def test_money_is_shown_within_half_a_percent_or_half_a_cent(amount: float):
    shown = float(usd(amount).replace("$", "").replace(",", "").replace("−", "-"))

    assert shown == pytest.approx(amount, rel=0.005, abs=0.005 if abs(amount) >= 1 else 0)


@pytest.mark.parametrize(
    ("value", "shown"), [(0.00042, "0.42 ms"), (0.0123, "12 ms"), (0.25, "250 ms"), (2.34, "2.3 s")]
)
def test_times_have_the_unit_that_suits_them(value: float, shown: str):
    assert seconds(value) == shown


def test_shares_are_shown_in_percent():
    assert (percent(0.256), percent(-0.1)) == ("26%", "−10%")


def test_moments_are_shown_in_utc():
    assert moment(datetime(2026, 3, 1, 3, tzinfo=timezone(timedelta(hours=5)))) == "2026-02-28 22:00:00"


def test_feedback_is_shown_by_metric():
    assert feedback({"helpful": 0.75, "correct": 1.0}) == "helpful 0.75, correct 1.00"
    assert feedback({}) == "–"
