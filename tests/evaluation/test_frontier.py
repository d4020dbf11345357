import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from switchpoint.core.estimate import Estimates
from switchpoint.evaluation.curve import cost_quality_curve
from switchpoint.evaluation.family import at
from switchpoint.evaluation.frontier import frontier, upper_hulls
from switchpoint.routers.policies import MaxUtility


def make_estimates(quality, cost_usd, eligible=None, novelty=None):
    quality = np.asarray(quality, dtype=float)
    return Estimates(
        models=tuple(f"m{i}" for i in range(quality.shape[1])),
        quality=quality,
        cost_usd=np.broadcast_to(np.asarray(cost_usd, dtype=float), quality.shape),
        eligible=np.ones(quality.shape, dtype=bool) if eligible is None else np.asarray(eligible),
        draw=np.zeros(len(quality)),
        novelty=None if novelty is None else np.asarray(novelty, dtype=float),
    )


def test_choices_change_where_the_dollars_of_a_move_are_worth_the_quality_it_adds():
    points = frontier(make_estimates([[0.0, 0.4], [0.5, 0.7], [0.5, 0.9], [0.9, 0.1]], [1.0, 5.0]))

    # Four dollars more buy .4, .2, .4 and less than nothing: the edges are 10 and 20 USD per point.
    assert len(points) == 3
    np.testing.assert_allclose(points.willingness_usd, [5.0, np.sqrt(200), np.inf])
    np.testing.assert_array_equal(points.columns(1), [1, 0, 1, 0])


def test_predicted_and_observed_means_are_known_at_every_point():
    points = frontier(make_estimates([[0.0, 0.4], [0.5, 0.7]], [1.0, 5.0]))

    np.testing.assert_allclose(points.quality, [0.25, 0.45, 0.55])
    np.testing.assert_allclose(points.cost_usd, [1.0, 3.0, 5.0])
    np.testing.assert_allclose(points.mean(np.array([[0.0, 1.0], [1.0, 0.0]])), [0.5, 1.0, 0.5])


def test_what_was_not_observed_counts_nowhere():
    points = frontier(make_estimates([[0.0, 0.4], [0.5, 0.7]], [1.0, 5.0]))

    np.testing.assert_allclose(points.mean(np.array([[np.nan, 1.0], [0.5, np.nan]])), [0.5, 0.75, 1.0])


def test_weights_say_how_often_a_query_counts():
    points = frontier(make_estimates([[0.0, 0.4], [0.5, 0.7]], [1.0, 5.0]))

    found = points.mean(np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([[1.0, 1.0], [3.0, 1.0]]))

    np.testing.assert_allclose(found, [[0.25, 0.75, 0.5], [0.125, 0.875, 0.75]])


def test_a_budget_and_a_floor_are_answered_directly():
    points = frontier(make_estimates([[0.0, 0.4], [0.5, 0.7]], [1.0, 5.0]))

    assert [points.within_budget(usd) for usd in (0.9, 1.0, 4.9, 99.0)] == [None, 0, 1, 2]
    assert [points.at_quality(floor) for floor in (0.1, 0.45, 0.5, 0.6)] == [0, 1, 2, None]


def test_equally_good_models_never_pay_for_more():
    points = frontier(make_estimates([[0.5, 0.5, 0.5]], [1.0, 2.0, 3.0]))

    assert len(points) == 1
    np.testing.assert_array_equal(points.columns(0), [0])


def test_on_unknown_ground_every_point_takes_the_default_model():
    points = frontier(make_estimates([[0.0, 1.0], [0.0, 1.0]], [1.0, 5.0], novelty=[0.9, 0.1]), default="m0")

    assert [points.columns(k).tolist() for k in range(len(points))] == [[0, 0], [0, 1]]


def test_a_model_of_unknown_cost_is_never_moved_to_and_infinity_is_not_promised():
    points = frontier(make_estimates([[0.2, 0.5, 0.9]], [[1.0, 2.0, np.nan]]))

    assert [points.columns(k).tolist() for k in range(len(points))] == [[0], [1]]
    assert np.isfinite(points.willingness_usd).all()


