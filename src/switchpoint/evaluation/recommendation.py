"""Recommendation: what to do with a set of models, as a decision table over intervals and a sentence for anybody.

The table, its first line that holds:

route for quality   the router's gain over the best constant model: the whole interval lies above 0
route for cost      98 % of the best constant's quality is cheaper by the router than by the blind mix, beyond what the
                    same estimates reach when they are dealt out to other queries; or, of a pair without costs, the
                    router's order beats every blind order
mix two models      a blind mix of two models keeps 98 % at a saving worth having
one model           otherwise

Each router in it was chosen by cross-validation on training rows; no line looks for the best of many on the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import IntArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, intervals, ratio_of
from switchpoint.evaluation.curve import cost_quality_curve
from switchpoint.evaluation.family import NEAR_BEST, Costs
from switchpoint.evaluation.two_model import TwoModel

WORTH = 0.05
"""A blind mix that certainly saves less than this part of the bill is not worth a change."""


class Action(StrEnum):
    """What is recommended: a closed set."""

    QUALITY = "route for quality"
    COST = "route for cost"
    MIX = "mix two models"
    CONSTANT = "one model for everything"


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
        return ratio.high < _blind(found) and ratio.value < found.near_best_ratio_shuffled.low

    @property
    def orders(self) -> bool:
        """Whether, of a pair without costs, the router saves strong calls beyond the luck of a blind order."""
        return self.costs is None and self.pair is not None and self.pair.apgr.low > self.pair.apgr_random.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What to do, and why.

    router : None unless it is to route. models : those that would be called, the most able last, as far as it is known.
    sentence : for a person who has read nothing else. because : one line for each line of the table that was looked at.
    """

    action: Action
    router: str | None
    models: tuple[str, ...]
    sentence: str
    because: tuple[str, ...]


def recommend(evidence: Evidence) -> Recommendation:
    """Go down the decision table and say what is found."""
    because = tuple(line for line in (_on_quality(evidence), _on_cost(evidence), _on_mix(evidence)) if line)
    if evidence.gains:
        return _of(Action.QUALITY, evidence.for_quality, (evidence.best,), _quality(evidence), because)
    if evidence.saves:
        return _of(Action.COST, evidence.for_cost, (evidence.best,), _cost(evidence), because)
    if evidence.orders and evidence.pair is not None:
        pair = (evidence.pair.weak, evidence.pair.strong)
        return _of(Action.COST, evidence.for_cost, pair, _calls(evidence, evidence.pair), because)
    mix = evidence.mix
    if mix is not None and mix.saves and mix.share > 0:
        return _of(Action.MIX, None, (mix.low, mix.high), _mixed(mix, evidence.best), because)
    if mix is not None and mix.saves:
        return _of(Action.CONSTANT, None, (mix.low,), _cheaper(mix, evidence.best), because)
    return _of(Action.CONSTANT, None, (evidence.best,), _constant(evidence), because)


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


def _of(
    action: Action, router: str | None, models: tuple[str, ...], sentence: str, because: tuple[str, ...]
) -> Recommendation:
    return Recommendation(action=action, router=router, models=models, sentence=sentence, because=because)


def _quality(evidence: Evidence) -> str:
    gain = evidence.gain
    assert gain is not None
    return (
        f"Route: letting '{evidence.for_quality}' pick the model raises quality by {gain.value * 100:.1f} points of 100 "
        f"over always {evidence.best} ({points_range(gain)}){_bill(evidence)}."
    )


def _bill(evidence: Evidence) -> str:
    paid, best = evidence.usd_per_1k, evidence.best_usd_per_1k
    if paid is None or best is None or not best.value > 0:
        return ""
    change = paid.value / best.value - 1
    return f", at {share_of(abs(change))} {'more' if change > 0 else 'less'} cost"


def _cost(evidence: Evidence) -> str:
    found = evidence.costs
    assert found is not None
    ratio = found.near_best_ratio
    return (
        f"Route to save: with '{evidence.for_cost}', {share_of(NEAR_BEST)} of the quality of always {evidence.best} "
        f"costs {share_of(ratio.value)} of its bill ({share_range(ratio)}); mixing models blindly costs "
        f"{share_of(_blind(found))}."
    )


