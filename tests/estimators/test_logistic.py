"""The solver, by what defines its solution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.query import FloatArray
from switchpoint.estimators.logistic import fit_logistic, sigmoid, solve, solve_all


@given(seed=st.integers(0, 10_000), n=st.integers(0, 60), ridge=st.floats(0.01, 100))
@settings(deadline=None, max_examples=60)
def test_no_direction_lowers_the_loss_at_the_solution(seed: int, n: int, ridge: float) -> None:
    random = np.random.default_rng(seed)
    x, target = random.standard_normal((n, 4)) * 3, random.random(n)
    penalty = np.full(4, ridge)

    w = solve(x, target, ridge=penalty)

    gradient = x.T @ (sigmoid(x @ w) - target) + penalty * w
    assert np.abs(gradient).max() < 1e-3 * (1 + n)


def test_it_agrees_with_an_independent_implementation() -> None:
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(1)
    x = random.standard_normal((400, 5))
    target = (random.random(400) < sigmoid(x @ np.array([1.0, -2, 0, 0.5, 0]))).astype(float)

    weights, intercept = fit_logistic(x, target, c=0.1)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=1_000).fit(x, target)

    assert np.allclose(weights, theirs.coef_[0], atol=0.01)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=0.02)


def test_one_class_gives_a_finite_and_cautious_answer() -> None:
    weights, intercept = fit_logistic(np.zeros((9, 3)), np.ones(9), c=1.0)

    assert not weights.any()
    assert sigmoid(np.array(intercept)) == pytest.approx(0.95, abs=0.01)


def test_without_rows_nothing_is_known() -> None:
    weights, intercept = fit_logistic(np.zeros((0, 3)), np.zeros(0), c=1.0)

    assert not weights.any()
    assert intercept == pytest.approx(0, abs=1e-6)


def test_fractions_count_as_so_many_successes() -> None:
    halves = fit_logistic(np.ones((10, 1)), np.full(10, 0.5), c=1.0)
    mixed = fit_logistic(np.ones((10, 1)), np.repeat([0.0, 1.0], 5), c=1.0)

    assert halves[1] == pytest.approx(mixed[1])


def several_targets(seed: int, n: int, missing: float) -> tuple[FloatArray, FloatArray]:
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 4)) * [3, 1, 1, 0.1]
    target = (random.random((n, 3)) < sigmoid(x @ random.standard_normal((4, 3)))).astype(float)
    target[random.random(target.shape) < missing] = np.nan
    return x, target


@given(seed=st.integers(0, 10_000), n=st.integers(0, 60), ridge=st.floats(0.01, 100), missing=st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_many_targets_at_once_are_solved_as_each_alone_on_its_known_rows(
    seed: int, n: int, ridge: float, missing: float
) -> None:
    x, target = several_targets(seed, n, missing)
    penalty = np.full(4, ridge)

    together = solve_all(x, target, ridge=penalty, weight=0.5, offset=np.array([0.0, 1.0, -1.0]), gain=1e-12)

    for number, (column, offset) in enumerate(zip(target.T, (0.0, 1.0, -1.0), strict=True)):
        known = ~np.isnan(column)
        alone = solve(x[known], column[known], ridge=penalty, weight=0.5, offset=offset)
        assert together[:, number] == pytest.approx(alone, abs=1e-3 * (1 + np.abs(alone).max()))


def test_a_sparse_matrix_is_solved_as_the_dense_one() -> None:
    from scipy.sparse import csr_matrix

    x, target = several_targets(0, 200, 0.3)
    x = np.where(np.abs(x) > 1, x, 0.0)

    dense, sparse = (solve_all(each, target, ridge=np.ones(4), gain=1e-12) for each in (x, csr_matrix(x)))

    assert sparse == pytest.approx(dense, abs=1e-6)


def test_single_precision_is_enough() -> None:
    x, target = several_targets(0, 5_000, 0.0)

    single, double = (solve_all(x.astype(kind), target, ridge=np.ones(4)) for kind in (np.float32, np.float64))

    assert single == pytest.approx(double, abs=1e-3)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_never_leaves_the_unit_interval(z: float) -> None:
    assert 0 <= sigmoid(np.array(z)) <= 1
