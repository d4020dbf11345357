"""What public leaderboards rank routers by."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.evaluation.bootstrap import ratio_of
from switchpoint.evaluation.curve import cost_quality_curve
from switchpoint.evaluation.metrics import (
    best_columns,
    cost_save,
    optimality,
    pareto_dist,
    perf_gain,
    routerarena_score,
)
from tests.evaluation.toys import make_outcomes


@pytest.mark.parametrize(
    ("quality", "usd_per_1k", "score"),
    [
        (0.690, 0.047, 0.697),  # RouterArena's public tenth: always gemini-2.0-flash
        (0.523, 0.176, 0.533),  # always claude-3-haiku
        (0.7814, 0.30, 0.7612),  # its leaderboard in July 2026: Cross-Router
        (0.7640, 0.18, 0.7527),  # Sqwish
    ],
)
def test_the_score_is_that_of_the_leaderboard(quality, usd_per_1k, score):
    assert routerarena_score(quality, usd_per_1k) == pytest.approx(score, abs=6e-4)


def test_ten_times_the_price_costs_what_the_formula_says():
    scores = routerarena_score(0.75, np.array([0.1, 1.0, 10.0]))

    np.testing.assert_allclose(scores[0] - scores[1:], [0.030, 0.096], atol=5e-4)


def test_costs_beyond_the_range_count_as_its_ends():
    np.testing.assert_allclose(routerarena_score(0.8, np.array([0.0, 500.0])), routerarena_score(0.8, [0.0044, 200.0]))
    assert routerarena_score(0.8, 200.0) == 0
    assert routerarena_score(0.0, 200.0) == 0
    assert np.isnan(routerarena_score(0.8, np.nan))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 300), st.floats(0.001, 300))
def test_better_and_cheaper_never_scores_less(a, b, cheap, dear):
    low, high = sorted((a, b))
    cheap, dear = sorted((cheap, dear))

    assert routerarena_score(high, cheap) >= routerarena_score(low, dear) - 1e-12


HULL = cost_quality_curve(np.array([1.0, 3.0, 9.0]), np.array([0.5, 0.8, 0.9]))


def test_the_gain_and_the_saving_are_read_from_the_hull():
    assert perf_gain(HULL, 0.8) == pytest.approx(0.125)
    assert cost_save(HULL, 0.8, 4.0) == pytest.approx(0.25)
    assert cost_save(HULL, 0.65, 4.0) == pytest.approx(0.5)
    assert cost_save(HULL, 0.8, 3.0 * (1 + 1e-15)) == 0.0


def test_gain_and_saving_are_unknown_where_there_is_nothing_to_compare_with():
    assert np.isnan(perf_gain(HULL, 0.0))
    assert np.isnan(cost_save(HULL, 0.95, 4.0))
    assert np.isnan(cost_save(HULL, np.nan, np.nan))


def test_the_distance_is_to_the_nearest_point_that_nothing_dominates():
    # In parts of the ranges, 10 dollars and half a point, (5, .5) lies (.4, 0) from the cheapest, which dominates it.
    distance = pareto_dist(np.array([1.0, 5.0]), np.array([0.5, 0.5]), np.array([11.0]), np.array([1.0]))

    assert distance == pytest.approx((0 + 0.4) / 2)


def test_one_point_has_no_distance_to_itself():
    assert pareto_dist(np.array([2.0]), np.array([0.5]), np.empty(0), np.empty(0)) == 0.0


points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8)


@settings(max_examples=50)
@given(points, points)
def test_a_router_is_on_the_joint_front_exactly_where_nothing_dominates_it(mine, others):
    (cost, quality), (other_cost, other_quality) = (np.array(part, dtype=float).T for part in (mine, others))
    every = [*mine, *others]
    dominated = any((c <= a and q >= b) and (c, q) != (a, b) for a, b in mine for c, q in every)

    distance = pareto_dist(cost, quality, other_cost, other_quality)

    assert (distance > 0) == dominated
    assert distance <= np.sqrt(2)


RIGHT = [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def scores(outcomes, columns):
    once = np.ones((1, len(outcomes)))
    parts = optimality(outcomes, np.array(columns))
    return {name: float(ratio_of(*part)(once)[0]) for name, part in parts.items()}


def test_optimality_is_counted_where_some_model_is_right():
    found = scores(make_outcomes(RIGHT, cost_usd=[1.0, 5.0]), [1, 1, 1, 0, 0])

    # Of four queries, two went to the cheapest right model; three were right, for 11 dollars where 7 would have done.
    assert found == pytest.approx({"opt_sel": 2 / 4, "opt_acc": 3 / 4, "opt_cost": 7 / 11})


def test_the_oracle_is_optimal():
    outcomes = make_outcomes(RIGHT, cost_usd=[1.0, 5.0])

    assert scores(outcomes, best_columns(outcomes)) == {"opt_sel": 1.0, "opt_acc": 1.0, "opt_cost": 1.0}


def test_wrong_answers_lower_the_accuracy_score():
    assert scores(make_outcomes(RIGHT, cost_usd=[1.0, 5.0]), [0] * 5)["opt_acc"] == pytest.approx(3 / 4)


def test_without_costs_only_the_accuracy_score_is_known():
    found = scores(make_outcomes(RIGHT), [0] * 5)

    assert found["opt_acc"] == pytest.approx(3 / 4)
    assert np.isnan([found["opt_sel"], found["opt_cost"]]).all()


def test_what_was_not_observed_counts_in_no_optimality_score():
    outcomes = make_outcomes([[np.nan, 1.0], [1.0, 1.0]], cost_usd=[1.0, 5.0])

    assert scores(outcomes, [0, 0]) == {"opt_sel": 1.0, "opt_acc": 1.0, "opt_cost": 1.0}


def test_equally_cheap_right_models_are_both_the_right_choice():
    outcomes = make_outcomes([[1.0, 1.0]], cost_usd=[2.0, 2.0])

    assert scores(outcomes, [0]) == scores(outcomes, [1])
