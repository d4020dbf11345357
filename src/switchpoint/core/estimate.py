"""Prediction and Estimates: what is expected of each model before it is called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray


class Prediction(NamedTuple):
    """What an estimator says about a batch of queries. A tuple, because it is made for every decision.

    mean : shape (n_queries, n_models); NaN is unknown.
    std : shape (n_queries, n_models), the standard error of `mean`, where the estimator knows it.
    novelty : shape (n_queries,), in [0, 1]: the share of the queries of a *kind left out of the training* that are
        closer to it than this one. 0 is familiar ground, 1 is farther than all of them; None where unknown.
    """

    mean: FloatArray
    std: FloatArray | None = None
    novelty: FloatArray | None = None


class Estimates(NamedTuple):
    """All that a policy sees of a batch of queries; columns follow `models`.

    quality : shape (n_queries, n_models), in [0, 1].
    cost_usd : shape (n_queries, n_models); NaN is unknown.
    eligible : shape (n_queries, n_models).
    draw : shape (n_queries,), in [0, 1): a policy's only randomness.
    quality_std : shape (n_queries, n_models), or None.
    latency_s : shape (n_queries, n_models), or None.
    novelty : shape (n_queries,), or None; see `Prediction`.
    """

    models: tuple[str, ...]
    quality: FloatArray
    cost_usd: FloatArray
    eligible: BoolArray
    draw: FloatArray
    quality_std: FloatArray | None = None
    latency_s: FloatArray | None = None
    novelty: FloatArray | None = None

    @property
    def all_eligible(self) -> bool:
        """Whether every model may take every query: the common case, in which nothing need be masked."""
        return bool(np.count_nonzero(self.eligible) == self.eligible.size)
