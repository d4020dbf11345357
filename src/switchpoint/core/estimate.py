"""Prediction and Estimates: what is expected of each model before it is called."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray


class Prediction(NamedTuple):
    """What an estimator says about a batch of queries. A tuple, because it is made for every decision.

    mean : shape (n_queries, n_models); NaN is unknown.
    novelty : shape (n_queries,), in [0, 1]: how probably the query is of a kind that the training did not hold, before
        one knows how common these are; 0 is familiar ground, 0.5 undecided. None where unknown.
    proven : shape (n_queries, n_models): quality as a cautious choice takes it: `mean` for the best constant model of
        the training, and for another one that plus what it is proven to add, less every doubt; so it may leave [0, 1].
        None where the estimator keeps no such evidence.
    """

    mean: FloatArray
    novelty: FloatArray | None = None
    proven: FloatArray | None = None


class Estimates(NamedTuple):
    """All that a policy sees of a batch of queries; columns follow `models`.

    quality : shape (n_queries, n_models), in [0, 1].
    cost_usd : shape (n_queries, n_models); NaN is unknown.
    eligible : shape (n_queries, n_models).
    draw : shape (n_queries,), in [0, 1): a policy's only randomness.
    latency_s : shape (n_queries, n_models), or None.
    novelty, proven : shapes (n_queries,) and (n_queries, n_models), or None; see `Prediction`.
    """

    models: tuple[str, ...]
    quality: FloatArray
    cost_usd: FloatArray
    eligible: BoolArray
    draw: FloatArray
    latency_s: FloatArray | None = None
    novelty: FloatArray | None = None
    proven: FloatArray | None = None

    @property
    def all_eligible(self) -> bool:
        """Whether every model may take every query: the common case, in which nothing need be masked."""
        return bool(np.count_nonzero(self.eligible) == self.eligible.size)

    def cautiously(self) -> Estimates:
        """Return these estimates with what is proven as the quality, where there is such evidence; else as they are.

        The evidence has taken the novelty of each query into account, so that is not to be judged once more.
        """
        return self if self.proven is None else self._replace(quality=self.proven, novelty=None)

    def within(self, max_latency_s: float) -> Estimates:
        """Return these estimates with models that are expected to take longer not eligible.

        Where every eligible model is, the quickest stays. One of unknown latency may be within the limit, so it stays.
        """
        if self.latency_s is None:
            return self
        seconds = np.where(self.eligible, np.nan_to_num(self.latency_s, nan=0.0), np.inf)
        limit = np.maximum(seconds.min(axis=1, keepdims=True), max_latency_s)
        return self._replace(eligible=self.eligible & (seconds <= limit))
