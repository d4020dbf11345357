"""Clusters: a query's quality is that of its kind; kinds are soft k-means clusters, or the domains of the outcomes.

`AvengersPro` is the published form, which mixes quality and cost into one score at training time.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.neighbourhoods import Neighbourhoods, kmeans
from switchpoint.estimators.reading import Reading

BETA = 9.0
"""β of Avengers-Pro: clusters weigh exp(-β · distance)."""


class Clusters(NamedTuple):
    """Soft clusters and the shrunken mean quality in each; see `Neighbourhoods`.

    places : shape (n_columns, n_clusters); chances : shape (n_clusters, 2 * n_models).
    """

    places: FloatArray
    chances: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, *, domains: bool = False) -> Self:
        """Learn the clusters; domains : whether known domains stand for them, told apart by a classifier.

        Where no domains are known, or too thinly, clusters are found all the same.
        """
        kinds = reading.kinds if domains else ()
        return cls(*Neighbourhoods.fit(reading.columns, reading.vectors.shape[1], quality, kinds))

    def predict(self, reading: Reading) -> FloatArray:
        """Return the mean quality of the clusters, weighed by the query's share in each, (n_queries, n_models)."""
        return sigmoid(Neighbourhoods(*self).logits(reading.columns @ self.places))


class AvengersPro(NamedTuple):
    """The performance-efficiency score of each model in each cluster: a score, not a probability.

    centroids : shape (n_clusters, dim); scores : shape (n_clusters, n_models), in [0, 1]; top : clusters heard.

    Source: Avengers-Pro (Zhang et al. 2025) and its code. Differs: where a model was not observed in a cluster it has
    its mean, not 0, and where a model's cost is unknown it counts as the dearest.
    """

    centroids: FloatArray
    scores: FloatArray
    top: IntArray

    @classmethod
    def fit(
        cls,
        reading: Reading,
        quality: FloatArray,
        *,
        alpha: float = 0.7,
        n_clusters: int = 60,
        top: int = 4,
        ranks: bool = False,
        seed: int = 0,
    ) -> Self:
        """Cluster the queries and score the models in each: ``alpha · quality + (1 - alpha) · (1 - cost)``.

        alpha : 1 looks at quality alone, 0 at cost. Both are scaled from 0 to 1 over the models of a cluster. ranks :
        keep 1 / rank instead of the score, and scale costs by the highest alone, as the code does.
        """
        vectors = reading.vectors
        centroids = kmeans(vectors, max(1, min(n_clusters, len(vectors))), seed)
        own = np.argmax(vectors @ centroids.T - np.square(centroids).sum(axis=1) / 2, axis=1)
        member = (own[:, None] == np.arange(len(centroids))).astype(np.float64)
        good = _scaled(_cluster_means(member, quality, shrunk_mean(quality)))
        scores = alpha * good + (1 - alpha) * (1 - _relative_cost(member, reading.cost_usd, good, lowest=not ranks))
        if ranks:
            place = (scores[:, None, :] > scores[:, :, None]).sum(axis=2)  # of how many models it is beaten
            scores = 1 / (place + 1)
        return cls(centroids, scores.astype(np.float32), np.array(top))

    def predict(self, reading: Reading) -> FloatArray:
        """Return the mean score in the nearest clusters, weighed by softmax(-β · distance), (n_queries, n_models)."""
        closeness = reading.vectors @ self.centroids.T
        heard = np.argsort(-closeness, axis=1, kind="stable")[:, : int(self.top)]
        weight = np.exp(BETA * (np.take_along_axis(closeness, heard, axis=1) - closeness.max(axis=1, keepdims=True)))
        weight /= weight.sum(axis=1, keepdims=True)
        # Weights add up to 1 but for rounding.
        score: FloatArray = np.clip((weight[:, None] @ self.scores[heard])[:, 0], 0, 1)
        return score


def _cluster_means(member: FloatArray, values: FloatArray, otherwise: FloatArray) -> FloatArray:
    """Return the mean known value in each cluster, shape (n_clusters, n_models); `otherwise` where none is known."""
    known = ~np.isnan(values)
    total, seen = member.T @ np.where(known, values, 0.0), member.T @ known
    return np.where(seen > 0, total / np.maximum(seen, 1), otherwise)


def _relative_cost(member: FloatArray, cost_usd: FloatArray | None, like: FloatArray, *, lowest: bool) -> FloatArray:
    """Return the cost of each model in each cluster from 0 to 1; 0 for all where no cost at all is known.

    A model whose cost is unknown counts as the dearest of the cluster: unknown is not free.
    """
    known = None if cost_usd is None else ~np.isnan(cost_usd)
    if cost_usd is None or known is None or not known.any():
        return np.zeros_like(like)
    seen = known.sum(axis=0)
    overall = np.where(seen > 0, np.where(known, cost_usd, 0.0).sum(axis=0) / np.maximum(seen, 1), np.nan)
    means = _cluster_means(member, cost_usd, overall)
    means = np.where(np.isnan(means), np.nanmax(means, axis=1, keepdims=True), means)
    return _scaled(means) if lowest else means / np.maximum(means.max(axis=1, keepdims=True), 1e-30)


def _scaled(values: FloatArray) -> FloatArray:
    """Scale each row from 0 to 1; a row of equal values is all 0."""
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    scaled: FloatArray = (values - low) / np.where(high > low, high - low, 1.0)
    return scaled