def _calls(evidence: Evidence, pair: TwoModel) -> str:
    return (
        f"Route to save: with '{evidence.for_cost}', {share_of(pair.cpt50.value)} of the calls to {pair.strong} bring "
        f"half of what it adds to {pair.weak}, and {share_of(pair.cpt80.value)} bring four fifths; chosen blindly, "
        f"{share_of(0.5)} and {share_of(0.8)} would be needed."
    )


def _mixed(mix: Mix, best: str) -> str:
    return (
        f"Do not train a router: send {share_of(mix.share)} of the queries, drawn at random, to {mix.high} and the rest "
        f"to {mix.low}. That keeps {share_of(mix.quality_ratio.value)} of the quality of always {best} at "
        f"{share_of(mix.cost_ratio.value)} of its cost ({share_range(mix.cost_ratio)})."
    )


def _cheaper(mix: Mix, best: str) -> str:
    return (
        f"Use {mix.low} for everything: it keeps {share_of(mix.quality_ratio.value)} of the quality of {best} at "
        f"{share_of(mix.cost_ratio.value)} of its cost ({share_range(mix.cost_ratio)}), and no router is proven to do "
        "better."
    )


def _constant(evidence: Evidence) -> str:
    why = "no router is proven to answer better, or as well for less"
    if evidence.costs is None and evidence.pair is None:
        why = "no router is proven to answer better, and costs are not known"
    return f"Use {evidence.best} for everything: {why}."


def _on_quality(evidence: Evidence) -> str | None:
    gain = evidence.gain
    if gain is None:
        return None
    return (
        f"A gain in quality is {_verdict(evidence.gains)}: '{evidence.for_quality}', the router to judge it by, gains "
        f"{points(gain.value)} points of 100 over always {evidence.best} ({points_range(gain)})."
    )


def _on_cost(evidence: Evidence) -> str | None:
    found, pair = evidence.costs, evidence.pair
    if found is not None:
        ratio, luck = found.near_best_ratio, found.near_best_ratio_shuffled
        return (
            f"A saving by routing is {_verdict(evidence.saves)}: {share_of(NEAR_BEST)} of that quality costs "
            f"{share_of(ratio.value)} of the bill ({share_range(ratio)}) by '{evidence.for_cost}', "
            f"{share_of(_blind(found))} by a blind mix, and {share_of(luck.low)} to {share_of(luck.high)} by the luck of "
            "the same estimates dealt out to other queries."
        )
    if pair is not None:
        luck = pair.apgr_random
        return (
            f"A saving of calls is {_verdict(evidence.orders)}: APGR {pair.apgr.value:.3f} (95 %: {pair.apgr.low:.3f} to "
            f"{pair.apgr.high:.3f}) by '{evidence.for_cost}', {luck.low:.3f} to {luck.high:.3f} by the luck of a blind "
            "order."
        )
    return None


def _on_mix(evidence: Evidence) -> str | None:
    mix = evidence.mix
    if mix is None:
        return None
    return (
        f"What needs no router, {mixture(mix)}, keeps {share_of(mix.quality_ratio.value)} of the quality "
        f"({share_range(mix.quality_ratio)}) at {share_of(mix.cost_ratio.value)} of the cost "
        f"({share_range(mix.cost_ratio)})."
    )


def _verdict(proven: bool) -> str:
    return "proven" if proven else "not proven"


def _blind(found: Costs) -> float:
    """Return what near-best quality costs without a router: the best constant itself is at hand for 1."""
    return float(np.fmin(found.near_best_ratio_single_models.value, 1.0))


def mixture(mix: Mix) -> str:
    """Name the models of a mix and their shares."""
    return f"{share_of(mix.share)} {mix.high} and the rest {mix.low}" if mix.share > 0 else f"always {mix.low}"


def points(value: float) -> str:
    """Show a difference of qualities in points of 100, signed."""
    return f"{value * 100:+.1f}".replace("-", "−")


def points_range(found: Interval) -> str:
    """Show the ends of an interval of a difference."""
    return f"95 %: {points(found.low)} to {points(found.high)}"


def share_of(value: float) -> str:
    """Show a part of one in percent; one digit below a tenth, NaN is unknown."""
    if np.isnan(value):
        return "an unknown part"
    return f"{value * 100:.{1 if abs(value) < 0.0995 else 0}f} %".replace("-", "−")


def share_range(found: Interval) -> str:
    """Show the ends of an interval of parts of one."""
    return f"95 %: {share_of(found.low)} to {share_of(found.high)}"
