"""Clusters: texts of a kind share their fortunes, so a text's quality is its neighbourhood's, shrunk to the mean."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray

SHARPNESS = 15.0
"""Of the soft assignment: weights are softmax(SHARPNESS · cosine)."""
PRIOR_ROWS = 20.0
"""How many rows of the overall mean every cluster starts with."""
MARGIN = 0.02
"""No cluster is surer than this."""
MAX_CLUSTERS = 32
ROWS_PER_CLUSTER = 30
ROUNDS = 20


class Clusters(NamedTuple):
    """Soft k-means clusters and the mean quality in each.

    centroids : shape (dim, n_clusters), unit columns times SHARPNESS, so that a product is an exponent.
    chances : shape (n_clusters, 2 * n_models), shrunk mean quality p of each model, then 1 - p of each.
    """

    centroids: FloatArray
    chances: FloatArray

    @classmethod
    def fit(cls, vectors: FloatArray, quality: FloatArray, seed: int = 0) -> Self:
        """Cluster the vectors, shape (n_texts, dim), and average quality, shape (n_texts, n_models), NaN left out."""
        n_clusters = max(1, min(MAX_CLUSTERS, len(vectors) // ROWS_PER_CLUSTER))
        centroids = kmeans(vectors, n_clusters, seed, unit=True).T * SHARPNESS
        observed = ~np.isnan(quality)
        known = np.where(observed, quality, 0.0)
        # One row of one half stands for no knowledge at all.
        overall = (known.sum(axis=0) + 0.5) / (observed.sum(axis=0) + 1)
        weight = np.exp(vectors @ centroids)
        share = weight / weight.sum(axis=1, keepdims=True)
        means = (share.T @ known + PRIOR_ROWS * overall) / (share.T @ observed + PRIOR_ROWS)
        means = np.clip(means, MARGIN, 1 - MARGIN)
        return cls(centroids.astype(np.float32), np.hstack([means, 1 - means]).astype(np.float32))

    def logits(self, vectors: FloatArray) -> FloatArray:
        """Return shape (n_texts, n_models): log of weighted p over weighted 1 - p, so the weights need no norm."""
        chances = np.log(np.exp(vectors @ self.centroids) @ self.chances)
        n_models = chances.shape[1] // 2
        result: FloatArray = chances[:, :n_models] - chances[:, n_models:]
        return result


def kmeans(x: FloatArray, n_clusters: int, seed: int = 0, *, unit: bool = False) -> FloatArray:
    """k-means (Lloyd 1982) seeded by k-means++ (Arthur & Vassilvitskii 2007); returns shape (n_clusters, dim).

    x : shape (n_rows, dim). unit : put centroids back on the sphere (Dhillon & Modha 2001), for rows of norm 1.
    A cluster that loses its rows keeps its place; without rows every centroid is 0.
    """
    if not len(x):
        return np.zeros((n_clusters, x.shape[1]), dtype=np.float32)
    centroids = _spread(x, n_clusters, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        nearest = np.argmin(np.square(centroids).sum(axis=1) - 2 * x @ centroids.T, axis=1)
        sums = np.zeros_like(centroids)
        np.add.at(sums, nearest, x)
        sizes = np.linalg.norm(sums, axis=1) if unit else np.bincount(nearest, minlength=n_clusters)
        centroids = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1e-12)[:, None], centroids)
    return centroids.astype(np.float32)


def _spread(x: FloatArray, n_clusters: int, rng: np.random.Generator) -> FloatArray:
    """Choose rows far from each other: each next one with probability proportional to its squared distance."""
    chosen = [int(rng.integers(len(x)))]
    distance = np.square(x - x[chosen[0]]).sum(axis=1)
    while len(chosen) < n_clusters:
        weight = distance.astype(np.float64) + 1e-12
        chosen.append(int(rng.choice(len(x), p=weight / weight.sum())))
        distance = np.minimum(distance, np.square(x - x[chosen[-1]]).sum(axis=1))
    return x[chosen].astype(np.float32)
