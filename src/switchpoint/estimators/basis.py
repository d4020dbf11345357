"""Basis: the columns that every linear member is a weighted sum of, so that all of them fold into one matrix.

Vector of the text, its surface standardised and clipped, and its surface as steps: for each feature, whether it lies
above each decile. A sum of steps is any function that is constant between deciles, so an additive model is linear here.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.static import Reading

STEPS = 9
CLIP = 4.0
"""Standard deviations; an unheard-of text must not push a linear member beyond all experience."""


class Basis(NamedTuple):
    """Fitted to the surface of training texts.

    mean, scale : shape (n_features,); steps : shape (STEPS, n_features), deciles.
    """

    mean: FloatArray
    scale: FloatArray
    steps: FloatArray

    @classmethod
    def fit(cls, surface: FloatArray) -> Self:
        """Learn means, spreads and deciles, surface of shape (n_texts, n_features)."""
        deciles = np.quantile(surface, np.arange(1, STEPS + 1) / (STEPS + 1), axis=0)
        return cls(
            surface.mean(axis=0, dtype=np.float64).astype(np.float32),
            (1 / np.maximum(surface.std(axis=0, dtype=np.float64), 1e-6)).astype(np.float32),
            deciles.astype(np.float32),
        )

    def expand(self, reading: Reading) -> FloatArray:
        """Return the columns, shape (n_texts, dim + n_features + STEPS * n_features)."""
        vectors, surface = reading
        n_texts, dim = vectors.shape
        plain = dim + surface.shape[1]
        columns = np.empty((n_texts, plain + self.steps.size), dtype=np.float32)
        columns[:, :dim] = vectors
        z = (surface - self.mean) * self.scale
        np.minimum(z, CLIP, out=z)
        np.maximum(z, -CLIP, out=columns[:, dim:plain])
        columns[:, plain:] = (surface[:, None, :] > self.steps).reshape(n_texts, -1)
        return columns
