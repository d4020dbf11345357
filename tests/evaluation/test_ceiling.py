from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.errors import DataError
from switchpoint.evaluation.ceiling import ceiling
from tests.evaluation.toys import make_outcomes

N = 600


def flips(chances):
    """Right and wrong by chance, shape (N, n_models); chances of shape (n_models,) or (N, n_models)."""
    return (np.random.default_rng(0).random((N, np.shape(chances)[-1])) < chances).astype(float)


def with_domains(outcomes, domains):
    return replace(outcomes, domains=tuple(str(each) for each in domains))


def test_pure_luck_has_an_oracle_but_nothing_to_reach():
    found = ceiling(make_outcomes(flips([0.5, 0.5, 0.5])), "m0", resamples=200)

    assert found.oracle.value - found.best_single.value > 0.3
    assert found.permuted_oracle.value == pytest.approx(found.oracle.value, abs=0.05)
    assert abs(found.reachable.value) < 0.15
    assert found.reachable.low <= 0.05


def test_what_depends_on_the_kind_is_reached_by_the_class_map():
    kind = np.arange(N) % 2
    chances = np.where(kind[:, None] == [0, 1], 0.9, 0.3)

    found = ceiling(with_domains(make_outcomes(flips(chances)), kind), resamples=200)

    assert found.class_map.value == pytest.approx(0.9, abs=0.04)
    assert found.best_single.high < found.class_map.low
    assert found.n_domains == 2


def test_what_other_models_give_away_is_reached_by_those_who_know_them():
    # Two kinds of query that nobody named: the first two models answer the one, the last two the other.
    hidden = np.random.default_rng(1).random(N) < 0.6
    chances = np.where(hidden[:, None] == [True, True, False, False], 0.95, 0.05)

    found = ceiling(make_outcomes(flips(chances)), resamples=200)

    assert found.class_map.value == pytest.approx(found.best_single.value, abs=0.02)
    assert found.others_know.low > found.best_single.high + 0.2
    assert found.reachable.value > 0.7


def test_with_two_models_there_is_nobody_else_to_know_anything():
    found = ceiling(make_outcomes(flips([0.7, 0.5])), resamples=50)

    assert found.others_know == found.class_map


def test_models_that_fail_on_the_same_queries_leave_less_to_an_oracle_than_luck_would():
    right = np.repeat(flips([0.6]), 3, axis=1)

    found = ceiling(make_outcomes(right), resamples=50)

    assert found.oracle.value == found.best_single.value
    assert found.permuted_oracle.low > found.oracle.high
    assert np.isnan(found.reachable.value)


def test_shuffling_exchanges_outcomes_within_a_kind_only():
    right = np.array([[1.0, 1.0]] * 10 + [[0.0, 0.0]] * 10)

    found = ceiling(with_domains(make_outcomes(right), [0] * 10 + [1] * 10), resamples=50)

    assert found.permuted_oracle.value == found.oracle.value == 0.5


def test_rows_that_were_not_observed_count_nowhere():
    right = flips([0.8, 0.4, 0.4])
    right[np.random.default_rng(1).random(right.shape) < 0.3] = np.nan

    found = ceiling(make_outcomes(right), "m0", resamples=50)

    assert found.best_single.value == pytest.approx(np.nanmean(right[:, 0]))
    assert found.class_map.value == pytest.approx(found.best_single.value)


def test_the_same_seed_gives_the_same_ceilings():
    outcomes = make_outcomes(flips([0.5, 0.6]))

    assert ceiling(outcomes, resamples=50, seed=1) == ceiling(outcomes, resamples=50, seed=1)


def test_too_few_queries_are_refused():
    with pytest.raises(DataError, match="at least 5 queries. Got 3"):
        ceiling(make_outcomes(np.ones((3, 2))))
