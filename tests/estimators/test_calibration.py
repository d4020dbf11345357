"""Calibration: lines that make logits honest, folds, and the error that is left."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.estimators.calibration import (
    CALIBRATIONS,
    ENOUGH_HELD_OUT,
    FOLDS,
    MANY_ROWS,
    Beta,
    Platt,
    expected_calibration_error,
    folds,
    held_out_parts,
    rising,
)
from switchpoint.estimators.logistic import sigmoid


def test_logits_that_are_too_flat_are_steepened() -> None:
    random = np.random.default_rng(0)
    true = random.standard_normal((4_000, 1)) * 2
    quality = (random.random(true.shape) < sigmoid(true)).astype(float)

    platt = Platt.fit(true / 2, quality)

    assert platt.slope[0] == pytest.approx(2, abs=0.2)
    assert platt.intercept[0] == pytest.approx(0, abs=0.1)


def test_a_handful_of_rows_hardly_moves_the_line() -> None:
    platt = Platt.fit(np.array([[1.0], [-1.0]]), np.array([[1.0], [0.0]]))

    assert platt.slope[0] == pytest.approx(1, abs=0.2)


def test_an_order_is_never_turned_around() -> None:
    logits = np.linspace(-3, 3, 1_000)[:, None]

    platt = Platt.fit(logits, (logits < 0).astype(float))

    assert platt.slope[0] == 0


def test_rows_that_were_not_observed_do_not_count() -> None:
    logits, quality = np.random.default_rng(0).standard_normal((50, 1)), np.full((50, 1), np.nan)

    assert Platt.fit(logits, quality) == Platt.identity(1)


def test_folded_weights_give_the_calibrated_logits() -> None:
    columns = np.column_stack([np.arange(5.0), np.ones(5)])
    weights, platt = np.array([[2.0], [1.0]]), Platt(np.array([3.0]), np.array([0.5]))

    assert np.allclose(columns @ platt.fold(weights), platt.apply(columns @ weights))


@given(st.integers(FOLDS, 200), st.integers(0, 100))
def test_every_row_is_held_out_exactly_once(n_rows: int, seed: int) -> None:
    held_out = sum(test.astype(int) for _, test in folds(n_rows, seed))

    assert (held_out == 1).all()


@pytest.mark.parametrize(("rows", "parts"), [(MANY_ROWS, FOLDS), (MANY_ROWS + 1, 2), (10_000, 1), (1_000_000, 1)])
def test_of_many_rows_only_as_many_folds_are_held_out_as_are_enough(rows: int, parts: int) -> None:
    held_out = [test.sum() for _, test in held_out_parts(rows)]

    assert len(held_out) == parts
    assert sum(held_out) >= ENOUGH_HELD_OUT


def test_with_fewer_rows_than_folds_nothing_is_held_out() -> None:
    assert list(folds(FOLDS - 1)) == []


def test_error_of_a_perfectly_calibrated_prediction_is_zero() -> None:
    observed = np.repeat([0.0, 1.0], 50)

    assert expected_calibration_error(observed, observed) == 0


def test_error_is_the_mean_distance_of_the_bins() -> None:
    assert expected_calibration_error(np.full(10, 0.7), np.zeros(10)) == pytest.approx(0.7)


every = pytest.mark.parametrize("name", sorted(set(CALIBRATIONS) - {"none"}))


@every
@given(seed=st.integers(0, 10_000), n=st.integers(0, 80), steep=st.floats(-3, 3))
@settings(deadline=None, max_examples=30)
def test_no_calibration_turns_an_order_around(name: str, seed: int, n: int, steep: float) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, 2))
    quality = (random.random((n, 2)) < sigmoid(steep * logits)).astype(float)
    quality[random.random((n, 2)) < 0.1] = np.nan
    probes = np.linspace(-8, 8, 200)[:, None].repeat(2, axis=1)

    calibrated = CALIBRATIONS[name].fit(logits, quality).apply(probes)

    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated, axis=0) >= -1e-9).all()


@every
def test_every_calibration_makes_wrong_logits_honest(name: str) -> None:
    random = np.random.default_rng(0)
    true = random.normal(0, 1.5, (4_000, 1))
    quality = (random.random(true.shape) < sigmoid(true)).astype(float)

    calibrated = sigmoid(CALIBRATIONS[name].fit(3 * true + 1, quality).apply(3 * true + 1))

    assert expected_calibration_error(calibrated[:, 0], quality[:, 0]) < 0.03
    assert np.abs(calibrated - sigmoid(true)).mean() < 0.03


@every
def test_without_rows_nothing_is_changed(name: str) -> None:
    logits = np.linspace(-4, 4, 9)[:, None]
    none = np.zeros((0, 1))

    for found in (CALIBRATIONS[name].fit(none, none), CALIBRATIONS[name].identity(1)):
        assert found.apply(logits) == pytest.approx(logits)


@every
def test_two_rows_change_little(name: str) -> None:
    found = CALIBRATIONS[name].fit(np.array([[1.0], [-1.0]]), np.array([[0.0], [1.0]]))

    assert found.apply(np.zeros((1, 1))) == pytest.approx(0, abs=0.3)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=30))
@settings(deadline=None)
def test_pooling_adjacent_violators_agrees_with_an_independent_implementation(rows: list[tuple[float, int]]) -> None:
    from sklearn.isotonic import isotonic_regression

    values, weights = np.array(rows).T

    assert rising(values, weights) == pytest.approx(isotonic_regression(values, sample_weight=weights), abs=1e-9)


def test_beta_finds_the_parameters_that_made_the_outcomes() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 1))
    true = Beta(np.array([0.5]), np.array([2.0]), np.array([0.3]))
    quality = (random.random(logits.shape) < sigmoid(true.apply(logits))).astype(float)

    found = Beta.fit(logits, quality)

    assert [found.a[0], found.b[0], found.c[0]] == pytest.approx([0.5, 2.0, 0.3], abs=0.1)