def test_a_frontier_of_some_of_its_points_agrees_with_the_whole_one():
    random = np.random.default_rng(0)
    points = frontier(make_estimates(random.random((30, 4)), random.random((30, 4))))
    some, observed = np.array([0, 3, 4, 17, len(points) - 1]), random.random((30, 4))

    np.testing.assert_allclose(points.at(some).mean(observed), points.mean(observed)[some])
    np.testing.assert_array_equal(points.at(some).columns(3), points.columns(17))


def test_equal_edges_of_one_query_keep_their_order_whatever_rounding_does():
    # Every tenth costs a dollar, and no two of the quotients are the same number.
    quality = np.arange(8) / 10 + 0.1
    points = frontier(make_estimates(quality[None], np.arange(8.0)))

    assert [points.columns(k).tolist() for k in range(len(points))] == [[0], [7]]


tenths = st.integers(0, 10).map(lambda n: n / 10)
cells = st.tuples(tenths | st.none(), st.integers(0, 6) | st.none(), st.booleans())
tables = st.lists(st.lists(cells, min_size=4, max_size=4), min_size=1, max_size=6)


def drawn_estimates(table, novelty):
    numbers = np.array([[[np.nan if x is None else float(x) for x in cell] for cell in row] for row in table])
    eligible = numbers[:, :, 2] > 0
    assume(eligible.any(axis=1).all())
    return make_estimates(numbers[:, :, 0], numbers[:, :, 1], eligible, novelty)


@settings(max_examples=200, deadline=None)
@given(tables, st.booleans())
def test_every_point_is_what_the_policy_itself_chooses_there(table, guarded):
    seen = drawn_estimates(table, np.arange(len(table)) % 3 / 2.5)
    default = "m2" if guarded else None

    points = frontier(seen, default)

    for number, willingness in enumerate(points.willingness_usd):
        np.testing.assert_array_equal(points.columns(number), at(float(willingness), default)(seen)[0])


@settings(max_examples=100, deadline=None)
@given(tables, st.floats(1e-3, 1e3))
def test_no_willingness_chooses_anything_that_is_not_a_point(table, willingness):
    seen = drawn_estimates(table, None)
    points = frontier(seen)
    assume(not np.isclose(points.moves.edge, willingness, rtol=1e-6).any())

    number = int((points.moves.edge[points.starts] < willingness).sum())

    np.testing.assert_array_equal(points.columns(number), MaxUtility(willingness)(seen)[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), tenths), min_size=1, max_size=12))
def test_a_hull_by_gift_wrapping_is_the_hull_by_the_monotone_chain(pairs):
    cost, quality = np.array(pairs, dtype=float).T

    start, moves = upper_hulls(cost[None], quality[None])
    found = cost_quality_curve(cost, quality)

    at = np.r_[start, moves.after]
    np.testing.assert_allclose(found.at(cost[at]), quality[at])
    np.testing.assert_allclose(np.interp(found.cost_usd, cost[at], quality[at]), found.quality)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.tuples(tenths, st.integers(0, 6)), min_size=3, max_size=3), min_size=1, max_size=3))
def test_no_choice_of_models_beats_the_mix_of_two_neighbouring_points(table):
    quality, cost = np.moveaxis(np.array(table, dtype=float), 2, 0)
    points = frontier(make_estimates(quality, cost))
    rows = np.arange(len(quality))

    every = np.array(np.meshgrid(*[range(3)] * len(quality))).reshape(len(quality), -1).T
    reached = np.interp([cost[rows, c].mean() for c in every], points.cost_usd, points.quality, left=-np.inf)

    assert all(q >= quality[rows, c].mean() - 1e-9 for q, c in zip(reached, every, strict=True) if q > -np.inf)


def test_a_willingness_far_inside_the_frontier_is_found_for_many_queries():
    random = np.random.default_rng(1)
    seen = make_estimates(random.random((500, 5)), random.random((500, 5)))
    points = frontier(seen)

    number = points.within_budget(0.2)

    chosen = MaxUtility(float(points.willingness_usd[number]))(seen)[0]
    np.testing.assert_array_equal(points.columns(number), chosen)
    assert points.cost_usd[number] == pytest.approx(seen.cost_usd[np.arange(500), chosen].mean())
