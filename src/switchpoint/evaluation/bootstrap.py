"""Intervals by the paired percentile bootstrap: queries are drawn again, everything measured on one draw is paired."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray

RESAMPLES = 1_000
LEVEL = 0.95
BLOCK_CELLS = 2_000_000
"""Weights are made in blocks of about so many numbers: it bounds the memory, not the result."""

Statistic = Callable[[FloatArray], FloatArray]
"""From weights, shape (n_draws, n_queries), how often each query counts, to values, shape (n_draws,) or more axes."""


class Interval(NamedTuple):
    """A figure and the range in which 95 % of the resamples lie."""

    value: float
    low: float
    high: float


def weights(n_queries: int, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[FloatArray]:
    """Yield multinomial weights, blocks of shape (n_draws, n_queries), `resamples` draws in all; each row sums to n."""
    random = np.random.default_rng(seed)
    step = max(1, BLOCK_CELLS // max(1, n_queries))
    for start in range(0, resamples, step):
        n_draws = min(step, resamples - start)
        drawn = random.integers(0, n_queries, size=(n_draws, n_queries))
        cells = (drawn + n_queries * np.arange(n_draws)[:, None]).ravel()
        yield np.bincount(cells, minlength=n_draws * n_queries).reshape(n_draws, n_queries).astype(float)


def resampled(
    statistics: Mapping[str, Statistic], n_queries: int, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return of each statistic, on the same draws, its value and its resamples, shape (n_draws, ...)."""
    blocks = [{name: of(drawn) for name, of in statistics.items()} for drawn in weights(n_queries, resamples, seed)]
    once = np.ones((1, n_queries))
    return {name: (of(once)[0], np.concatenate([b[name] for b in blocks])) for name, of in statistics.items()}


def intervals(
    statistics: Mapping[str, Statistic], n_queries: int, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Return the interval of each statistic of one number, all on the same draws."""
    found = resampled(statistics, n_queries, resamples, seed)
    return {name: interval(float(value), draws) for name, (value, draws) in found.items()}


def interval(value: float, draws: FloatArray, level: float = LEVEL) -> Interval:
    """Return the central `level` of the draws, widened to hold the value where they are skewed away from it.

    Draws in which the statistic is not defined (NaN) are left out; with none left, or no value, the ends are NaN.
    """
    known = draws[~np.isnan(draws)]
    if not len(known) or np.isnan(value):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, min(float(low), value), max(float(high), value))


def mean_of(values: FloatArray) -> Statistic:
    """Return the statistic "mean of these values", shape (n_queries,) or (n_queries, n); NaN is left out, not zero."""
    known = (~np.isnan(values)).astype(float)
    filled = np.nan_to_num(values)

    def mean(drawn: FloatArray) -> FloatArray:
        count = drawn @ known
        result: FloatArray = np.divide(drawn @ filled, count, out=np.full(count.shape, np.nan), where=count > 0)
        return result

    return mean


def difference(a: FloatArray, b: FloatArray, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Return the interval of the mean of a - b, paired by query, over the queries where both are known; shape (n,)."""
    return intervals({"difference": mean_of(a - b)}, len(a), resamples, seed)["difference"]
