"""Metrics: one number of a curve, of a hull, or of predictions. Definitions and sources: docs/evaluation.md.

Numbers that are not defined (no gap between the models, a quality that is never reached) are NaN. What works on a
curve works on the last axis and so on many resamples at once.
"""

from __future__ import annotations

from math import isclose
from typing import NamedTuple

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.evaluation.curve import Curve, Hull, cost_quality_curve

ECE_BINS = 15

CORRECT = 0.5
"""A fractional quality of so much or more counts as a right answer, where a metric knows right and wrong only."""

ARENA_BETA = 0.1
ARENA_LOW_USD, ARENA_HIGH_USD = 0.0044, 200.0
"""RouterArena's range of dollars per 1,000 queries: costs beyond either end count as the end."""


def pgr(curve: Curve) -> FloatArray:
    """Performance gap recovered: (quality - weak) / (strong - weak) at every point, shape (..., n_points).

    Not clipped: below 0 the router is worse than always weak, above 1 better than always strong. NaN unless the
    strong model is better than the weak one.

    Source: RouteLLM (Ong et al. 2024).
    """
    weak = curve.quality[..., :1]
    gap = curve.quality[..., -1:] - weak
    # Dividing by NaN where there is no gap leaves that whole curve undefined.
    recovered: FloatArray = (curve.quality - weak) / np.where(gap > 0, gap, np.nan)
    return recovered


def apgr(curve: Curve) -> FloatArray:
    """Average of the performance gap recovered over strong shares from 0 to 1, trapezoid rule; shape (...).

    0.5 is what a random order expects; the oracle may exceed 1.

    Source: RouteLLM (Ong et al. 2024). Differs: exact, over every cut, where theirs takes ten score bins.
    """
    return np.asarray(np.trapezoid(pgr(curve), curve.share, axis=-1))


def cpt(curve: Curve, recovered: float) -> FloatArray:
    """Call-performance threshold: the smallest strong share at which PGR reaches `recovered`; shape (...).

    The first crossing, interpolated on the segment that crosses; NaN if it is never reached.

    Source: RouteLLM (Ong et al. 2024). Differs: theirs interpolates share as a function of quality, which is not
    defined where the curve dips.
    """
    gained = pgr(curve)
    reached = gained >= recovered
    first = reached.argmax(axis=-1)[..., None]
    before = np.maximum(first - 1, 0)
    low, high = (np.take_along_axis(gained, i, axis=-1)[..., 0] for i in (before, first))
    left, right = (np.take_along_axis(curve.share, i, axis=-1)[..., 0] for i in (before, first))
    rise = high - low
    part = np.divide(recovered - low, rise, out=np.zeros(rise.shape), where=rise > 0)
    share: FloatArray = np.where(reached.any(axis=-1), left + part * (right - left), np.nan)
    return share


def aiq(hull: Hull, low_usd: float, high_usd: float) -> float:
    """Average improvement in quality: the mean height of a hull over costs from `low_usd` to `high_usd`.

    NaN where the range is empty or the hull starts above its low end.

    Source: RouterBench (Hu et al. 2024). Differs: the range is the same for all routers, the mean cost of the cheapest
    and of the dearest single model, and the area is divided by its length; theirs starts at each router's own
    cheapest point and divides by the high end, which favours routers that cannot go cheap differently.
    """
    return hull.area(low_usd, high_usd) / (high_usd - low_usd) if high_usd > low_usd else float("nan")


def single_models_hull(outcomes: Outcomes) -> Hull:
    """Return the hull of always calling one model, or drawing one without looking at the query.

    Raises DataError where a model's quality or cost is unknown. Source: the zero router of RouterBench.
    """
    return cost_quality_curve(outcomes.mean_cost_usd(), outcomes.mean_quality())


def best_columns(outcomes: Outcomes) -> IntArray:
    """Return the oracle's choice, shape (n_queries,): the best observed quality, ties to the cheapest known cost.

    Where every model fails the cheapest is charged, since somebody is called; a tie of unknown costs goes to the
    earlier model.

    Source: RouterBench (Hu et al. 2024). Differs: theirs charges nothing where no model is right.
    """
    quality = np.nan_to_num(outcomes.quality, nan=-1.0)
    best = quality == quality.max(axis=1, keepdims=True)
    cost = np.nan_to_num(outcomes.cost_usd, nan=np.finfo(float).max)
    columns: IntArray = np.where(best, cost, np.inf).argmin(axis=1)
    return columns


def perf_gain(hull: Hull, best_quality: float) -> float:
    """Highest quality of any operating point over that of the best single model, in parts of the latter.

    The point is picked on the very queries that it is measured on, so this flatters; NaN if the best model's is 0.

    Source: PerfGain of LLMRouterBench (2026).
    """
    return float(hull.quality[-1]) / best_quality - 1 if best_quality > 0 else float("nan")


def cost_save(hull: Hull, best_quality: float, best_cost_usd: float) -> float:
    """Largest saving at the best single model's quality or more, in parts of its cost; NaN where none reaches it.

    Source: CostSave of LLMRouterBench (2026). Differs: on the hull, as AIQ, so random mixes of points count too.
    """
    cost = hull.cost_of(best_quality)
    if not best_cost_usd > 0:
        return float("nan")
    # The same mean, added up in another order, is no saving.
    return 0.0 if isclose(cost, best_cost_usd, rel_tol=1e-9) else 1 - cost / best_cost_usd


