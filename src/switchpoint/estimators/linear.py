"""Linear members: one logistic regression per model on the columns of a text.

Averaging their logits averages their weights, so any number of them is one matrix and serving costs the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.logistic import sigmoid, solve_all
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import N_SURFACE


class Recipe(NamedTuple):
    """How strongly a member sees the vector and the surface, and its inverse ridge `c`."""

    vector: float
    surface: float
    c: float


class Linear(NamedTuple):
    """One logistic regression per model on vector and surface; weights : shape (n_columns, n_models)."""

    weights: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, *, surface_only: bool = False) -> Self:
        """Learn one line per model, each from the rows on which it was observed; surface_only : without the vector."""
        recipe = SURFACE if surface_only else BOTH
        return cls(fit_linear(reading.columns, quality, (recipe,)).astype(np.float32))

    def predict(self, reading: Reading) -> FloatArray:
        """Return probabilities, shape (n_queries, n_models)."""
        return sigmoid(reading.columns @ self.weights)


BOTH = Recipe(8.0, 0.5, 0.005)
SURFACE = Recipe(0.0, 1.0, 0.1)
INTERCEPT_RIDGE = 1e-9


def fit_linear(columns: FloatArray, quality: FloatArray, recipes: Sequence[Recipe]) -> FloatArray:
    """Fit every recipe for every model and average their logits.

    columns : of `StaticEmbedder.read`, shape (n_texts, n_columns); quality : shape (n_texts, n_models), in [0, 1], NaN
    is not observed and left out.

    Returns weights, shape (n_columns, n_models): logits are ``columns @ weights``.
    """
    weights = np.zeros((columns.shape[1], quality.shape[1]))
    for recipe in recipes:
        weights += _lines(columns, quality, recipe) / len(recipes)
    return weights


def _lines(columns: FloatArray, quality: FloatArray, recipe: Recipe) -> FloatArray:
    """Fit a recipe for every model at once; one more row, at the mean of all and one half, keeps intercepts finite."""
    scales = sight(columns, recipe)
    x = np.zeros((len(columns) + 1, columns.shape[1]), dtype=np.float32)
    np.multiply(columns[:, :-1], scales, out=x[:-1, :-1], casting="same_kind")
    centre = x[:-1].mean(axis=0, dtype=np.float64)[:-1] if len(columns) else np.zeros(len(scales))
    x[:-1, :-1] -= centre.astype(np.float32)
    x[:, -1] = 1.0
    target = np.vstack([quality, np.full(quality.shape[1], 0.5)])
    mean = np.nanmean(target, axis=0)
    offset = np.log(mean / (1 - mean))  # From the mean no intercept has far to go.
    ridge = np.append(np.ones(len(scales)), INTERCEPT_RIDGE)
    w = solve_all(x, target, ridge=ridge, weight=recipe.c, offset=offset)
    return np.vstack([w[:-1] * scales[:, None], w[-1] + offset - centre @ w[:-1]])


def sight(columns: FloatArray, recipe: Recipe) -> FloatArray:
    """Return the scales with which a recipe sees these columns, the constant one excepted: shape (n_columns - 1,)."""
    spread = _spread(columns)
    result: FloatArray = np.repeat([recipe.vector, recipe.surface], [len(spread) - N_SURFACE, N_SURFACE]) * spread
    return result


def _spread(columns: FloatArray) -> FloatArray:
    """Scales that give the surface of these texts spread 1, whatever it was among the texts of the embedder.

    A feature that hardly varies here is not blown up: it would speak loudest on the texts that have it.
    """
    spread = np.ones(columns.shape[1] - 1)
    if len(columns):
        spread[-N_SURFACE:] = 1 / np.maximum(columns[:, -1 - N_SURFACE : -1].std(axis=0, dtype=np.float64), 0.05)
    return spread
