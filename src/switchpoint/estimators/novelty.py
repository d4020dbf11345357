"""Novelty: how far a query is from everything an estimator was fitted on.

Two views, meaning (the vector) and surface, each with centroids of the known texts. The similarity of a query is that of
the worse view, so code and foreign scripts stand out although their vectors look familiar. What counts as far is learned
from kinds of queries that are *left out*: of a new kind, not merely another query of a known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.clusters import kmeans
from switchpoint.estimators.lexical import NAMES

N_CENTROIDS = 128
N_QUANTILES = 64


class Novelty(NamedTuple):
    """Centroids of the known texts, and what left-out kinds look like.

    centroids : shape (n_columns, 2 * N_CENTROIDS), the first half sees the vector, the second half the surface.
    centre, scale : shape (2,), standardise the similarities of the two views.
    left_out : sorted similarities of queries of kinds that the known texts did not hold.
    """

    centroids: FloatArray
    centre: FloatArray
    scale: FloatArray
    left_out: FloatArray

    @classmethod
    def fit(cls, columns: FloatArray, dim: int, kinds: Mapping[str, BoolArray], known: BoolArray) -> Self:
        """Learn from columns (of `Basis.columns`), shape (n_texts, n_columns).

        kinds : for each kind, which rows are of it; a row may have none. known : which rows the estimator was fitted
        on. Known kinds are left out in turn; kinds that are not known are as they are. Every kind weighs the same.
        """
        centroids = _centroids(columns[known], dim)
        views = np.concatenate([_left_out(columns, dim, rows, known, centroids) for rows in kinds.values() if rows.any()])
        centre = np.median(views, axis=0)
        scale = 1 / np.maximum(np.subtract(*np.quantile(views, [0.75, 0.25], axis=0)), 1e-3)
        left_out = np.sort(((views - centre) * scale).min(axis=1))
        return cls(centroids, centre.astype(np.float32), scale.astype(np.float32), left_out.astype(np.float32))

    def of(self, columns: FloatArray, cosines: FloatArray | None = None) -> FloatArray:
        """Return the share of left-out queries that are closer than each text, shape (n_texts,), in [0, 1].

        cosines : ``columns @ centroids`` where the caller has it already.
        """
        cosines = columns @ self.centroids if cosines is None else cosines
        views = _views(columns, cosines, self.centroids.shape[0] - len(NAMES))
        views -= self.centre
        views *= self.scale
        closer = len(self.left_out) - self.left_out.searchsorted(np.minimum(views[:, 0], views[:, 1]))
        share: FloatArray = closer / len(self.left_out)
        return share


def _centroids(columns: FloatArray, dim: int) -> FloatArray:
    """Cluster the two views apart, and place the centroids so that one product gives both."""
    vectors, surface = columns[:, :dim], columns[:, dim:]
    length = np.maximum(np.linalg.norm(surface, axis=1, keepdims=True), 1e-6)
    result = np.zeros((columns.shape[1], 2 * N_CENTROIDS), dtype=np.float32)
    result[:dim, :N_CENTROIDS] = kmeans(vectors, N_CENTROIDS).T
    result[dim:, N_CENTROIDS:] = kmeans(surface / length, N_CENTROIDS).T
    return result


def _left_out(
    columns: FloatArray, dim: int, rows: BoolArray, known: BoolArray, centroids: FloatArray
) -> FloatArray:
    """Similarities of one kind to the known texts of other kinds: quantiles, shape (N_QUANTILES, 2)."""
    if (rows & known).any():
        centroids = _centroids(columns[known & ~rows], dim)
    views = _views(columns[rows], columns[rows] @ centroids, dim)
    quantiles: FloatArray = np.quantile(views, (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES, axis=0)
    return quantiles


def _views(columns: FloatArray, cosines: FloatArray, dim: int) -> FloatArray:
    """Highest cosine in each view, shape (n_texts, 2)."""
    views: FloatArray = np.maximum.reduce(cosines.reshape(len(cosines), 2, -1), axis=2)
    surface = columns[:, dim:]
    views[:, 1] /= np.sqrt(np.vecdot(surface, surface)) + np.float32(1e-6)
    return views
