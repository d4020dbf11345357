"""Willingness: the exchange rate between quality and dollars, or seconds, at which a rule keeps to a mean.

A rule is the more generous the more one is willing to pay; so the two willingnesses between which the spending passes
the target are found by bisection, and mixed by each query's own draw so that the target is met in expectation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.play import Trajectory
from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray

Spending = Callable[[float, IntArray], FloatArray]
"""From a willingness and rows, shape (n_rows,), to what each of these queries spends, shape (n_rows,): USD or seconds.
One query's spending does not depend on the others."""

LEAST, MOST = 1e-9, 1e9
"""No willingness beyond these is told from them: a dollar is worth a billion points, or the other way round."""

SAMPLE = 4_000
"""Rows on which the place of the target is found before all of them are asked; more would cost time, not change it."""

COARSE, FINE = 0.01, 0.1
"""How near the two willingnesses are in the end, as differences of logarithms: on the sample, and on all rows."""

WIDER = 1.04
"""Factor by which the place found on the sample is widened, more and more where all rows do not agree."""


class Mixture(NamedTuple):
    """Two willingnesses, and the share of the queries that have the higher one."""

    low: float
    high: float
    high_share: float

    def drawn(self, draw: FloatArray) -> FloatArray:
        """Return each query's willingness, by its draw in [0, 1); shape (n_queries,)."""
        return np.where(draw < self.high_share, self.high, self.low)


def price(
    cost_usd: FloatArray,
    willingness_usd: float | FloatArray,
    latency_s: FloatArray | None = None,
    patience_s: float | FloatArray = np.inf,
) -> FloatArray:
    """Return the price of calling each model, in quality: cost_usd / willingness_usd + latency_s / patience_s.

    cost_usd, latency_s : shape (n_queries, n_models). willingness_usd, patience_s : dollars and seconds that one would
    give for one full point of quality, for all queries or of shape (n_queries,); 0 stands for `LEAST`.
    """
    found = cost_usd / _column(willingness_usd)
    return found if latency_s is None else found + latency_s / _column(patience_s)


def fit(spending: Spending, n_queries: int, target: float) -> Mixture:
    """Return the mixture of two neighbouring willingnesses that spends `target` a query on average.

    It is met exactly over the draws on these rows: (1 - share) * mean at `low` + share * mean at `high`. A target that
    nothing reaches is not reached: everybody is as willing as can be.

    Raises ConfigError where even the least willing spend more, or what they spend is unknown.

    Source: the two deterministic policies of Dekoninck et al. 2025, section 2. Their code gives the share of the
    cheaper one to the dearer.
    """
    rows = np.arange(n_queries)
    sample = rows[:: max(1, n_queries // SAMPLE)]
    near = _bisect(lambda willingness: float(spending(willingness, sample).mean()), LEAST, MOST, target, COARSE)

    @cache
    def mean(willingness: float) -> float:
        return float(spending(willingness, rows).mean())

    low, high = _bracket(mean, *near, target)
    if not mean(low) <= target:
        raise ConfigError(f"No willingness spends {target:g} on average: the least spends {mean(low):g}. Allow more.")
    if mean(high) <= target:
        return Mixture(high, high, 1.0)
    low, high = _bisect(mean, low, high, target, FINE)
    return Mixture(low, high, (target - mean(low)) / (mean(high) - mean(low)))


class Points(NamedTuple):
    """What was given and spent at each willingness of a sweep.

    willingness : shape (n_points,). quality, cost_usd : shape (n_points, n_queries), NaN is unknown.
    """

    willingness: FloatArray
    quality: FloatArray
    cost_usd: FloatArray


def sweep(play_at: Callable[[float], Trajectory], willingness: Iterable[float], outcomes: Outcomes) -> Points:
    """Play at every willingness: a whole curve, query by query."""
    grid = np.fromiter(willingness, dtype=float)
    played = [play_at(float(each)) for each in grid]
    quality = np.array([each.quality(outcomes) for each in played]).reshape(len(grid), -1)
    cost_usd = np.array([each.cost_usd(outcomes) for each in played]).reshape(len(grid), -1)
    return Points(grid, quality, cost_usd)


def _bracket(mean: Callable[[float], float], low: float, high: float, target: float) -> tuple[float, float]:
    """Widen until `low` spends at most the target and `high` more, or the limits are reached."""
    low, high, factor = max(LEAST, low / WIDER), min(MOST, high * WIDER), WIDER
    while mean(low) > target and low > LEAST:
        low, high, factor = max(LEAST, low / factor), low, factor**2
    factor = WIDER
    while mean(high) <= target and high < MOST:
        low, high, factor = high, min(MOST, high * factor), factor**2
    return low, high


def _bisect(
    mean: Callable[[float], float], low: float, high: float, target: float, tolerance: float
) -> tuple[float, float]:
    """Halve the range of log willingness; `low` goes on spending at most the target, `high` more."""
    while math.log(high / low) > tolerance:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if mean(middle) <= target else (low, middle)
    return low, high


def _column(exchange: float | FloatArray) -> FloatArray:
    column: FloatArray = np.maximum(np.asarray(exchange, dtype=float), LEAST).reshape(-1, 1)
    return column
