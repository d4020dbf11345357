"""Policies: estimates in, one column and its probability out. All arithmetic, no state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Estimates
from switchpoint.core.protocols import Policy
from switchpoint.core.query import BoolArray, FloatArray, IntArray

ONE, HALF = np.array(1.0, dtype=np.float32), np.array(0.5, dtype=np.float32)
"""As arrays, because every plain number of an expression costs half a microsecond to convert."""
WORST = float(np.finfo(np.float32).min)
"""Stands for an unknown quality where some model must be chosen: below every estimate, above an excluded model."""
_ONES = np.ones(64)
_ONES.flags.writeable = False


@dataclass(frozen=True, slots=True)
class MaxUtility:
    """Maximise quality - cost / `willingness_usd`: dollars one would pay for one full point of quality.

    0 is the cheapest model, infinity the best one. A model of unknown cost is chosen only where no eligible model's
    cost is known (then by quality), or where cost does not matter. Ties go to the cheaper, then to the earlier model.

    Source: the utility of RouterBench (Hu et al. 2024) and of cascade routing (Dekoninck et al. 2025), whose λ has
    opposite meanings; ours is named by its unit.
    """

    willingness_usd: float

    def __post_init__(self) -> None:
        if not self.willingness_usd >= 0:
            raise ConfigError(f"willingness_usd must be 0 or more. Got {self.willingness_usd!r}.")

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the column of the highest utility, probability 1."""
        utility = self.utility(estimates)
        best = estimates.eligible & (utility >= utility.max(axis=1, keepdims=True) - 1e-12)
        cost = np.where(best, np.nan_to_num(estimates.cost_usd, nan=np.inf), np.inf)
        columns = np.where(np.isfinite(cost).any(axis=1), cost.argmin(axis=1), best.argmax(axis=1))
        return columns, certain(len(columns))

    def utility(self, estimates: Estimates) -> FloatArray:
        """Return shape (n_queries, n_models); minus infinity where a model is not to be chosen."""
        if self.willingness_usd == np.inf:
            value = estimates.quality
        else:
            cost = estimates.cost_usd
            known = (np.isfinite(cost) & estimates.eligible).any(axis=1, keepdims=True)
            priced = -cost if self.willingness_usd == 0 else estimates.quality - cost / self.willingness_usd
            value = np.where(known, priced, estimates.quality)
        return np.where(estimates.eligible & ~np.isnan(value), value, -np.inf)


@dataclass(frozen=True, slots=True)
class CheapestAbove:
    """The cheapest model whose predicted quality is `floor` or more; where there is none, the best.

    A model of unknown quality is above no floor. Of the models above it one of unknown cost is chosen only where no
    other's cost is known, then by quality. Ties in cost go to the better, then to the earlier model.
    """

    floor: float

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= 1:
            raise ConfigError(f"quality_floor must be in [0, 1]. Got {self.floor!r}.")

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the column of the chosen model, probability 1."""
        above = estimates.eligible & (estimates.quality >= self.floor)
        best = _within(0.0, estimates)
        columns = _cheapest(np.where(above.any(axis=1, keepdims=True), above, best), estimates)
        return columns, certain(len(columns))


@dataclass(frozen=True, slots=True)
class CheapestWithin:
    """The cheapest model whose predicted quality is at most `epsilon` below that of the best eligible one.

    0 is the best model, of equally good ones the cheapest; 1 the cheapest. A model of unknown quality is chosen only
    where no eligible model's quality is known; unknown costs and ties as in `CheapestAbove`.
    """

    epsilon: float

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise ConfigError(f"within_of_best must be in [0, 1]. Got {self.epsilon!r}.")

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the column of the chosen model, probability 1."""
        columns = _cheapest(_within(self.epsilon, estimates), estimates)
        return columns, certain(len(columns))


def _within(epsilon: float, estimates: Estimates) -> BoolArray:
    """Say which eligible models are within `epsilon` of the best; all of them in a row without a known quality."""
    quality = np.where(estimates.eligible & ~np.isnan(estimates.quality), estimates.quality, -np.inf)
    # Differences of decimals such as 0.9 - 0.8 round to either side of 0.1.
    near: BoolArray = estimates.eligible & (quality >= quality.max(axis=1, keepdims=True) - epsilon - 1e-12)
    return near


