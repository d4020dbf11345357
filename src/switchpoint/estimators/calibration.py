"""Calibration: making predicted probabilities honest, and measuring how honest they are."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.logistic import sigmoid, solve

FOLDS = 5
MANY_ROWS, ENOUGH_HELD_OUT = 5_000, 2_000
SLOPE_RIDGE = 4.0
INTERCEPT_RIDGE = 1.0
N_KNOTS = 20
PRIOR_ROWS = 5.0
SUREST = 1e-3
"""No knot is surer than this."""


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
        return cls(slope, intercept)

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


class Isotonic(NamedTuple):
    """A rising step per model, smoothed to straight pieces (Zadrozny & Elkan 2002); both of shape (n_models, N_KNOTS).

    places : logits, ascending; shifts : what is added there, straight between them, level beyond.

    Differs: the rows are first put into `N_KNOTS` bins of equal size, and each bin starts with PRIOR_ROWS rows that
    are already calibrated, so that few rows change little; and beyond the knots the order of the logits is kept.
    """

    places: FloatArray
    shifts: FloatArray

    @classmethod
    def fit(cls, logits: FloatArray, quality: FloatArray) -> Self:
        """Fit to logits of rows that their members were not fitted on, both of shape (n_rows, n_models)."""
        models = [_knots(z[~np.isnan(q)], q[~np.isnan(q)]) for z, q in zip(logits.T, quality.T, strict=True)]
        places, shifts = np.array(models).reshape(len(models), 2, N_KNOTS).swapaxes(0, 1)
        return cls(places, shifts)

    @classmethod
    def identity(cls, n_models: int) -> Self:
        """Return what changes nothing."""
        return cls(*np.zeros((2, n_models, N_KNOTS)))

    def apply(self, logits: FloatArray) -> FloatArray:
        """Return calibrated logits, shape (n_rows, n_models)."""
        pairs = zip(logits.T, self.places, self.shifts, strict=True)
        return np.stack([z + np.interp(z, place, shift) for z, place, shift in pairs], axis=1)


class Beta(NamedTuple):
    """The beta family per model: ``a · ln p - b · ln(1 - p) + c`` (Kull et al. 2017); all of shape (n_models,).

    a and b are 0 or more. Differs: shrunk to the identity (a = b = 1, c = 0), so that few rows change little.
    """

    a: FloatArray
    b: FloatArray
    c: FloatArray

    @classmethod
    def fit(cls, logits: FloatArray, quality: FloatArray) -> Self:
        """Fit to logits of rows that their members were not fitted on, both of shape (n_rows, n_models)."""
        models = [_beta(z[~np.isnan(q)], q[~np.isnan(q)]) for z, q in zip(logits.T, quality.T, strict=True)]
        a, b, c = np.array(models).T
        return cls(a, b, c)

    @classmethod
    def identity(cls, n_models: int) -> Self:
        """Return what changes nothing."""
        return cls(np.ones(n_models), np.ones(n_models), np.zeros(n_models))

    def apply(self, logits: FloatArray) -> FloatArray:
        """Return calibrated logits, shape (n_rows, n_models)."""
        # ln p and ln(1 - p) of p = sigmoid(z), without overflow.
        return -self.a * np.logaddexp(0, -logits) + self.b * np.logaddexp(0, logits) + self.c


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


CALIBRATIONS: dict[str, type[Calibration]] = {"platt": Platt, "isotonic": Isotonic, "beta": Beta, "none": Uncalibrated}
"""Every calibration by its name."""


def calibration_of(name: str) -> type[Calibration]:
    """Return the calibration of a name; raises ConfigError, which names the nearest one."""
    if name not in CALIBRATIONS:
        known = ", ".join(CALIBRATIONS)
        raise ConfigError(f"Unknown calibration {name!r}.{nearest(name, CALIBRATIONS)} Known: {known}.")
    return CALIBRATIONS[name]


def _line(logits: FloatArray, quality: FloatArray) -> FloatArray:
    x = np.column_stack([logits, np.ones(len(logits))])
    ridge = np.array([SLOPE_RIDGE, INTERCEPT_RIDGE])
    line: FloatArray = np.array([1.0, 0.0]) + solve(x, quality, ridge=ridge, offset=logits)
    if line[0] < 0:
        # A falling line would turn the order of the queries around on the word of noise; the mean is left.
        line = np.append(0.0, solve(x[:, 1:], quality, ridge=ridge[1:]))
    return line


def _knots(logits: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places and shifts of one model, both of shape (N_KNOTS,)."""
    if not len(logits):
        return np.zeros(N_KNOTS), np.zeros(N_KNOTS)
    order = np.argsort(logits, kind="stable")
    bins = [each for each in np.array_split(order, N_KNOTS) if len(each)]
    rows = np.array([len(each) for each in bins])
    places, means = (np.array([values[each].mean() for each in bins]) for values in (logits, quality))
    expected = np.array([sigmoid(logits[each]).mean() for each in bins])
    levels = rising((rows * means + PRIOR_ROWS * expected) / (rows + PRIOR_ROWS), rows + PRIOR_ROWS)
    levels = np.clip(levels, SUREST, 1 - SUREST)
    shifts = np.log(levels / (1 - levels)) - places
    # Fewer bins than knots: the last one stands several times.
    missing = (0, N_KNOTS - len(bins))
    return np.pad(places, missing, mode="edge"), np.pad(shifts, missing, mode="edge")


