"""Evidence: what a recommendation looks at, and the blind mix of two models that every router has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import IntArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, intervals, ratio_of
from switchpoint.evaluation.curve import cost_quality_curve
from switchpoint.evaluation.family import NEAR_BEST, Costs
from switchpoint.evaluation.two_model import TwoModel

WORTH = 0.05
"""A blind mix that certainly saves less than this part of the bill is not worth a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A blind mix of two models: a share of the queries, drawn at random, goes to `high`, the rest to `low`.

    share : in [0, 1]; 0 is always `low`. Models and share were chosen on training rows.
    quality_ratio, cost_ratio : in parts of the best constant model's, on rows where all of them are known.
    """

    low: str
    high: str
    share: float
    quality_ratio: Interval
    cost_ratio: Interval

    @property
    def saves(self) -> bool:
        """Whether it saves more than `WORTH` without having been shown to lose more quality than it may."""
        return self.cost_ratio.high < 1 - WORTH and self.quality_ratio.high >= NEAR_BEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the decision table looks at; None where it could not be measured.

    best : the best constant model, chosen on training rows.
    for_quality, gain : the router chosen for quality, and its paired gain over `best`.
    for_cost, costs : the router chosen for cost, and what its operating points cost.
    pair : the same router's two-model view, looked at only where costs are unknown.
    usd_per_1k, best_usd_per_1k : what the router for quality and the best constant cost.
    """

    best: str
    for_quality: str | None = None
    gain: Interval | None = None
    for_cost: str | None = None
    costs: Costs | None = None
    pair: TwoModel | None = None
    mix: Mix | None = None
    usd_per_1k: Interval | None = None
    best_usd_per_1k: Interval | None = None

    @property
    def gains(self) -> bool:
        """Whether a gain in quality is proven."""
        return self.gain is not None and self.gain.low > 0

    @property
    def saves(self) -> bool:
        """Whether routing is proven to be the cheaper way to near-best quality; an unknown figure proves nothing."""
        found = self.costs
        if found is None:
            return False
        ratio = found.near_best_ratio
        return ratio.high < blind_ratio(found) and ratio.value < found.near_best_ratio_shuffled.low

    @property
    def orders(self) -> bool:
        """Whether, of a pair without costs, the router saves strong calls beyond the luck of a blind order."""
        return self.costs is None and self.pair is not None and self.pair.apgr.low > self.pair.apgr_random.high


def blind_mix(train: Outcomes, test: Outcomes, best: str, *, resamples: int = RESAMPLES, seed: int = 0) -> Mix | None:
    """Choose the cheapest blind mix of near-best quality on `train`, and measure it on `test`, paired by query.

    None where the quality or the cost of a model is unknown, or `best` costs nothing.
    """
    cost, quality, column = train.mean_cost_usd(), train.mean_quality(), train.column(best)
    if np.isnan(cost).any() or np.isnan(quality).any() or not test.mean_cost_usd()[column] > 0:
        return None
    corners, share = _chosen(train, NEAR_BEST * float(quality[column]))
    weight = np.array([1 - share, share])
    figures = {
        name: ratio_of(values[:, corners] @ weight, values[:, column])
        for name, values in (("quality_ratio", test.quality), ("cost_ratio", test.cost_usd))
    }
    low, high = (train.models[i] for i in corners)
    return Mix(low=low, high=high, share=share, **intervals(figures, len(test), resamples, seed))


def _chosen(train: Outcomes, quality: float) -> tuple[IntArray, float]:
    """Return the columns of the two corners of the hull beside a quality, and the share of the better one."""
    cost, means = train.mean_cost_usd(), train.mean_quality()
    hull = cost_quality_curve(cost, means)
    at = min(int(np.searchsorted(hull.quality, quality)), len(hull.quality) - 1)
    before = max(at - 1, 0)
    rise = float(hull.quality[at] - hull.quality[before])
    share = (quality - float(hull.quality[before])) / rise if rise > 0 else 0.0
    corners = [np.flatnonzero((cost == hull.cost_usd[i]) & (means == hull.quality[i]))[0] for i in (before, at)]
    return np.array(corners), share


def blind_ratio(costs: Costs) -> float:
    """Return what near-best quality costs without a router: the best constant itself is at hand for 1."""
    return float(np.fmin(costs.near_best_ratio_single_models.value, 1.0))