def pareto_dist(
    cost_usd: FloatArray, quality: FloatArray, other_cost_usd: FloatArray, other_quality: FloatArray
) -> float:
    """Mean distance of a router's points, shape (n_points,), to the nearest point of the joint Pareto front.

    The front is what nothing dominates among these points and the others', shape (n_others,). Cost and quality are
    each divided by their range over all of them first; an axis without a range counts nothing. 0 is on the front.

    Source: ParetoDist of LLMRouterBench (2026), whose normalisation is not on record here.
    """
    points = np.stack([np.r_[cost_usd, other_cost_usd], np.r_[quality, other_quality]], axis=1)
    span = np.ptp(points, axis=0)
    points = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    order = np.lexsort((-points[:, 1], points[:, 0]))
    heights = points[order, 1]
    front = points[order[heights > np.r_[-np.inf, np.maximum.accumulate(heights)[:-1]]]]
    nearest = [np.sqrt(((front - point) ** 2).sum(axis=1).min()) for point in points[: len(cost_usd)]]
    return float(np.mean(nearest))


def routerarena_score(
    quality: FloatArray | float, cost_usd_per_1k: FloatArray | float, beta: float = ARENA_BETA
) -> FloatArray:
    """RouterArena's score: (1 + beta) A C / (beta A + C) of quality A and cheapness C; any one shape.

    C = log2(200 / c) / log2(200 / 0.0044), c in USD per 1,000 queries, held inside that range. A weighted harmonic
    mean with 10 parts of quality and one of cheapness, at the default beta. 0 where both are 0.

    Source: RouterArena (Lu et al. 2025).
    """
    cost = np.clip(np.asarray(cost_usd_per_1k, dtype=float), ARENA_LOW_USD, ARENA_HIGH_USD)
    cheapness = np.log2(ARENA_HIGH_USD / cost) / np.log2(ARENA_HIGH_USD / ARENA_LOW_USD)
    accuracy = np.asarray(quality, dtype=float)
    below = beta * accuracy + cheapness
    return np.asarray((1 + beta) * accuracy * cheapness / np.where(below > 0, below, 1.0))


class Parts(NamedTuple):
    """A ratio, query by query: the sum of `above` by the sum of `below`; both (n_queries,), NaN counts nowhere."""

    above: FloatArray
    below: FloatArray


def optimality(outcomes: Outcomes, columns: IntArray) -> dict[str, Parts]:
    """Return RouterArena's three optimality scores of choices, shape (n_queries,), as ratios.

    opt_sel : of the queries that some model answers right, the share that went to the cheapest of those.
    opt_acc : quality reached on these queries by the quality that was possible.
    opt_cost : cost of the cheapest right model by the cost paid, over the queries that were answered right.

    A query counts nowhere where the chosen model was not observed; not in opt_sel and opt_cost where the cost of a
    right model is unknown.

    Source: RouterArena (Lu et al. 2025), as mended later: its first form left wrong answers out, so that opt_acc was 1
    by construction. Differs: a fractional quality of `CORRECT` or more is right, and equal costs are equally cheap.
    """
    rows = np.arange(len(columns))
    right = np.nan_to_num(outcomes.quality, nan=-1.0) >= CORRECT
    chosen = outcomes.quality[rows, columns]
    counts = right.any(axis=1) & ~np.isnan(chosen)
    cost = np.where(right, outcomes.cost_usd, np.inf)  # NaN stays where a right model's cost is unknown
    least = cost.min(axis=1)
    priced, right_here = counts & ~np.isnan(least), right[rows, columns]
    paid = outcomes.cost_usd[rows, columns]
    hit = right_here & (paid <= least)
    best = np.nan_to_num(outcomes.quality, nan=-1.0).max(axis=1)
    return {
        "opt_sel": Parts(np.where(priced, hit, np.nan), np.where(priced, 1.0, np.nan)),
        "opt_acc": Parts(np.where(counts, chosen, np.nan), np.where(counts, best, np.nan)),
        "opt_cost": Parts(np.where(priced & right_here, least, np.nan), np.where(priced & right_here, paid, np.nan)),
    }


def brier_score_loss(predicted: FloatArray, observed: FloatArray) -> float:
    """Mean squared difference of predicted and observed quality over the cells where both are known.

    Both of shape (n_queries, n_models). Source: Brier (1950).
    """
    known = _known(predicted, observed)
    return float(np.mean((predicted[known] - observed[known]) ** 2)) if known.any() else float("nan")


def expected_calibration_error(predicted: FloatArray, observed: FloatArray, bins: int = ECE_BINS) -> float:
    """Mean distance between predicted and observed quality, in bins of equal width over [0, 1].

    Both of shape (n_queries, n_models), NaN is left out. Taken for each model by itself and averaged by its number of
    observations, so that one model's optimism does not cancel another's pessimism.

    Source: Guo et al. (2017), equation 3, 15 bins. Differs: several models, and a fractional quality counts as it is.
    """
    known = _known(predicted, observed)
    bin_of = np.clip((np.nan_to_num(predicted) * bins).astype(int), 0, bins - 1)
    cell = (bin_of + bins * np.arange(predicted.shape[1]))[known]
    # Per bin |sum(predicted) - sum(observed)| is its size times the distance of its means.
    off = np.bincount(cell, weights=(predicted - observed)[known])
    return float(np.abs(off).sum() / known.sum()) if known.any() else float("nan")


def _known(predicted: FloatArray, observed: FloatArray) -> BoolArray:
    return ~(np.isnan(predicted) | np.isnan(observed))
