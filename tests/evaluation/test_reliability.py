import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.evaluation.metrics import expected_calibration_error
from switchpoint.evaluation.reliability import reliability, wilson

chances = st.integers(0, 20).map(lambda n: n / 20)


def test_a_bin_tells_what_was_predicted_and_what_came_of_it():
    (low, high) = reliability(np.array([[0.1], [0.2], [0.9]]), np.array([[0.0], [1.0], [1.0]]), ["m"], bins=2)

    assert (low.n_queries, low.predicted, low.observed.value) == (2, pytest.approx(0.15), 0.5)
    assert (high.low, high.high, high.observed.value) == (0.5, 1.0, 1.0)


def test_bins_without_an_observation_are_left_out():
    found = reliability(np.array([[0.1, 0.5], [np.nan, 0.5]]), np.array([[1.0, np.nan], [1.0, np.nan]]), ["a", "b"])

    assert [(each.model, each.n_queries) for each in found] == [("a", 1)]


def test_certainty_lies_in_the_last_bin():
    (only,) = reliability(np.array([[1.0]]), np.array([[1.0]]), ["m"], bins=10)

    assert (only.low, only.high) == (0.9, 1.0)


def test_a_bin_is_honest_where_the_interval_holds_the_prediction():
    predicted = np.full((400, 1), 0.6)
    right = np.r_[np.ones(240), np.zeros(160)][:, None]

    assert reliability(predicted, right, ["m"])[0].honest
    assert not reliability(predicted, right * 0.0, ["m"])[0].honest


def test_the_score_interval_is_the_published_one():
    # Newcombe (1998), table I: 81 of 263 and 1 of 29.
    assert wilson(81 / 263, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert wilson(1 / 29, 29) == pytest.approx((0.0345, 0.0061, 0.1718), abs=5e-5)


@given(chances, st.integers(1, 500))
def test_the_interval_of_a_rate_holds_it_inside_the_range(rate, n):
    found = wilson(rate, n)

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > found.low


@given(st.lists(st.tuples(chances, chances, chances, chances), min_size=1, max_size=30))
def test_the_bins_add_up_to_the_calibration_error(rows):
    table = np.array(rows)
    predicted, observed = table[:, :2], table[:, 2:]

    bins = reliability(predicted, observed, ["a", "b"])

    error = sum(b.n_queries * abs(b.predicted - b.observed.value) for b in bins) / sum(b.n_queries for b in bins)
    assert error == pytest.approx(expected_calibration_error(predicted, observed))
