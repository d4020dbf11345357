"""Neighbourhoods: texts of a kind share their fortunes, so a text's quality is its kind's, shrunk to the mean of all.

Where the kinds are known (the domains of the outcomes) a classifier says how likely a text is of each; where they are
not, soft k-means clusters of the vectors stand for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.linear import Recipe, fit_linear

SHARPNESS = 15.0
"""Of the soft assignment to clusters: weights are softmax(SHARPNESS · cosine)."""
PRIOR_ROWS, KIND_PRIOR_ROWS = 20.0, 5.0
"""How many rows of the overall mean every cluster, and every known kind, starts with."""
KIND = Recipe(8.0, 0.5, 0.3)
"""Of the classifier of kinds."""
MAX_KINDS, ROWS_PER_KIND = 100, 8
MAX_ROWS = 50_000
"""More rows than these are thinned evenly to tell kinds apart: a line of a hundred numbers each needs no more."""
MAX_EXPONENT = np.array(60.0, dtype=np.float32)
MARGIN = 0.02
"""No cluster is surer than this."""
MAX_CLUSTERS = 32
ROWS_PER_CLUSTER = 30
ROUNDS = 20


class Neighbourhoods(NamedTuple):
    """Soft kinds of text and the mean quality in each.

    places : shape (n_columns, n_kinds); columns times these are the logarithms of a text's share in each kind.
    chances : shape (n_kinds, 2 * n_models), shrunk mean quality p of each model, then 1 - p of each.
    """

    places: FloatArray
    chances: FloatArray

    @classmethod
    def fit(cls, columns: FloatArray, dim: int, quality: FloatArray, kinds: Sequence[str] = (), seed: int = 0) -> Self:
        """Learn the kinds, and average quality in each.

        columns : of `StaticEmbedder.read`, whose first `dim` are the vector. quality : shape (n_texts, n_models), NaN
        is left out. kinds : of each text, where they are known; of one only, or too thinly spread, they are not used.
        """
        if usable(kinds):
            names, labels = np.unique(np.array(kinds, dtype=str), return_inverse=True)
            share = (labels[:, None] == np.arange(len(names))).astype(np.float64)
            return cls._of(kind_lines(columns, share), share, quality, KIND_PRIOR_ROWS)
        vectors = columns[:, :dim]
        n_clusters = max(1, min(MAX_CLUSTERS, len(vectors) // ROWS_PER_CLUSTER))
        places = np.zeros((columns.shape[1], n_clusters))
        places[:dim] = kmeans(vectors, n_clusters, seed, unit=True).T * SHARPNESS
        weight = np.exp(columns @ places)
        return cls._of(places, weight / weight.sum(axis=1, keepdims=True), quality, PRIOR_ROWS)

    def logits(self, exponents: FloatArray) -> FloatArray:
        """Return shape (n_texts, n_models): log of weighted p over weighted 1 - p, so the weights need no norm.

        exponents : columns times `places`, shape (n_texts, n_kinds).
        """
        chances = np.log(np.exp(np.minimum(exponents, MAX_EXPONENT)) @ self.chances)
        n_models = chances.shape[1] // 2
        result: FloatArray = chances[:, :n_models] - chances[:, n_models:]
        return result

    @classmethod
    def _of(cls, places: FloatArray, share: FloatArray, quality: FloatArray, prior_rows: float) -> Self:
        observed = ~np.isnan(quality)
        known = np.where(observed, quality, 0.0)
        # One row of one half stands for no knowledge at all.
        overall = (known.sum(axis=0) + 0.5) / (observed.sum(axis=0) + 1)
        means = (share.T @ known + prior_rows * overall) / (share.T @ observed + prior_rows)
        means = np.clip(means, MARGIN, 1 - MARGIN)
        return cls(places.astype(np.float32), np.hstack([means, 1 - means]).astype(np.float32))


def usable(kinds: Sequence[str]) -> bool:
    """Whether there are two kinds or more, not too many, and enough texts of each on average."""
    n_kinds = len(Counter(kinds))
    return 2 <= n_kinds <= MAX_KINDS and len(kinds) >= ROWS_PER_KIND * n_kinds


def kind_lines(columns: FloatArray, share: FloatArray) -> FloatArray:
    """Return one logistic regression for each kind, shape (n_columns, n_kinds).

    share : of each text in each kind, shape (n_texts, n_kinds).
    """
    rows = slice(None, None, max(1, -(-len(columns) // MAX_ROWS)))
    return fit_linear(columns[rows], share[rows], (KIND,))


def kmeans(x: FloatArray, n_clusters: int, seed: int = 0, *, unit: bool = False) -> FloatArray:
    """k-means (Lloyd 1982) seeded by k-means++ (Arthur & Vassilvitskii 2007); returns shape (n_clusters, dim).

    x : shape (n_rows, dim). unit : put centroids back on the sphere (Dhillon & Modha 2001), for rows of norm 1.
    A cluster that loses its rows keeps its place; without rows every centroid is 0.
    """
    if not len(x):
        return np.zeros((n_clusters, x.shape[1]), dtype=np.float32)
    centroids = _spread(x, n_clusters, np.random.default_rng(seed))
    for _ in range(ROUNDS):
        nearest = np.argmax(x @ centroids.T - np.square(centroids).sum(axis=1) / 2, axis=1)
        # A product sums the rows of each cluster several times faster than np.add.at.
        sums = (nearest[:, None] == np.arange(n_clusters)).astype(x.dtype).T @ x
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
