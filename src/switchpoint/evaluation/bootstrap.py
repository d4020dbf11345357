"""Intervals by the paired percentile bootstrap: queries are drawn again, everything measured on one draw is paired.

Where queries come in groups (near-duplicates of one text, turns of one conversation) whole groups are drawn instead:
rows that say the same twice are one piece of evidence, and intervals that count them twice are too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray, IntArray

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


def weights(
    n_queries: int, resamples: int = RESAMPLES, seed: int = 0, groups: IntArray | None = None
) -> Iterator[FloatArray]:
    """Yield multinomial weights, blocks of shape (n_draws, n_queries), `resamples` draws in all.

    groups : the group of each query, shape (n_queries,); as many groups are drawn as there are, and a query counts as
        often as its group. By default every query is a group of its own, and each row sums to n_queries.
    """
    random = np.random.default_rng(seed)
    group_of = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = n_queries if group_of is None else int(group_of.max(initial=-1)) + 1
    step = max(1, BLOCK_CELLS // max(1, n_queries))
    for start in range(0, resamples, step):
        n_draws = min(step, resamples - start)
        drawn = random.integers(0, n_groups, size=(n_draws, n_groups))
        cells = (drawn + n_groups * np.arange(n_draws)[:, None]).ravel()
        counts = np.bincount(cells, minlength=n_draws * n_groups).reshape(n_draws, n_groups).astype(float)
        yield counts if group_of is None else counts[:, group_of]


def resampled(
    statistics: Mapping[str, Statistic],
    n_queries: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return of each statistic, on the same draws, its value and its resamples, shape (n_draws, ...)."""
    draws = weights(n_queries, resamples, seed, groups)
    blocks = [{name: of(drawn) for name, of in statistics.items()} for drawn in draws]
    once = np.ones((1, n_queries))
    return {name: (of(once)[0], np.concatenate([b[name] for b in blocks])) for name, of in statistics.items()}


def intervals(
    statistics: Mapping[str, Statistic],
    n_queries: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> dict[str, Interval]:
    """Return the interval of each statistic of one number, all on the same draws."""
    found = resampled(statistics, n_queries, resamples, seed, groups)
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


def ratio_of(above: FloatArray, below: FloatArray) -> Statistic:
    """Return the statistic "sum of the one by sum of the other", both (n_queries,), where both are known."""
    known = ~(np.isnan(above) | np.isnan(below))
    top, bottom = np.where(known, above, 0.0), np.where(known, below, 0.0)

    def ratio(drawn: FloatArray) -> FloatArray:
        total = drawn @ bottom
        result: FloatArray = np.divide(drawn @ top, total, out=np.full(total.shape, np.nan), where=total > 0)
        return result

    return ratio


def difference(
    a: FloatArray, b: FloatArray, *, seed: int = 0, resamples: int = RESAMPLES, groups: IntArray | None = None
) -> Interval:
    """Return the interval of the mean of a - b, paired by query, over the queries where both are known; shape (n,)."""
    return intervals({"difference": mean_of(a - b)}, len(a), resamples, seed, groups)["difference"]
