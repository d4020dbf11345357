"""Linear members: one logistic regression per model on a text's vector and surface.

Their logits are averaged, so any number of them is one matrix: serving costs the same for one as for ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.logistic import fit_logistic
from switchpoint.estimators.static import Reading

CLIP = 4.0
"""Standard deviations; an unheard-of text must not push a member beyond all experience."""


class Basis(NamedTuple):
    """How a text becomes columns: its vector, and its surface standardised and clipped.

    mean, scale : shape (n_features,), of the surface of the training texts.
    """

    mean: FloatArray
    scale: FloatArray

    @classmethod
    def fit(cls, surface: FloatArray) -> Self:
        """Learn the means and the spreads of a surface, shape (n_texts, n_features)."""
        mean, spread = surface.mean(axis=0, dtype=np.float64), surface.std(axis=0, dtype=np.float64)
        # A feature that never varies says nothing, also not when it varies later.
        scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-6)
        return cls(mean.astype(np.float32), scale.astype(np.float32))

    def columns(self, reading: Reading) -> FloatArray:
        """Return shape (n_texts, dim + n_features)."""
        vectors, surface = reading
        dim = vectors.shape[1]
        columns = np.empty((len(vectors), dim + surface.shape[1]), dtype=np.float32)
        columns[:, :dim] = vectors
        z = surface - self.mean
        z *= self.scale
        np.minimum(z, CLIP, out=z)
        np.maximum(z, -CLIP, out=columns[:, dim:])
        return columns


class Recipe(NamedTuple):
    """How strongly a member sees the vector and the surface, and its inverse ridge `c`."""

    vector: float
    surface: float
    c: float


BOTH = Recipe(8.0, 0.5, 0.005)
SURFACE = Recipe(0.0, 1.0, 0.1)


class Linear(NamedTuple):
    """Logits that are linear in the columns; weights : shape (n_columns, n_models), bias : shape (n_models,)."""

    weights: FloatArray
    bias: FloatArray

    @classmethod
    def fit(cls, columns: FloatArray, quality: FloatArray, dim: int, recipes: Sequence[Recipe]) -> Self:
        """Fit every recipe for every model and average their logits.

        columns : of `Basis.columns`, the first `dim` of them the vector; quality : shape (n_texts, n_models), NaN is
        not observed and left out.
        """
        weights = np.zeros((columns.shape[1], quality.shape[1]))
        bias = np.zeros(quality.shape[1])
        for recipe in recipes:
            sight = np.repeat([recipe.vector, recipe.surface], [dim, columns.shape[1] - dim])
            for m, observed in enumerate(~np.isnan(quality.T)):
                w, b = fit_logistic(columns[observed] * sight, quality[observed, m], c=recipe.c)
                weights[:, m] += w * sight / len(recipes)
                bias[m] += b / len(recipes)
        return cls(weights, bias)

    def logits(self, columns: FloatArray) -> FloatArray:
        """Return shape (n_texts, n_models)."""
        result: FloatArray = columns @ self.weights + self.bias
        return result
