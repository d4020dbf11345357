"""Metrics: one number of a curve, of a hull, or of predictions. Definitions and sources: docs/evaluation.md.

Numbers that are not defined (no gap between the models, a quality that is never reached) are NaN. What works on a
curve works on the last axis and so on many resamples at once.
"""

from __future__ import annotations

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.evaluation.curve import Curve, Hull, cost_quality_curve

ECE_BINS = 15


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
