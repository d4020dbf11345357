"""Calibration: making predicted probabilities honest, and measuring how honest they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.logistic import solve

FOLDS = 5
SLOPE_RIDGE = 4.0
INTERCEPT_RIDGE = 1.0


class Calibration(Protocol):
    """A NamedTuple of arrays that turns logits into honest ones, model by model."""

    @classmethod
    def fit(cls, logits: FloatArray, quality: FloatArray) -> Self:
        """Fit to logits of rows that their members were not fitted on; both (n_rows, n_models), NaN is left out."""
        ...

    @classmethod
    def identity(cls, n_models: int) -> Self:
        """Return what changes nothing."""
        ...

    def apply(self, logits: FloatArray) -> FloatArray:
        """Return calibrated logits, shape (n_rows, n_models); never turns the order of two rows around."""
        ...

    def _asdict(self) -> dict[str, Any]: ...


class Platt(NamedTuple):
    """A line per model on its logits (Platt 1999); slope, intercept : shape (n_models,).

    Differs: the line is shrunk to the identity, so that few rows change nothing, and targets may be fractions.
    """

    slope: FloatArray
    intercept: FloatArray

    @classmethod
    def fit(cls, logits: FloatArray, quality: FloatArray) -> Self:
        """Fit to logits of rows that their members were not fitted on, both of shape (n_rows, n_models)."""
        lines = [_line(z[~np.isnan(q)], q[~np.isnan(q)]) for z, q in zip(logits.T, quality.T, strict=True)]
        slope, intercept = np.array(lines).T
        # A falling line would turn the order of the queries around on the word of noise.
        return cls(np.maximum(slope, 0.0), intercept)

    @classmethod
    def identity(cls, n_models: int) -> Self:
        """Return the lines that change nothing."""
        return cls(np.ones(n_models), np.zeros(n_models))

    def apply(self, logits: FloatArray) -> FloatArray:
        """Return calibrated logits, shape (n_rows, n_models)."""
        return logits * self.slope + self.intercept

    def fold(self, weights: FloatArray) -> FloatArray:
        """Return the weights that give calibrated logits at once; their last row is that of the constant column."""
        weights = weights * self.slope
        weights[-1] += self.intercept
        return weights


class Uncalibrated(NamedTuple):
    """Scores as they are; for methods whose published form has no calibration."""

    @classmethod
    def fit(cls, logits: FloatArray, quality: FloatArray) -> Self:
        """Learn nothing."""
        return cls()

    @classmethod
    def identity(cls, n_models: int) -> Self:
        """Return what changes nothing."""
        return cls()

    def apply(self, logits: FloatArray) -> FloatArray:
        """Return the logits."""
        return logits


CALIBRATIONS: dict[str, type[Calibration]] = {"platt": Platt, "none": Uncalibrated}
"""Every calibration by its name."""


def calibration_of(name: str) -> type[Calibration]:
    """Return the calibration of a name; raises ConfigError, which names the nearest one."""
    if name not in CALIBRATIONS:
        known = ", ".join(CALIBRATIONS)
        raise ConfigError(f"Unknown calibration {name!r}.{nearest(name, CALIBRATIONS)} Known: {known}.")
    return CALIBRATIONS[name]


def _line(logits: FloatArray, quality: FloatArray) -> FloatArray:
    x = np.column_stack([logits, np.ones(len(logits))])
    change = solve(x, quality, ridge=np.array([SLOPE_RIDGE, INTERCEPT_RIDGE]), offset=logits)
    return np.array([1.0, 0.0]) + change


def folds(n_rows: int, seed: int = 0) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield (train, test) masks of `FOLDS` random parts of equal size; with fewer rows than folds, none."""
    if n_rows < FOLDS:
        return
    part = np.random.default_rng(seed).permutation(n_rows) % FOLDS
    for fold in range(FOLDS):
        yield part != fold, part == fold


def expected_calibration_error(predicted: FloatArray, observed: FloatArray, n_bins: int = 10) -> float:
    """Mean distance between predicted and observed quality over bins of equal size, in [0, 1]; both shape (n_rows,).

    Source: Naeini et al. 2015. Differs: bins hold equally many rows, not equally long intervals.
    """
    bins = np.array_split(np.argsort(predicted, kind="stable"), n_bins)
    gaps = [abs(predicted[b].mean() - observed[b].mean()) * len(b) for b in bins if len(b)]
    return float(sum(gaps) / len(predicted))
