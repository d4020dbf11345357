"""Novelty: how far a query is from everything an estimator was fitted on.

Two views, meaning (the vector) and surface, each with centroids of the known texts. A query is as familiar as in the
worse view, so code and foreign scripts stand out although their vectors look familiar. What counts as far is learned
from kinds of queries that are *left out*: of a new kind, not merely another query of a known one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.neighbourhoods import kmeans
from switchpoint.estimators.static import N_SURFACE

N_CENTROIDS = 64
N_QUANTILES = 64


class Novelty(NamedTuple):
    """Centroids of the known texts, and what left-out kinds look like.

    matrix : shape (n_columns, 2 * N_CENTROIDS); the product with columns gives closeness to each centroid, in the view
        of the vector and in the view of the surface, in comparable units.
    surface_unit : shape (1,), what the squared length of a surface counts in those units.
    left_out : sorted closeness of queries of kinds that the known texts did not hold, shape (n_left_out,).
    shares : shape (n_left_out + 1,), the share of them that is closer, by place among them.
    """

    matrix: FloatArray
    surface_unit: FloatArray
    left_out: FloatArray
    shares: FloatArray

    @classmethod
    def fit(cls, columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray) -> Self:
        """Learn from columns (of `StaticEmbedder.read`), shape (n_texts, n_columns).

        kinds : for each kind, which rows are of it. known : which rows the estimator was fitted on. Known kinds are
        left out in turn; kinds that are not known are as they are. Every kind weighs the same.
        """
        raw = cls(_centroids(columns[known]), np.ones(1), np.zeros(0), np.ones(1))
        views = np.concatenate([raw._left_out(columns, rows, known) for rows in kinds.values() if rows.any()])
        centre = np.median(views, axis=0)
        unit = 1 / np.maximum(np.subtract(*np.quantile(views, [0.75, 0.25], axis=0)), 1e-3)
        matrix = raw.matrix * np.repeat(unit, N_CENTROIDS)
        matrix[-1] -= np.repeat(centre * unit, N_CENTROIDS)
        left_out = np.sort(((views - centre) * unit).min(axis=1))
        shares = np.linspace(1, 0, len(left_out) + 1)
        return cls(*(part.astype(np.float32) for part in (matrix, unit[1:], left_out, shares)))

    def of(self, columns: FloatArray, products: FloatArray | None = None) -> FloatArray:
        """Return the share of left-out queries that are closer than each text, shape (n_texts,), in [0, 1].

        products : ``columns @ matrix``, where the caller has it already.
        """
        views = self._views(columns, columns @ self.matrix if products is None else products)
        share: FloatArray = self.shares[self.left_out.searchsorted(np.minimum(views[:, 0], views[:, 1]))]
        return share

    def _views(self, columns: FloatArray, products: FloatArray) -> FloatArray:
        """Closeness to the nearest centroid in each view, shape (n_texts, 2).

        Of the vector the cosine, of the surface the negative squared distance, -|z - c|² = 2 z·c - |c|² - |z|².
        """
        views: FloatArray = np.maximum.reduce(products.reshape(len(products), 2, products.shape[1] // 2), axis=2)
        surface = columns[:, -1 - N_SURFACE : -1]
        views[:, 1] -= np.vecdot(surface, surface) * self.surface_unit
        return views

    def _left_out(self, columns: FloatArray, rows: BoolArray, known: BoolArray) -> FloatArray:
        """Closeness of one kind to the known texts of all other kinds: quantiles, shape (N_QUANTILES, 2)."""
        matrix = _centroids(columns[known & ~rows]) if (rows & known).any() else self.matrix
        views = self._views(columns[rows], columns[rows] @ matrix)
        quantiles: FloatArray = np.quantile(views, (np.arange(N_QUANTILES) + 0.5) / N_QUANTILES, axis=0)
        return quantiles


def _centroids(columns: FloatArray) -> FloatArray:
    """Cluster the two views apart, and place the centroids so that one product gives both."""
    vectors, surface = columns[:, : -1 - N_SURFACE], columns[:, -1 - N_SURFACE : -1]
    result = np.zeros((columns.shape[1], 2 * N_CENTROIDS), dtype=np.float32)
    result[: -1 - N_SURFACE, :N_CENTROIDS] = kmeans(vectors, N_CENTROIDS, unit=True).T
    points = kmeans(surface, N_CENTROIDS)
    result[-1 - N_SURFACE : -1, N_CENTROIDS:] = 2 * points.T
    result[-1, N_CENTROIDS:] = -np.square(points).sum(axis=1)
    return result
