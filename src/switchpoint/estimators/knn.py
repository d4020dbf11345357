"""kNN: a query's quality is that of the most similar training queries, the closer the more, shrunk to the mean of all.

The standard baseline of the field (RouterBench, LLMRouter), which takes a plain mean of 5 to 50 neighbours.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.index import VectorIndex
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.reading import Reading

BLOCK_NUMBERS = 1 << 22
"""Outcomes of neighbours that are looked at together, 16 MB: a batch of queries is cut to fit."""


class Knn(NamedTuple):
    """Training queries and what came of them.

    rows, scales : of a `VectorIndex` of the queries; quality : shape (n_rows, n_models), NaN is not observed.
    prior : shape (n_models,), mean quality; k, temperature, prior_rows : see `fit`.
    """

    rows: FloatArray
    scales: FloatArray
    quality: FloatArray
    prior: FloatArray
    k: IntArray
    temperature: FloatArray
    prior_rows: FloatArray

    @classmethod
    def fit(
        cls, reading: Reading, quality: FloatArray, *, k: int = 200, temperature: float = 0.15, prior_rows: float = 10.0
    ) -> Self:
        """Keep the rows.

        k : neighbours. temperature : a neighbour weighs exp((cosine - cosine of the closest) / temperature).
        prior_rows : how many rows as close as the closest the mean of all stands for.
        """
        index = VectorIndex.of(reading.vectors).state()
        settings = (np.array(setting) for setting in (k, temperature, prior_rows))
        return cls(index["rows"], index["scales"], quality.astype(np.float32), shrunk_mean(quality), *settings)

    def predict(self, reading: Reading) -> FloatArray:
        """Return the shrunk, weighted mean of what was observed of the neighbours, shape (n_queries, n_models)."""
        rows, cosines = VectorIndex(self.rows, self.scales).search(reading.vectors, int(self.k))
        weight = np.exp((cosines - cosines[:, :1]) / self.temperature)
        good, seen = observed_sums(self.quality, rows, weight)
        return (good + self.prior_rows * self.prior) / (seen + self.prior_rows)


def observed_sums(quality: FloatArray, rows: IntArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the weighted sum of what was observed of each query's neighbours, and the weight of it.

    rows, weight : shape (n_queries, k). Both results are of shape (n_queries, n_models).
    """
    good, seen = np.zeros((2, len(rows), quality.shape[1]))
    step = max(1, BLOCK_NUMBERS // max(1, rows.shape[1] * quality.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        near = quality[rows[part]]  # (n_queries, k, n_models)
        observed = ~np.isnan(near)
        good[part] = (weight[part, None] @ np.where(observed, near, 0.0))[:, 0]
        seen[part] = (weight[part, None] @ observed)[:, 0]
    return good, seen
