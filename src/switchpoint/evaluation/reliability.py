"""Reliability: whether a model predicted to be right seven times in ten is right seven times in ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.metrics import ECE_BINS

Z = 1.959964
"""The normal quantile of a 95 % interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The queries of which a model's predicted quality lies in [low, high); the last bin holds 1 too.

    predicted : their mean predicted quality. observed : their mean observed quality; see `wilson`.
    """

    model: str
    low: float
    high: float
    n_queries: int
    predicted: float
    observed: Interval

    @property
    def honest(self) -> bool:
        """Whether the interval of what was observed holds what was predicted."""
        return self.observed.low <= self.predicted <= self.observed.high


def reliability(
    predicted: FloatArray, observed: FloatArray, models: Sequence[str], bins: int = ECE_BINS
) -> tuple[Bin, ...]:
    """Return the bins of each model, by model and rising, those without an observation left out.

    predicted, observed : shape (n_queries, n_models), in [0, 1]; NaN is left out. The bins are of equal width, and by
    default those of `expected_calibration_error`: ECE is the mean of abs(predicted - observed), weighted by n_queries.

    Source: the reliability diagram of DeGroot and Fienberg (1983).
    """
    found = []
    for model, p, o in zip(models, predicted.T, observed.T, strict=True):
        known = ~(np.isnan(p) | np.isnan(o))
        number = np.clip((p[known] * bins).astype(int), 0, bins - 1)
        counts, sums, rights = (np.bincount(number, w, bins) for w in (None, p[known], o[known]))
        for i in np.flatnonzero(counts):
            n = int(counts[i])
            edges = {"low": float(i) / bins, "high": float(i + 1) / bins}
            rate = wilson(float(rights[i]) / n, n)
            found.append(Bin(model=model, n_queries=n, predicted=float(sums[i]) / n, observed=rate, **edges))
    return tuple(found)


def wilson(rate: float, n: int) -> Interval:
    """Return a rate of n observations with its 95 % score interval, inside [0, 1]; n is 1 or more.

    Wide enough for a fractional quality too, whose variance is at most that of right and wrong.

    Source: Wilson (1927).
    """
    weight = Z**2 / n
    centre = (rate + weight / 2) / (1 + weight)
    half = Z * sqrt(max(rate * (1 - rate), 0.0) / n + weight / (4 * n)) / (1 + weight)
    return Interval(rate, max(0.0, min(centre - half, rate)), min(1.0, max(centre + half, rate)))
