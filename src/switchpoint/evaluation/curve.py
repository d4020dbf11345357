"""Curves: what quality a router reaches at every share of strong calls, or at every cost.

The two-model curve is exact: the score is sorted once and every cut is a point; no thresholds are sampled. Everything
works on the last axis, so a thousand resamples (rows of weights) are one call.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.query import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Mean quality against the share of calls that go to the strong model; straight between the points.

    share : shape (..., n_points), ascending from 0 (always weak) to 1 (always strong).
    quality : shape (..., n_points).
    """

    share: FloatArray
    quality: FloatArray


class Ranking:
    """The order in which queries go to the strong model: highest score first; equal scores form one block.

    score : shape (n_queries,). Raises DataError for NaN, which has no place in an order.
    """

    def __init__(self, score: FloatArray) -> None:
        if np.isnan(score).any():
            raise DataError(f"{int(np.isnan(score).sum())} of {len(score)} queries have no score to be ranked by.")
        self.order: IntArray = np.argsort(-score, kind="stable")
        descending = score[self.order]
        # First row of each block of equal scores.
        self.starts: IntArray = np.flatnonzero(np.r_[True, descending[1:] != descending[:-1]])

    def curve(self, weak: FloatArray, strong: FloatArray, weights: FloatArray | None = None) -> Curve:
        """Return the curve of these outcomes, both of shape (n_queries,), of at most n_queries + 1 points.

        Inside a block of equal scores the curve is straight: the mean over all ways to break the tie.
        weights : how often each query counts, shape (..., n_queries); by default once.
        """
        weights = np.ones(len(self.order)) if weights is None else weights
        total = weights.sum(axis=-1, keepdims=True)
        share = self._cumulated(weights) / total
        gained = self._cumulated(weights * (strong - weak)) / total
        base = (weights @ weak)[..., None] / total
        # The division may round the last share off 1, where the curve ends by definition.
        share[..., -1] = 1.0
        return Curve(share=share, quality=base + gained)

    def _cumulated(self, values: FloatArray) -> FloatArray:
        blocks = np.add.reduceat(values[..., self.order], self.starts, axis=-1)
        sums = np.cumsum(blocks, axis=-1)
        return np.concatenate([np.zeros((*sums.shape[:-1], 1)), sums], axis=-1)


def two_model_curve(score: FloatArray, weak: FloatArray, strong: FloatArray) -> Curve:
    """Return the curve of routing the highest scores to the strong model; all of shape (n_queries,), none NaN."""
    return Ranking(score).curve(weak, strong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hull:
    """The best quality at every cost that mixing some (cost, quality) points at random reaches.

    cost_usd : shape (n_points,), strictly ascending; quality : shape (n_points,), strictly ascending and concave.
    Left of the first point nothing is reached; right of the last one its quality is.
    """

    cost_usd: FloatArray
    quality: FloatArray

    def at(self, cost_usd: FloatArray) -> FloatArray:
        """Return the quality at these costs, same shape; NaN where none is reached."""
        reached: FloatArray = np.interp(cost_usd, self.cost_usd, self.quality, left=np.nan)
        return reached

    def cost_of(self, quality: float) -> float:
        """Return the lowest cost at which this quality is reached; NaN if it never is."""
        if quality <= self.quality[0]:
            return float(self.cost_usd[0])
        return float(np.interp(quality, self.quality, self.cost_usd, right=np.nan))

    def area(self, low: float, high: float) -> float:
        """Integrate the quality over costs from `low` to `high`, exactly; NaN if it is not reached at `low`."""
        start = float(self.cost_usd[0])
        if isclose(low, start, rel_tol=1e-9):  # the same mean, added up in another order
            low = max(low, start)
        inner = self.cost_usd[(self.cost_usd > low) & (self.cost_usd < high)]
        costs = np.r_[low, inner, high]
        return float(np.trapezoid(self.at(costs), costs))


def cost_quality_curve(cost_usd: FloatArray, quality: FloatArray) -> Hull:
    """Return the non-decreasing concave hull of operating points, both of shape (n_points,); O(n log n).

    By the monotone chain: points by cost, those that do not raise the quality dropped, then the upper hull.

    Source: the non-decreasing convex hull of RouterBench (Hu et al. 2024). Differs: theirs is a triple loop that may
    leave points inside the hull. Raises DataError where a number is NaN or there is no point.
    """
    if not len(cost_usd) or np.isnan(cost_usd).any() or np.isnan(quality).any():
        raise DataError("A cost-quality curve needs at least one point, and a known cost and quality of each.")
    chain: list[tuple[float, float]] = []
    for i in np.lexsort((-quality, cost_usd)):
        point = (float(cost_usd[i]), float(quality[i]))
        if chain and point[1] <= chain[-1][1]:
            continue
        while len(chain) > 1 and _below(chain[-2], chain[-1], point):
            chain.pop()
        chain.append(point)
    cost, reached = np.array(chain).T
    return Hull(cost_usd=cost, quality=reached)


def _below(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Whether b lies on or under the line from a to c."""
    return (b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0])
