"""Stacking: weights are never negative, equal where rows are few, and nothing where the members do not win."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.estimators.learned import Learned
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import MEMBERS
from switchpoint.estimators.stacking import ENSEMBLES, Ensemble, combine, fit_weights, skill_bound
from tests.estimators.conftest import make_outcomes


def make_rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two members, of which the first knows the truth and the second guesses; and the quality of two models."""
    rng = np.random.default_rng(seed)
    truth, guess = rng.normal(size=(2, n, 2)) * 2
    return np.stack([truth, guess]), (rng.random((n, 2)) < sigmoid(truth)).astype(float)


STACK = Ensemble(("linear", "linear"), fitted=True)


def test_members_of_a_plain_ensemble_count_the_same() -> None:
    assert Ensemble(("linear", "factors")).weigh(*make_rows(50)).tolist() == [0.5, 0.5]


def test_with_many_rows_the_member_that_knows_takes_all() -> None:
    weights = STACK.weigh(*make_rows(200_000))

    assert weights == pytest.approx([1.0, 0.0], abs=0.02)


def test_with_few_rows_weights_stay_near_equal() -> None:
    held_out, quality = make_rows(200)
    held_out[1] = held_out[0]

    assert STACK.weigh(held_out, quality) == pytest.approx([0.5, 0.5], abs=0.03)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_weights_are_never_negative(seed: int) -> None:
    rng = np.random.default_rng(seed)

    assert (STACK.weigh(rng.normal(size=(2, 40, 3)), rng.random((40, 3))) >= 0).all()


def test_members_that_know_nothing_are_not_heard() -> None:
    rng = np.random.default_rng(0)

    assert STACK.weigh(rng.normal(size=(2, 500, 2)), rng.integers(0, 2, (500, 2)).astype(float)).tolist() == [0, 0]


def test_without_rows_nobody_is_heard() -> None:
    assert STACK.weigh(np.zeros((2, 0, 2)), np.zeros((0, 2))).tolist() == [0, 0]


def test_weights_of_zero_are_the_mean_of_each_model() -> None:
    logits = combine(np.zeros(2), np.random.default_rng(0).normal(size=(2, 5, 3)), np.array([0.2, 0.5, 0.9]))

    assert sigmoid(logits) == pytest.approx(np.tile([0.2, 0.5, 0.9], (5, 1)))


def test_weights_of_sum_one_do_not_see_the_mean() -> None:
    logits = np.random.default_rng(0).normal(size=(2, 5, 3))

    assert combine(np.array([0.25, 0.75]), logits, np.array([0.1, 0.5, 0.9])) == pytest.approx(
        0.25 * logits[0] + 0.75 * logits[1]
    )


def test_cells_that_were_not_observed_do_not_count() -> None:
    held_out, quality = make_rows(400)
    holes = np.vstack([quality, np.full((100, 2), np.nan)])
    longer = np.concatenate([held_out, np.full((2, 100, 2), 9.0)], axis=1)

    assert fit_weights(longer, holes) == pytest.approx(fit_weights(held_out, quality))
    assert skill_bound(longer[0], holes) == pytest.approx(skill_bound(held_out[0], quality))


def test_the_bound_lies_below_the_gain_and_nearer_with_more_rows() -> None:
    few, many = (skill_bound(h[0], q) for h, q in (make_rows(30), make_rows(20_000)))

    assert few < many
    assert many == pytest.approx(0.25 - 0.149, abs=0.01)


def test_where_the_members_do_not_win_the_means_are_served() -> None:
    outcomes = make_outcomes(60)
    coins = np.random.default_rng(1).integers(0, 2, outcomes.quality.shape).astype(float)

    mean = Learned("stack").fit(replace(outcomes, quality=coins)).predict(outcomes.queries).mean

    assert np.ptp(mean, axis=0) == pytest.approx([0, 0], abs=1e-9)
    assert mean[0] == pytest.approx(coins.mean(axis=0), abs=0.02)


def test_every_ensemble_is_of_known_members() -> None:
    assert {"average", "stack"} <= set(ENSEMBLES)
    assert all(set(ensemble.members) <= set(MEMBERS) for ensemble in ENSEMBLES.values())