def _cheapest(among: BoolArray, estimates: Estimates) -> IntArray:
    """Return the cheapest column of those marked, at least one a row; of equals, and where no cost is known, the best.

    among : shape (n_queries, n_models).
    """
    cost = np.where(among & np.isfinite(estimates.cost_usd), estimates.cost_usd, np.inf)
    cheapest = among & (cost == cost.min(axis=1, keepdims=True))
    quality = np.where(cheapest, np.nan_to_num(estimates.quality, nan=WORST), -np.inf)
    columns: IntArray = quality.argmax(axis=1)
    return columns


@dataclass(frozen=True, slots=True)
class StrongIfWorth:
    """The two-model view: the strong model if it wins against the weak one with probability `threshold` or more.

    The win rate is (1 + quality_strong - quality_weak) / 2: the probability that one answer of each, right or wrong
    independently, ends in a win of the strong one, ties counted half. It takes the place of RouteLLM's score in
    `router-NAME-THRESHOLD`; the meaning of the threshold is the same, its scale is the estimator's.
    Where only one of the two may take the query it is chosen; where neither may, the best that may.
    """

    weak: str
    strong: str
    threshold: float

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the column of the chosen model, probability 1."""
        weak, strong = estimates.models.index(self.weak), estimates.models.index(self.strong)
        worth = win_rate(estimates.quality, weak, strong) >= self.threshold
        columns = np.array((weak, strong)).take(worth)
        if not estimates.all_eligible:
            columns = self._among_eligible(columns, estimates, weak, strong)
        return columns, certain(len(columns))

    @staticmethod
    def _among_eligible(columns: IntArray, estimates: Estimates, weak: int, strong: int) -> IntArray:
        columns = np.where(estimates.eligible[:, strong], columns, weak)
        columns = np.where(estimates.eligible[:, weak], columns, strong)
        neither = ~(estimates.eligible[:, weak] | estimates.eligible[:, strong])
        if neither.any():
            columns = np.where(neither, MaxUtility(np.inf)(estimates)[0], columns)
        return columns


def certain(n_queries: int) -> FloatArray:
    """Return the probabilities of choices that were not drawn, shape (n_queries,); not to be written to."""
    return _ONES[:n_queries] if n_queries <= len(_ONES) else np.ones(n_queries)


def win_rate(quality: FloatArray, weak: int, strong: int) -> FloatArray:
    """Return the probability that `strong` wins against `weak`, ties half; shape (n_queries,), in [0, 1]."""
    rate: FloatArray = (quality[:, strong] - quality[:, weak] + ONE) * HALF
    return rate


@dataclass(frozen=True, slots=True)
class Random:
    """Draw a model with the given weights, among the eligible ones; equal weights if none is eligible by weight."""

    weights: Mapping[str, float]

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the drawn columns and their probabilities."""
        weights = np.array([self.weights.get(model, 0.0) for model in estimates.models])
        return draw_columns(np.where(estimates.eligible, weights, 0.0), estimates)


@dataclass(frozen=True, slots=True)
class Explore:
    """Follow a policy, but with probability `rate` draw any eligible model; so the log can teach about all of them."""

    policy: Policy
    rate: float

    def __call__(self, estimates: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the columns and the probability that each had under the mixture."""
        columns, propensities = self.policy(estimates)
        rows = np.arange(len(columns))
        share = estimates.eligible / estimates.eligible.sum(axis=1, keepdims=True)
        probability = self.rate * share
        probability[rows, columns] += (1.0 - self.rate) * propensities
        return draw_columns(probability, estimates)


def draw_columns(weights: FloatArray, estimates: Estimates) -> tuple[IntArray, FloatArray]:
    """Draw one column a row in proportion to `weights`, shape (n_queries, n_models), by each query's own draw."""
    weights = np.where(weights.sum(axis=1, keepdims=True) > 0, weights, estimates.eligible)
    probability = weights / weights.sum(axis=1, keepdims=True)
    edges = probability.cumsum(axis=1)
    # The last edge may round to just below 1; the draw is then beyond it and belongs to the last possible model.
    columns = np.minimum((estimates.draw[:, None] >= edges).sum(axis=1), _last_possible(probability))
    return columns, probability[np.arange(len(columns)), columns]


def _last_possible(probability: FloatArray) -> IntArray:
    last: IntArray = probability.shape[1] - 1 - (probability[:, ::-1] > 0).argmax(axis=1)
    return last
