"""Ridge: linear regression of quality on vector and surface, one per model, in closed form.

Least squares on scores, where `linear` is logistic: no iterations, and the strength of the ridge is found from the same
eigenvectors that solve it.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.linear import Recipe, sight
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.reading import Reading

SIGHT = Recipe(8.0, 0.5, 1.0)
"""How strongly vector and surface are seen; the ridge is found, so `c` is not used."""
STRENGTHS = np.geomspace(1.0, 1e6, 25)


class Ridge(NamedTuple):
    """One line per model; weights : shape (n_columns, n_models)."""

    weights: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray) -> Self:
        """Learn one line per model, each from the rows on which it was observed."""
        scales, prior = sight(reading.columns, SIGHT), shrunk_mean(quality)
        weights = np.empty((reading.columns.shape[1], quality.shape[1]))
        for m, observed in enumerate(~np.isnan(quality.T)):
            x = reading.columns[observed, :-1] * scales
            centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
            slopes = solve_ridge(x - centre, quality[observed, m] - prior[m]) * scales
            weights[:, m] = np.append(slopes, prior[m] - centre / scales @ slopes)
        return cls(weights.astype(np.float32))

    def predict(self, reading: Reading) -> FloatArray:
        """Return shape (n_queries, n_models), cut to [0, 1]."""
        return np.clip(reading.columns @ self.weights, 0, 1)


def solve_ridge(x: FloatArray, target: FloatArray) -> FloatArray:
    """Minimise ``|x w - target|² + strength · |w|²``, with the strength that generalised cross-validation chooses.

    x : shape (n_rows, n_columns), columns of mean 0; target : shape (n_rows,). Returns w, shape (n_columns,).

    Source: Golub, Heath & Wahba 1979, V = n · |residual|² / (n - degrees of freedom)², the mean taken off counting for
    one degree; the strength is one of `STRENGTHS`. Differs: none is chosen that leaves no degree of freedom.
    """
    x, n = x.astype(np.float64), len(x)
    power, directions = np.linalg.eigh(x.T @ x)
    power = np.maximum(power, 0.0)
    shadow = directions.T @ (x.T @ target)
    kept = 1 / (power + STRENGTHS[:, None])  # (n_strengths, n_columns)
    # |y - x w|² = |y|² - 2 w·xᵀy + wᵀxᵀx w, in the directions where xᵀx is diagonal.
    residual = target @ target - ((2 - power * kept) * kept * shadow**2).sum(axis=1)
    left = n - 1 - (power * kept).sum(axis=1)
    error = np.where(left > 0, residual / np.maximum(left, 1e-9) ** 2, np.inf)
    # Of equal errors the strongest ridge.
    best = len(error) - 1 - int(np.argmin(error[::-1]))
    result: FloatArray = directions @ (kept[best] * shadow)
    return result