def rising(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the non-decreasing sequence nearest to the values, shape (n,), by pooling adjacent violators.

    Nearest by weighted squares. Source: Ayer et al. 1955.
    """
    blocks: list[tuple[float, float, int]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (m1, w1, n1), (m2, w2, n2) = blocks.pop(), blocks.pop()
            blocks.append(((m1 * w1 + m2 * w2) / (w1 + w2), w1 + w2, n1 + n2))
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


def _beta(logits: FloatArray, quality: FloatArray) -> FloatArray:
    """Return a, b and c of one model: a logistic regression on ln p and -ln(1 - p)."""
    x = np.column_stack([-np.logaddexp(0, -logits), np.logaddexp(0, logits), np.ones(len(logits))])
    ridge, one = np.array([SLOPE_RIDGE, SLOPE_RIDGE, INTERCEPT_RIDGE]), np.array([1.0, 1.0, 0.0])
    found: FloatArray = one + solve(x, quality, ridge=ridge, offset=logits)
    if (found[:2] < 0).any():
        # As in the paper: the falling part is left out and the rest fitted again.
        kept = np.flatnonzero(np.append(found[:2] >= 0, True))
        found = np.zeros(3)
        found[kept] = one[kept] + solve(x[:, kept], quality, ridge=ridge[kept], offset=x[:, kept] @ one[kept])
        found[:2] = np.maximum(found[:2], 0.0)
    return found


def folds(n_rows: int, seed: int = 0) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield (train, test) masks of `FOLDS` random parts of equal size; with fewer rows than folds, none."""
    if n_rows < FOLDS:
        return
    part = np.random.default_rng(seed).permutation(n_rows) % FOLDS
    for fold in range(FOLDS):
        yield part != fold, part == fold


def held_out_parts(n_rows: int, seed: int = 0) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Yield the folds or, of more than `MANY_ROWS` rows, no more of them than hold `ENOUGH_HELD_OUT`.

    So many are enough for the few numbers that are fitted to predictions: two per model cost 0.0005 of log-loss.
    """
    n_parts = -(-ENOUGH_HELD_OUT * FOLDS // n_rows) if n_rows > MANY_ROWS else FOLDS
    return islice(folds(n_rows, seed), n_parts)


def expected_calibration_error(predicted: FloatArray, observed: FloatArray, n_bins: int = 10) -> float:
    """Mean distance between predicted and observed quality over bins of equal size, in [0, 1]; both shape (n_rows,).

    Source: Naeini et al. 2015. Differs: bins hold equally many rows, not equally long intervals.
    """
    bins = np.array_split(np.argsort(predicted, kind="stable"), n_bins)
    gaps = [abs(predicted[b].mean() - observed[b].mean()) * len(b) for b in bins if len(b)]
    return float(sum(gaps) / len(predicted))
