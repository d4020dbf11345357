"""Calibration: lines that make logits honest, folds, and the error that is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.estimators.calibration import FOLDS, Platt, expected_calibration_error, folds
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


def test_with_fewer_rows_than_folds_nothing_is_held_out() -> None:
    assert list(folds(FOLDS - 1)) == []


def test_error_of_a_perfectly_calibrated_prediction_is_zero() -> None:
    observed = np.repeat([0.0, 1.0], 50)

    assert expected_calibration_error(observed, observed) == 0


def test_error_is_the_mean_distance_of_the_bins() -> None:
    assert expected_calibration_error(np.full(10, 0.7), np.zeros(10)) == pytest.approx(0.7)
