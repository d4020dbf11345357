import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.evaluation import bootstrap
from switchpoint.evaluation.bootstrap import difference, interval, intervals, mean_of, ratio_of, weights
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.metrics import apgr, cpt

values = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=20)


def test_a_resample_draws_as_many_queries_as_there_are():
    drawn = np.concatenate(list(weights(7, resamples=20)))

    assert drawn.shape == (20, 7)
    assert (drawn.sum(axis=1) == 7).all()


def test_the_same_seed_draws_the_same_and_another_one_something_else():
    first, again, other = (np.concatenate(list(weights(9, 30, seed))) for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_blocks_bound_the_memory_and_lose_no_resample(monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 10)

    blocks = list(weights(5, resamples=7))

    assert [len(block) for block in blocks] == [2, 2, 2, 1]


@settings(max_examples=25)
@given(values, st.integers(0, 3))
def test_an_interval_holds_its_value(numbers, seed):
    found = intervals({"mean": mean_of(np.array(numbers))}, len(numbers), resamples=50, seed=seed)["mean"]

    assert found.value == pytest.approx(np.mean(numbers))
    assert found.low <= found.value <= found.high


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=20))
def test_intervals_of_curve_metrics_hold_their_values_too(table):
    weak, strong, score = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    ranking = Ranking(score)

    found = intervals(
        {
            "apgr": lambda drawn: apgr(ranking.curve(weak, strong, drawn)),
            "cpt": lambda drawn: cpt(ranking.curve(weak, strong, drawn), 0.5),
        },
        len(table),
        resamples=50,
    )

    assert all(np.isnan(f.value) or f.low <= f.value <= f.high for f in found.values())


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    numbers = np.random.default_rng(0).random(400)

    found = intervals({"mean": mean_of(numbers)}, 400, resamples=2_000)["mean"]

    assert found.high - found.low == pytest.approx(2 * 1.96 * numbers.std() / 20, rel=0.06)


def test_what_is_not_observed_counts_nowhere():
    drawn = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])

    means = mean_of(np.array([0.5, np.nan, 1.0]))(drawn)

    np.testing.assert_allclose(means, [0.75, 2.5 / 3, np.nan])


def test_a_difference_is_taken_query_by_query():
    a, b = np.array([1.0, 0.5, np.nan]), np.array([0.8, 0.3, 1.0])

    found = difference(a, b, resamples=200)

    # Both known pairs differ by .2: paired, there is nothing left to be unsure of.
    np.testing.assert_allclose(found, [0.2, 0.2, 0.2])


def test_a_figure_that_is_not_defined_has_no_interval():
    assert np.isnan(interval(float("nan"), np.array([0.1, 0.2]))).all()
    assert np.isnan(interval(0.5, np.array([np.nan]))[1:]).all()


def test_groups_are_drawn_whole():
    groups = np.array([7, 3, 7, 3, 5])

    drawn = np.concatenate(list(weights(5, resamples=50, groups=groups)))

    np.testing.assert_array_equal(drawn[:, 0], drawn[:, 2])
    np.testing.assert_array_equal(drawn[:, 1], drawn[:, 3])
    assert (drawn[:, [0, 1, 4]].sum(axis=1) == 3).all()


def test_every_query_by_itself_is_the_ordinary_bootstrap():
    alone = np.concatenate(list(weights(6, 40)))

    np.testing.assert_array_equal(np.concatenate(list(weights(6, 40, groups=np.arange(6)))), alone)


def test_rows_that_say_the_same_ten_times_are_one_piece_of_evidence():
    numbers = np.random.default_rng(0).random(50)

    once = intervals({"mean": mean_of(numbers)}, 50)["mean"]
    tenfold = intervals({"mean": mean_of(np.repeat(numbers, 10))}, 500, groups=np.repeat(np.arange(50), 10))["mean"]

    assert tenfold == pytest.approx(once)


def test_a_ratio_is_of_sums_over_the_queries_where_both_are_known():
    ratio = ratio_of(np.array([1.0, 2.0, np.nan, 4.0]), np.array([2.0, np.nan, 3.0, 8.0]))

    np.testing.assert_allclose(ratio(np.array([[1.0, 1, 1, 1], [3.0, 0, 5, 1], [0, 1, 1, 0]])), [0.5, 0.5, np.nan])
