import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchpoint.evaluation.curve import cost_quality_curve, two_model_curve
from switchpoint.evaluation.metrics import (
    aiq,
    apgr,
    best_columns,
    brier_score_loss,
    cpt,
    expected_calibration_error,
    pgr,
    single_models_hull,
)
from tests.evaluation.toys import make_outcomes

grades = st.sampled_from([0.0, 0.5, 1.0])
rows = st.lists(st.tuples(grades, grades, st.integers(0, 6)), min_size=2, max_size=25)


def columns(table):
    weak, strong, score = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    assume(strong.mean() > weak.mean())
    return weak, strong, score


@pytest.fixture
def three_points():
    """Shares 0, 1/2, 1 and qualities .5, .9, .8: PGR 0, 4/3, 1."""
    return two_model_curve(np.array([2.0, 1.0]), np.array([0.2, 0.8]), np.array([1.0, 0.6]))


def test_the_gap_recovered_is_not_clipped(three_points):
    np.testing.assert_allclose(pgr(three_points), [0, 4 / 3, 1])


def test_apgr_is_the_area_under_the_gap_recovered(three_points):
    assert apgr(three_points) == pytest.approx((0 + 4 / 3) / 2 / 2 + (4 / 3 + 1) / 2 / 2)


@pytest.mark.parametrize(("recovered", "share"), [(0.0, 0.0), (0.5, 0.1875), (0.8, 0.3), (1.0, 0.375), (1.5, np.nan)])
def test_cpt_is_the_first_crossing(three_points, recovered, share):
    np.testing.assert_allclose(cpt(three_points, recovered), share)


def test_cpt_is_defined_where_the_curve_dips():
    weak, strong = np.array([0.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 1.0])

    curve = two_model_curve(np.array([4.0, 3.0, 2.0, 1.0]), weak, strong)

    np.testing.assert_allclose(pgr(curve), [0, 0.5, 0, 0.5, 1])
    assert cpt(curve, 0.5) == pytest.approx(0.25)


def test_without_a_gap_there_is_no_part_of_it_to_recover():
    curve = two_model_curve(np.array([2.0, 1.0]), np.array([1.0, 1.0]), np.array([0.0, 1.0]))

    assert np.isnan([apgr(curve), cpt(curve, 0.5)]).all()


@given(rows)
def test_a_constant_score_recovers_half(table):
    weak, strong, _ = columns(table)

    assert apgr(two_model_curve(np.zeros(len(weak)), weak, strong)) == pytest.approx(0.5)


@given(st.lists(st.tuples(grades, grades, st.just(0)), min_size=2, max_size=5))
def test_a_random_order_recovers_half_in_expectation(table):
    weak, strong, _ = columns(table)

    orders = itertools.permutations(range(len(weak)))
    areas = [apgr(two_model_curve(np.array(order, dtype=float), weak, strong)) for order in orders]

    assert np.mean(areas) == pytest.approx(0.5)


@given(rows, st.sampled_from([np.exp, np.arctan, lambda s: 3 * s - 7, lambda s: s**3]))
def test_apgr_depends_on_the_order_of_the_score_alone(table, transform):
    weak, strong, score = columns(table)

    assert apgr(two_model_curve(transform(score), weak, strong)) == apgr(two_model_curve(score, weak, strong))


@given(rows)
def test_reversing_the_order_mirrors_apgr_around_a_half(table):
    weak, strong, score = columns(table)

    there, back = (apgr(two_model_curve(sign * score, weak, strong)) for sign in (1, -1))

    assert there + back == pytest.approx(1.0)


@given(rows)
def test_no_order_beats_the_oracle(table):
    weak, strong, score = columns(table)

    oracle = apgr(two_model_curve(strong - weak, weak, strong))

    assert oracle >= apgr(two_model_curve(score, weak, strong)) - 1e-12


@given(rows, st.floats(0.01, 1.0))
def test_a_perfect_order_needs_the_fewest_strong_calls(table, recovered):
    weak, strong, score = columns(table)

    oracle = cpt(two_model_curve(strong - weak, weak, strong), recovered)

    assert oracle <= cpt(two_model_curve(score, weak, strong), recovered) + 1e-9


def test_aiq_is_the_mean_height_between_the_cheapest_and_the_dearest_model():
    outcomes = make_outcomes([[0.0, 1.0, 1.0], [1.0, 0.5, 1.0]], cost_usd=[1.0, 3.0, 5.0])

    hull = single_models_hull(outcomes)

    np.testing.assert_allclose(hull.quality, [0.5, 1.0])
    assert aiq(hull, 1.0, 5.0) == pytest.approx(0.75)
    assert np.isnan(aiq(hull, 5.0, 5.0))


def test_a_router_that_cannot_go_cheap_has_no_area_there():
    assert np.isnan(aiq(cost_quality_curve(np.array([2.0]), np.array([0.9])), 1.0, 5.0))


def test_the_oracle_takes_the_cheapest_of_the_best_and_is_charged_where_all_fail():
    quality = [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 1.0], [np.nan, 0.0, np.nan], [1.0, 1.0, 0.0]]
    cost = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 9.0], [1.0, 2.0, 1.0], [np.nan, 2.0, 1.0]]

    assert best_columns(make_outcomes(quality, cost)).tolist() == [1, 2, 2, 1, 1]


@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, np.nan]), min_size=3, max_size=3), min_size=1, max_size=10))
def test_the_oracle_is_never_worse_than_any_choice_and_takes_no_unknown_one(table):
    assume(not np.isnan(table).all(axis=1).any())
    outcomes = make_outcomes(table)

    reached = outcomes.quality[np.arange(len(table)), best_columns(outcomes)]

    assert (reached == np.nanmax(outcomes.quality, axis=1)).all()


def test_calibration_error_is_the_one_computed_by_hand():
    predicted = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, np.nan]])
    observed = np.array([[1.0, 0.0], [0.0, 1.0], [np.nan, 1.0]])

    # Of the first model two at .9 of which half are right, of the second two at .1 of which half are.
    assert expected_calibration_error(predicted, observed) == pytest.approx(0.4)
    assert brier_score_loss(predicted, observed) == pytest.approx((0.01 + 0.81 + 0.01 + 0.81) / 4)


def test_one_models_optimism_does_not_hide_another_ones_pessimism():
    predicted, observed = np.full((4, 2), 0.5), np.array([[1.0, 0.0]] * 4)

    assert expected_calibration_error(predicted, observed) == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(0, 1), grades), min_size=1, max_size=30), st.integers(1, 20))
def test_calibration_error_is_at_most_one_and_zero_for_the_truth(table, bins):
    predicted, observed = (np.array(column)[:, None] for column in zip(*table, strict=True))

    assert 0 <= expected_calibration_error(predicted, observed, bins) <= 1
    assert expected_calibration_error(observed, observed, bins) == 0


def test_nothing_known_is_nothing_said():
    nothing = np.full((2, 2), np.nan)

    assert np.isnan([expected_calibration_error(nothing, nothing), brier_score_loss(nothing, nothing)]).all()
