import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import DataError
from switchpoint.evaluation.curve import Ranking, cost_quality_curve, two_model_curve

grades = st.sampled_from([0.0, 0.25, 0.5, 1.0])
rows = st.lists(st.tuples(grades, grades, st.integers(0, 5)), min_size=1, max_size=30)
points = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), min_size=1, max_size=30)


def columns(table):
    return (np.array(column, dtype=float) for column in zip(*table, strict=True))


def test_a_curve_of_three_queries_is_the_one_computed_by_hand():
    weak, strong, score = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.array([3.0, 1.0, 2.0])

    curve = two_model_curve(score, weak, strong)

    np.testing.assert_allclose(curve.share, [0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(curve.quality, [1 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_equal_scores_are_one_straight_line():
    weak, strong = np.array([0.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.5])

    curve = two_model_curve(np.zeros(4), weak, strong)

    np.testing.assert_allclose(curve.share, [0, 1])
    np.testing.assert_allclose(curve.quality, [0.5, 0.625])


def test_a_curve_has_a_point_for_every_cut():
    random = np.random.default_rng(0)

    curve = two_model_curve(random.permutation(50.0 * np.arange(50)), random.random(50), random.random(50))

    np.testing.assert_allclose(curve.share, np.arange(51) / 50)


@given(rows)
def test_the_ends_are_always_weak_and_always_strong(table):
    weak, strong, score = columns(table)

    curve = two_model_curve(score, weak, strong)

    assert (curve.share[0], curve.share[-1]) == (0.0, 1.0)
    assert curve.quality[0] == pytest.approx(weak.mean())
    assert curve.quality[-1] == pytest.approx(strong.mean())


@given(st.lists(st.tuples(grades, grades), min_size=1, max_size=4))
def test_a_tie_is_worth_the_mean_of_all_orders_that_break_it(table):
    weak, strong = columns(table)
    cuts = np.arange(len(weak) + 1) / len(weak)

    orders = list(itertools.permutations(range(len(weak))))
    broken = [two_model_curve(np.array(order, dtype=float), weak, strong).quality for order in orders]
    tied = two_model_curve(np.zeros(len(weak)), weak, strong)

    np.testing.assert_allclose(np.interp(cuts, tied.share, tied.quality), np.mean(broken, axis=0))


@given(rows, st.data())
def test_a_query_that_counts_twice_is_two_queries(table, data):
    counts = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(table), max_size=len(table))))
    weak, strong, score = columns(table)

    weighted = Ranking(score).curve(weak, strong, counts[None, :].astype(float))
    repeated = two_model_curve(*(np.repeat(column, counts) for column in (score, weak, strong)))

    np.testing.assert_allclose(weighted.share[0], repeated.share)
    np.testing.assert_allclose(weighted.quality[0], repeated.quality)


def test_a_query_without_a_score_is_an_error():
    with pytest.raises(DataError, match="1 of 2 queries"):
        Ranking(np.array([0.1, np.nan]))


def test_a_hull_of_four_points_is_the_one_computed_by_hand():
    hull = cost_quality_curve(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0.2, 0.3, 0.6, 0.5]))

    np.testing.assert_allclose(hull.cost_usd, [1, 3])
    np.testing.assert_allclose(hull.quality, [0.2, 0.6])
    np.testing.assert_allclose(hull.at(np.array([0.5, 2.0, 9.0])), [np.nan, 0.4, 0.6])
    assert hull.area(1.0, 5.0) == pytest.approx(0.8 + 1.2)
    assert hull.cost_of(0.4) == pytest.approx(2.0)
    assert np.isnan(hull.cost_of(0.7))


@given(points)
def test_no_point_lies_above_the_hull_and_it_never_falls(table):
    cost, quality = columns(table)

    hull = cost_quality_curve(cost, quality)

    assert (hull.at(cost) >= quality - 1e-9).all()
    assert (np.diff(hull.quality) > 0).all()
    slopes = np.diff(hull.quality) / np.diff(hull.cost_usd)
    assert (np.diff(slopes) < 0).all()


@given(points, st.randoms(use_true_random=False))
def test_a_hull_does_not_depend_on_the_order_of_its_points(table, random):
    shuffled = random.sample(table, len(table))

    a, b = cost_quality_curve(*columns(table)), cost_quality_curve(*columns(shuffled))

    np.testing.assert_array_equal(a.cost_usd, b.cost_usd)
    np.testing.assert_array_equal(a.quality, b.quality)


def test_an_unknown_cost_has_no_place_on_a_hull():
    with pytest.raises(DataError, match="known cost"):
        cost_quality_curve(np.array([1.0, np.nan]), np.array([0.5, 0.6]))


def test_the_area_begins_at_the_hulls_own_start_however_its_mean_was_added_up():
    hull = cost_quality_curve(np.array([0.1 + 0.2, 1.0]), np.array([0.5, 0.5]))

    assert hull.area(0.3, 1.0) == pytest.approx(0.35)
    assert np.isnan(hull.area(0.2, 1.0))
