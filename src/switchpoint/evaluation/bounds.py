"""Bounds of a mean loss that hold with a stated confidence at any number of queries, whatever the losses look like."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from switchpoint.core.query import FloatArray

MAX_BET = 0.95
"""Largest bet; a bet of 1 could lose everything in one query."""
TOLERANCE = 1e-6
"""To which bounds are found."""

Bound = Callable[[FloatArray, float], float]
"""From losses, shape (n_queries,), and an error probability to the upper bound of their mean, in [0, 1]."""


def betting_bound(losses: FloatArray, error: float) -> float:
    """Return what the mean of losses in [-1, 1] does not exceed, with probability 1 - `error`.

    Against every level in [0, 1] a gambler bets that losses lie below it; where the mean is at that level or above he
    multiplies his money by 1 / error with probability `error` at most (Ville). The bound is the lowest level against
    which he does. It is not looked for below 0, and never below the observed mean.

    Source: Waudby-Smith and Ramdas 2024, the predictable plug-in bets of their hedged capital. Differs: one-sided, for
    losses in [-1, 1], and with one limit on the bets at all levels, so that capital falls as the level does.
    """
    if not len(losses):
        return 1.0
    shuffled = np.random.default_rng(0).permutation(losses)  # a file sorted by subject is no sequence of equal chances
    bets = _bets(shuffled, error)
    return max(float(losses.mean()), _lowest(lambda level: _capital(shuffled, bets, level) >= math.log(1 / error)))


def binomial_bound(losses: FloatArray, error: float) -> float:
    """Return what the probability of a loss above 0, and so the mean of losses of at most 1, does not exceed.

    Exact where losses are 0 or 1, and then tighter than betting; where some are negative it gives their part away.

    Source: Clopper and Pearson 1934, the upper end of the one-sided interval.
    """
    n_queries, n_lost = len(losses), int((losses > 0).sum())
    if n_lost == n_queries:
        return 1.0
    terms = np.arange(1, n_lost + 1)
    choose_log = np.r_[0.0, np.log((n_queries - terms + 1) / terms).cumsum()]  # of `n_queries` over 0, 1, … `n_lost`

    def unlikely(level: float) -> bool:
        """Whether so few losses, or fewer, have at most the error probability at this level."""
        if level <= 0:
            return False
        logs = choose_log + np.r_[0, terms] * math.log(level) + (n_queries - np.r_[0, terms]) * math.log1p(-level)
        return float(np.logaddexp.reduce(logs)) <= math.log(error)

    return _lowest(unlikely)


BOUNDS: dict[str, Bound] = {"betting": betting_bound, "binomial": binomial_bound}


def rows_needed(losses: FloatArray, max_loss: float, error: float) -> int | None:
    """Return about how many rows like these would bound their mean by `max_loss` half the time; None if none would.

    The gambler's money grows by mean(log(1 + bet * (max_loss - loss))) a query at the best bet; it has to reach
    log(1 / error). Near the limit that is 2 log(1 / error) variance / (max_loss - mean)². Right within a factor of 2
    where the observed losses are typical; a handful of rows without any loss says little.
    """
    grid = np.linspace(0.01, MAX_BET, 95)
    if not len(losses):
        return None
    growth = float(np.log1p(grid[:, None] * (max_loss - losses)).mean(axis=1).max())
    return None if growth <= 0 else math.ceil(math.log(1 / error) / growth)


def _bets(losses: FloatArray, error: float) -> FloatArray:
    """Return what is bet on each loss by those before it alone, shape (n_queries,), in (0, MAX_BET]."""
    counts = np.arange(1, len(losses) + 1)
    means = losses.cumsum() / (counts + 1)
    variances = (0.25 + ((losses - means) ** 2).cumsum()) / (counts + 1)
    before = np.r_[0.25, variances[:-1]]
    bets: FloatArray = np.minimum(np.sqrt(2 * math.log(1 / error) / (len(losses) * before)), MAX_BET)
    return bets


def _capital(losses: FloatArray, bets: FloatArray, level: float) -> float:
    """Return the logarithm of the most that the gambler ever had of a capital of 1."""
    return float(np.log1p(bets * (level - losses)).cumsum().max())


def _lowest(rejected: Callable[[float], bool]) -> float:
    """Return the lowest level in [0, 1] that is rejected, to `TOLERANCE` above; levels above a rejected one are too."""
    low, high = 0.0, 1.0
    if rejected(low):
        return low
    while high - low > TOLERANCE:
        middle = (low + high) / 2
        low, high = (low, middle) if rejected(middle) else (middle, high)
    return high
