"""The family of a router: all its operating points between always the cheapest and always the best, in dollars.

One set of estimates, one policy, every willingness to pay (the frontier); the points and every mix of them form the
hull that AIQ, the cost of near-best quality and the leaderboards' figures are read from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Policy
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, interval, mean_of, resampled
from switchpoint.evaluation.curve import Hull
from switchpoint.evaluation.frontier import frontier, upper_hulls
from switchpoint.evaluation.metrics import aiq, cost_save, pareto_dist, perf_gain
from switchpoint.evaluation.replay import OnKnownGround
from switchpoint.evaluation.sweep import Sweep
from switchpoint.evaluation.two_model import Line, line
from switchpoint.routers.policies import MaxUtility

RESAMPLED = 500
"""Points of a frontier that are resampled: the corners of its hull, which give the figures, and evenly many others."""

NEAR_BEST = 0.98
"""Part of the best single model's quality whose price is asked."""

SHUFFLES = 20
"""Times that the estimates are dealt out to other queries, to see what a family gains by luck."""

GRID = 101
"""Points of a curve that is drawn."""

FIGURES = ("aiq", "near_best_ratio", "cost_save", "perf_gain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a family says.

    aiq_single_models : of drawing single models without looking at the query; a router has value only above it.
    near_best_ratio : lowest cost of 98 % of the best single model's quality, in parts of that model's cost.
    near_best_ratio_single_models : the same by drawing single models without looking at the query.
    aiq_shuffled, near_best_ratio_shuffled : the mean, and the range of 95 %, of the same estimates dealt out to other
        queries. They know nothing, yet a hull picks the lucky ones of many points: only what lies beyond is knowledge.
    perf_gain, cost_save, pareto_dist : see `switchpoint.evaluation.metrics`; the joint front is that of the router's
        operating points and of the single models.
    curve, single_curve : quality against mean cost in USD.
    """

    aiq: Interval
    aiq_single_models: Interval
    near_best_ratio: Interval
    near_best_ratio_single_models: Interval
    aiq_shuffled: Interval
    near_best_ratio_shuffled: Interval
    perf_gain: Interval
    cost_save: Interval
    pareto_dist: float
    curve: Line
    single_curve: Line


class Points(Protocol):
    """Operating points on recorded outcomes: a router's frontier, or a cascade's sweep."""

    def __len__(self) -> int: ...

    def mean_quality(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean quality of every point, shape (..., n_points), for weights of shape (..., n_queries)."""
        ...

    def mean_cost_usd(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean cost of every point likewise."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Every operating point of a router on recorded outcomes, and the two ends that need no estimate.

    cheapest : column of the cheapest model. best : of the best single model, None where none was chosen.
    shuffled : `FIGURES` of the estimates dealt out to other queries, shape (n_shuffles, n_figures).
    """

    points: Points
    outcomes: Outcomes
    cheapest: int
    best: int | None
    shuffled: FloatArray

    def measure(self, resamples: int = RESAMPLES, seed: int = 0, groups: IntArray | None = None) -> Costs:
        """Measure all that the family says, on the same resamples."""
        costs = np.linspace(*_ends(self.outcomes.mean_cost_usd()), GRID)
        found = resampled(
            {
                "router": lambda drawn: self._measured(drawn, self.hulls(drawn), costs),
                "singles": lambda drawn: self._measured(drawn, self._single_hulls(drawn), costs),
            },
            len(self.outcomes),
            resamples,
            seed,
            groups,
        )
        router, singles = (_figures(*found[name]) for name in ("router", "singles"))
        n = len(FIGURES)
        luck = _figures(self.shuffled.mean(axis=0), self.shuffled)
        return Costs(
            aiq=router["aiq"],
            aiq_single_models=singles["aiq"],
            near_best_ratio=router["near_best_ratio"],
            near_best_ratio_single_models=singles["near_best_ratio"],
            aiq_shuffled=luck["aiq"],
            near_best_ratio_shuffled=luck["near_best_ratio"],
            perf_gain=router["perf_gain"],
            cost_save=router["cost_save"],
            pareto_dist=self.pareto_dist(),
            curve=line(costs, *(part[..., n:] for part in found["router"])),
            single_curve=line(costs, *(part[..., n:] for part in found["singles"])),
        )

    def figures(self) -> FloatArray:
        """Return `FIGURES` of the router, shape (n_figures,)."""
        once = np.ones((1, len(self.outcomes)))
        found: FloatArray = self._measured(once, self.hulls(once), np.empty(0))[0]
        return found

    def hulls(self, drawn: FloatArray) -> list[Hull]:
        """Return the hull of the operating points and the two ends for each row of weights."""
        ends = [self.cheapest] if self.best is None else [self.cheapest, self.best]
        cost, quality = self.outcomes.cost_usd, self.outcomes.quality
        return _hulls(
            np.concatenate([self.points.mean_cost_usd(self.outcomes, drawn), mean_of(cost[:, ends])(drawn)], axis=1),
            np.concatenate([self.points.mean_quality(self.outcomes, drawn), mean_of(quality[:, ends])(drawn)], axis=1),
        )

    def pareto_dist(self) -> float:
        """Return the mean distance of the operating points to the front that they and the single models make."""
        outcomes = self.outcomes
        cost, quality = self.points.mean_cost_usd(outcomes), self.points.mean_quality(outcomes)
        known = ~(np.isnan(cost) | np.isnan(quality))
        singles = ~np.isnan(outcomes.mean_quality())
        others = outcomes.mean_cost_usd()[singles], outcomes.mean_quality()[singles]
        return pareto_dist(cost[known], quality[known], *others) if known.any() else float("nan")

    def _single_hulls(self, drawn: FloatArray) -> list[Hull]:
        return _hulls(mean_of(self.outcomes.cost_usd)(drawn), mean_of(self.outcomes.quality)(drawn))

    def _measured(self, drawn: FloatArray, hulls: list[Hull], costs: FloatArray) -> FloatArray:
        """Return `FIGURES` and the heights at these costs of each hull, shape (n_draws, n_figures + n_costs)."""
        singles = mean_of(self.outcomes.cost_usd)(drawn)
        best = np.full((2, len(drawn)), np.nan)
        if self.best is not None:
            best[0] = mean_of(self.outcomes.quality[:, self.best])(drawn)
            best[1] = singles[:, self.best]
        rows = zip(hulls, singles, *best, strict=True)
        return np.array([[*_of(hull, ends, q, c), *_heights(hull, costs)] for hull, ends, q, c in rows])


def at(willingness_usd: float, default: str | None) -> Policy:
    """Return the policy of an operating point, guarded as it is deployed: on unknown ground the default model."""
    policy = MaxUtility(willingness_usd)
    return policy if default is None else OnKnownGround(policy, default)


def family(seen: Estimates, outcomes: Outcomes, best: str | None, seed: int = 0) -> Family | None:
    """Return all operating points; None where the cost of some model is not on record or not expected.

    The two ends that need no estimate belong to the family: always the cheapest model, and always the best single one.
    """
    costs = outcomes.mean_cost_usd()
    if np.isnan(costs).any() or np.isnan(seen.cost_usd).any():
        return None
    points = frontier(seen, best)
    found = Family(
        points=points.at(_kept(points, outcomes)),
        outcomes=outcomes,
        cheapest=int(costs.argmin()),
        best=None if best is None else outcomes.column(best),
        shuffled=np.empty((0, len(FIGURES))),
    )
    random = np.random.default_rng(seed)
    dealt = (_dealt(seen, random.permutation(len(outcomes))) for _ in range(SHUFFLES))
    luck = [replace(found, points=frontier(other, best)).figures() for other in dealt]
    return replace(found, shuffled=np.array(luck))


def swept(points: Sweep, outcomes: Outcomes, best: str, seed: int = 0) -> Family | None:
    """Return the operating points of a cascade; None where the cost of some model is not on record."""
    costs = outcomes.mean_cost_usd()
    if np.isnan(costs).any():
        return None
    found = Family(
        points=points,
        outcomes=outcomes,
        cheapest=int(costs.argmin()),
        best=outcomes.column(best),
        shuffled=np.empty((0, len(FIGURES))),
    )
    random = np.random.default_rng(seed)
    dealt = (points.dealt(random.permutation(len(outcomes))) for _ in range(SHUFFLES))
    return replace(found, shuffled=np.array([replace(found, points=other).figures() for other in dealt]))


def _dealt(seen: Estimates, order: IntArray) -> Estimates:
    """Give each query what is estimated of another one; expected costs stay."""
    novelty = None if seen.novelty is None else seen.novelty[order]
    return seen._replace(quality=seen.quality[order], novelty=novelty)


def _kept(points: Points, outcomes: Outcomes) -> IntArray:
    """Return the points to resample: first, last, the corners of the observed hull, and others evenly between."""
    evenly = np.linspace(0, len(points) - 1, min(len(points), RESAMPLED)).round().astype(np.intp)
    cost, quality = points.mean_cost_usd(outcomes), points.mean_quality(outcomes)
    start, moves = upper_hulls(*_usable(cost[None], quality[None]))
    return np.unique(np.concatenate([evenly, start, moves.after]))


def _hulls(cost_usd: FloatArray, quality: FloatArray) -> list[Hull]:
    """Return the hull of the known points of each row; a small resample may hold no outcome of some model."""
    start, moves = upper_hulls(*_usable(cost_usd, quality))
    rows = np.arange(len(cost_usd))
    # Steps come in order, all rows of one step together: a stable sort by row keeps each row's own order.
    row, column = np.r_[rows, moves.row], np.r_[start, moves.after]
    order = np.argsort(row, kind="stable")
    corners = np.split(column[order], np.flatnonzero(np.diff(row[order])) + 1)
    return [Hull(cost_usd=cost_usd[i, at], quality=quality[i, at]) for i, at in enumerate(corners)]


def _usable(cost_usd: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = ~(np.isnan(cost_usd) | np.isnan(quality))
    return np.where(known, cost_usd, np.inf), np.where(known, quality, 0.0)


def _of(hull: Hull, costs: FloatArray, best_quality: float, best_cost_usd: float) -> list[float]:
    """Return `FIGURES` of one hull; NaN where no best single model was chosen or nothing is known."""
    near = hull.cost_of(NEAR_BEST * best_quality) / best_cost_usd if best_cost_usd > 0 else float("nan")
    gain = perf_gain(hull, best_quality)
    return [aiq(hull, *_ends(costs)), near, cost_save(hull, best_quality, best_cost_usd), gain]


def _heights(hull: Hull, costs: FloatArray) -> FloatArray:
    """Return the height of a hull at these costs; left of it, its first height."""
    return np.interp(costs, hull.cost_usd, hull.quality)


def _ends(costs: FloatArray) -> tuple[float, float]:
    return float(costs.min()), float(costs.max())


def _figures(values: FloatArray, draws: FloatArray) -> dict[str, Interval]:
    return {name: interval(float(values[i]), draws[:, i]) for i, name in enumerate(FIGURES)}
