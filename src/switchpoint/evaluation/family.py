"""The family of a router: all its operating points between always the cheapest and always the best, in dollars.

One set of estimates, one policy, many willingnesses to pay; the points and every mix of them form the hull that AIQ
and the cost of near-best quality are read from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Policy
from switchpoint.core.query import FloatArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, interval, mean_of, resampled
from switchpoint.evaluation.curve import Hull, cost_quality_curve
from switchpoint.evaluation.metrics import aiq
from switchpoint.evaluation.replay import OnKnownGround, always, choose, played
from switchpoint.evaluation.two_model import Line, line
from switchpoint.routers.policies import MaxUtility

POINTS = 99
"""Operating points between the two ends."""

NEAR_BEST = 0.98
"""Part of the best single model's quality whose price is asked."""

MAX_TIES = 2_000_000
"""Bounds the memory of looking for operating points."""

GRID = 101
"""Points of a curve that is drawn."""


def willingnesses(seen: Estimates, points: int = POINTS) -> FloatArray:
    """Return operating points in USD per point of quality, ascending from 0 to infinity, at most `points` + 2 of them.

    Where two models are equally good for some query the choice changes; the points lie between quantiles of these, so
    that neighbours choose differently, none is on an edge, and no scale has to be guessed.
    """
    # Long batches are thinned: quantiles of a million ties do not need the rest.
    pairs = len(seen.models) ** 2
    rows = slice(None, None, 1 + len(seen.quality) * pairs // MAX_TIES)
    quality, cost = seen.quality[rows], seen.cost_usd[rows]
    gain = quality[:, :, None] - quality[:, None, :]
    dearer = cost[:, :, None] - cost[:, None, :]
    worth_it = (gain > 0) & (dearer > 0)
    ties = dearer[worth_it] / gain[worth_it]
    edges = np.unique(np.quantile(ties, np.linspace(0, 1, points + 1))) if len(ties) else np.empty(0)
    return np.concatenate([[0.0], np.sqrt(edges[:-1] * edges[1:]), [np.inf]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a family says.

    aiq_single_models : of drawing single models without looking at the query; a router has value only above it.
    near_best_ratio : lowest cost of 98 % of the best single model's quality, in parts of that model's cost.
    near_best_ratio_single_models : the same by drawing single models without looking at the query.
    curve, single_curve : quality against mean cost in USD.
    """

    aiq: Interval
    aiq_single_models: Interval
    near_best_ratio: Interval
    near_best_ratio_single_models: Interval
    curve: Line
    single_curve: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Quality and cost of every operating point on every query, both of shape (n_queries, n_points).

    single_quality, single_cost_usd : the same of every single model, shape (n_queries, n_models).
    best : column of the best single model, None where none was chosen.
    """

    quality: FloatArray
    cost_usd: FloatArray
    single_quality: FloatArray
    single_cost_usd: FloatArray
    best: int | None

    def measure(self, resamples: int = RESAMPLES, seed: int = 0) -> Costs:
        """Measure all that the family says, on the same resamples."""
        singles = mean_of(self.single_cost_usd)(np.ones((1, len(self.quality))))[0]
        costs = np.linspace(singles.min(), singles.max(), GRID)
        statistics = {
            "aiq": self.aiqs,
            "aiq_single_models": self.single_aiqs,
            "near_best_ratio": lambda drawn: self._near_best(drawn, self._hulls(drawn)),
            "near_best_ratio_single_models": lambda drawn: self._near_best(drawn, self._single_hulls(drawn)),
            "curve": lambda drawn: _heights(costs, self._hulls(drawn)),
            "single_curve": lambda drawn: _heights(costs, self._single_hulls(drawn)),
        }
        found = resampled(statistics, len(self.quality), resamples, seed)
        figures = {name: interval(float(v), draws) for name, (v, draws) in found.items() if v.ndim == 0}
        return Costs(
            aiq=figures["aiq"],
            aiq_single_models=figures["aiq_single_models"],
            near_best_ratio=figures["near_best_ratio"],
            near_best_ratio_single_models=figures["near_best_ratio_single_models"],
            curve=line(costs, *found["curve"]),
            single_curve=line(costs, *found["single_curve"]),
        )

    def aiqs(self, drawn: FloatArray) -> FloatArray:
        """Return the AIQ of the router for each row of weights, shape (n_draws,)."""
        singles = mean_of(self.single_cost_usd)(drawn)
        hulls = self._hulls(drawn)
        return np.array([aiq(hull, c.min(), c.max()) for hull, c in zip(hulls, singles, strict=True)])

    def single_aiqs(self, drawn: FloatArray) -> FloatArray:
        """Return the AIQ of drawing single models without looking at the query, shape (n_draws,)."""
        costs = mean_of(self.single_cost_usd)(drawn)
        pairs = zip(self._single_hulls(drawn), costs, strict=True)
        return np.array([aiq(hull, c.min(), c.max()) for hull, c in pairs])

    def _near_best(self, drawn: FloatArray, hulls: list[Hull]) -> FloatArray:
        """Return the lowest cost of `NEAR_BEST` of the best single model's quality, in parts of its cost; (n_draws,).

        NaN where no best single model was chosen or that quality is never reached.
        """
        if self.best is None:
            return np.full(len(drawn), np.nan)
        quality = mean_of(self.single_quality[:, self.best])(drawn)
        cost: FloatArray = mean_of(self.single_cost_usd[:, self.best])(drawn)
        reached = [hull.cost_of(NEAR_BEST * float(target)) for hull, target in zip(hulls, quality, strict=True)]
        return np.array(reached) / cost

    def _hulls(self, drawn: FloatArray) -> list[Hull]:
        return _hulls(mean_of(self.cost_usd)(drawn), mean_of(self.quality)(drawn))

    def _single_hulls(self, drawn: FloatArray) -> list[Hull]:
        return _hulls(mean_of(self.single_cost_usd)(drawn), mean_of(self.single_quality)(drawn))


def at(willingness_usd: float, default: str | None) -> Policy:
    """Return the policy of an operating point, guarded as it is deployed: on unknown ground the default model."""
    policy = MaxUtility(willingness_usd)
    return policy if default is None else OnKnownGround(policy, default)


def family(seen: Estimates, outcomes: Outcomes, best: str | None) -> Family | None:
    """Play every operating point; None where the cost of some model is not on record or not expected.

    The two ends that need no estimate belong to the family: always the cheapest model, and always the best single one.
    """
    if np.isnan(outcomes.mean_cost_usd()).any() or np.isnan(seen.cost_usd).any():
        return None
    games = [played(outcomes, choose(at(float(w), best), seen)) for w in willingnesses(seen)]
    cheapest = outcomes.models[int(outcomes.mean_cost_usd().argmin())]
    games += [always(outcomes, model) for model in dict.fromkeys((cheapest, best)) if model is not None]
    return Family(
        quality=np.stack([game.quality for game in games], axis=1),
        cost_usd=np.stack([game.cost_usd for game in games], axis=1),
        single_quality=outcomes.quality,
        single_cost_usd=outcomes.cost_usd,
        best=None if best is None else outcomes.column(best),
    )


def _heights(costs: FloatArray, hulls: list[Hull]) -> FloatArray:
    """Return the height of each hull at these costs, shape (n_hulls, n_costs); left of a hull, its first height."""
    return np.array([np.interp(costs, hull.cost_usd, hull.quality) for hull in hulls])


def _hulls(cost_usd: FloatArray, quality: FloatArray) -> list[Hull]:
    return [_hull(*points) for points in zip(cost_usd, quality, strict=True)]


def _hull(cost_usd: FloatArray, quality: FloatArray) -> Hull:
    """Return the hull of the points that are known; a small resample may hold no outcome of some model."""
    known = ~(np.isnan(cost_usd) | np.isnan(quality))
    if not known.any():
        return Hull(cost_usd=np.array([np.nan]), quality=np.array([np.nan]))
    return cost_quality_curve(cost_usd[known], quality[known])
