"""The frontier: every operating point of maximising quality - cost / willingness, exactly and all at once.

As the willingness to pay rises, a query moves along the upper hull of its models' (cost, quality) points, from the
cheapest to the best. A move happens at one willingness, its edge: the dollars of the move by the quality it adds. All
moves of all queries sorted by their edges are the frontier: each prefix of them is an operating point, so one sort and
one sum give them all, n_queries * n_models * log of it in all. Nothing is sampled and no scale has to be guessed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.replay import MAX_NOVELTY
from switchpoint.routers.policies import MaxUtility

SAME_QUALITY = 1e-12
"""Qualities closer than this tie, as in `MaxUtility`."""

SAME_EDGE = 1e-9
"""Edges closer than this, in parts of themselves, are one: no willingness between them could be told from either."""

ANY_USD = 1.0
"""A willingness for queries whose choice does not depend on it."""


class Moves(NamedTuple):
    """Steps along the upper hulls of many rows; each of shape (n_moves,), the steps of one row in their order.

    row : which hull. before, after : columns it leads from and to. edge : cost it adds by the quality it adds.
    """

    row: IntArray
    before: IntArray
    after: IntArray
    edge: FloatArray


NO_MOVES = Moves(*(np.empty(0, dtype=np.intp),) * 3, np.empty(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Operating points in the order of rising willingness to pay, and so of rising predicted cost and quality.

    first : column that each query takes at the first point, shape (n_queries,).
    moves : sorted by their edges. starts : the move with which each later point begins, shape (n_points - 1,).
    willingness_usd : one inside each point, far from its edges; infinite at the last unless a cost is unknown.
    quality, cost_usd : predicted means, shape (n_points,), over the queries where they are known.
    """

    first: IntArray
    moves: Moves
    starts: IntArray
    willingness_usd: FloatArray
    quality: FloatArray
    cost_usd: FloatArray

    def __len__(self) -> int:
        return len(self.starts) + 1

    def columns(self, point: int) -> IntArray:
        """Return the column that each query takes at a point, shape (n_queries,)."""
        end = self.starts[point] if point < len(self.starts) else len(self.moves.row)
        columns = self.first.copy()
        # Of several moves of one query the last one holds; numpy assigns in order.
        columns[self.moves.row[:end]] = self.moves.after[:end]
        return columns

    def mean(self, values: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean at every point of `values`, shape (n_queries, n_models), over the queries where it is known.

        weights : how often each query counts, shape (..., n_queries); by default once. Returns (..., n_points); NaN
        where nothing is known.
        """
        known = ~np.isnan(values)
        total = self._sums(np.nan_to_num(values), weights)
        if known.all():
            return total / (len(self.first) if weights is None else weights.sum(axis=-1)[..., None])
        # Sums that have been added to and taken from are whole numbers here: the count is exact.
        count = self._sums(known.astype(float), weights)
        means: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
        return means

    def mean_quality(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean quality at every point; see `mean`."""
        return self.mean(outcomes.quality, weights)

    def mean_cost_usd(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean cost at every point; see `mean`."""
        return self.mean(outcomes.cost_usd, weights)

    def at(self, points: IntArray) -> Frontier:
        """Return the frontier of some of the points, ascending, with the first and the last one; no move is lost."""
        return replace(
            self,
            starts=self.starts[points[:-1]],
            willingness_usd=self.willingness_usd[points],
            quality=self.quality[points],
            cost_usd=self.cost_usd[points],
        )

    def within_budget(self, mean_cost_usd: float) -> int | None:
        """Return the point of the highest predicted quality that costs at most so much a query; None without any."""
        points = int(np.searchsorted(self.cost_usd, mean_cost_usd * (1 + SAME_EDGE), side="right"))
        return points - 1 if points else None

    def at_quality(self, mean_quality: float) -> int | None:
        """Return the point of the lowest predicted cost that reaches this mean quality; None if none does."""
        point = int(np.searchsorted(self.quality, mean_quality - SAME_QUALITY))
        return point if point < len(self) else None

    def _sums(self, values: FloatArray, weights: FloatArray | None) -> FloatArray:
        moves = self.moves
        base = values[np.arange(len(self.first)), self.first]
        step = values[moves.row, moves.after] - values[moves.row, moves.before]
        if weights is None:
            first, blocks = base.sum(keepdims=True), _blocks(step, self.starts)
        else:
            first, blocks = (weights @ base)[..., None], _blocks(weights[..., moves.row] * step, self.starts)
        sums: FloatArray = np.concatenate([first, blocks], axis=-1).cumsum(axis=-1)
        return sums


def frontier(seen: Estimates, default: str | None = None, max_novelty: float = MAX_NOVELTY) -> Frontier:
    """Return every operating point of `MaxUtility` over the estimates, at willingnesses above 0.

    default : the model of queries on unknown ground, as `OnKnownGround` guards a policy; None is no guard.

    A model that is not eligible, or of unknown quality or cost, is never moved to; a query without any other takes what
    `MaxUtility` gives it. On an edge itself the choice is still the cheaper one.
    """
    usable = seen.eligible & np.isfinite(seen.cost_usd) & ~np.isnan(seen.quality)
    fixed = np.zeros(len(usable), dtype=bool)
    if default is not None and seen.novelty is not None:
        fixed = seen.novelty > max_novelty
        usable &= ~fixed[:, None]
    quality, cost = seen.quality.astype(float), seen.cost_usd.astype(float)
    first, moves = upper_hulls(np.where(usable, cost, np.inf), np.where(usable, quality, 0.0))
    stuck = ~usable.any(axis=1)
    if stuck.any():
        first = np.where(stuck, MaxUtility(ANY_USD)(seen)[0], first)
    if default is not None:
        first = np.where(fixed, seen.models.index(default), first)
    order = np.argsort(moves.edge, kind="stable")
    moves = Moves(moves.row[order], moves.before[order], moves.after[order], moves.edge[order])
    starts = _starts(moves.edge)
    unpriced = bool((seen.eligible & ~np.isfinite(cost) & ~fixed[:, None]).any())
    points = Frontier(
        first=first,
        moves=moves,
        starts=starts,
        willingness_usd=_between(moves.edge, starts, unpriced),
        quality=np.empty(0),
        cost_usd=np.empty(0),
    )
    return replace(points, quality=points.mean(quality), cost_usd=points.mean(cost))


def upper_hulls(cost: FloatArray, quality: FloatArray) -> tuple[IntArray, Moves]:
    """Return where the non-decreasing upper hull of each row begins, shape (n_rows,), and the moves along it.

    Both of shape (n_rows, n_points); an unusable point has an infinite cost and any finite quality. By gift wrapping,
    every row at once: from the cheapest point (the best of equal ones) to the one of the steepest gain, until nothing
    gains. Steps are as many as the longest hull has; rows that ended drop out.
    """
    first = np.where(cost == cost.min(axis=1, keepdims=True), quality, -np.inf).argmax(axis=1)
    row, steps = np.flatnonzero(np.isfinite(cost).any(axis=1)), [NO_MOVES]
    at, cost, quality, edge = first[row], cost[row], quality[row], np.zeros(len(row))
    while len(row):
        here = np.arange(len(row)), at
        gain, dearer = quality - quality[here][:, None], cost - cost[here][:, None]
        dearer[dearer <= 0] = np.inf  # a slope of 0: nothing cheaper is moved to
        to = ((gain - SAME_QUALITY) / dearer).argmax(axis=1)
        gained, paid = gain[here[0], to], dearer[here[0], to]
        moved = np.flatnonzero((gained > SAME_QUALITY) & np.isfinite(paid))
        # Rounding must not turn the order of two equal edges of one row around.
        edge = np.maximum(edge[moved], paid[moved] / gained[moved])
        row, cost, quality = row[moved], cost[moved], quality[moved]
        steps.append(Moves(row, at[moved], to[moved], edge))
        at = to[moved]
    row, before, after, edges = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    return first, Moves(row, before, after, edges)


def _starts(edge: FloatArray) -> IntArray:
    """Return the first move of each block of equal edges, shape (n_blocks,)."""
    if not len(edge):
        return np.empty(0, dtype=np.intp)
    return np.flatnonzero(np.r_[True, edge[1:] > edge[:-1] * (1 + SAME_EDGE)])


def _between(edge: FloatArray, starts: IntArray, unpriced: bool) -> FloatArray:
    """Return a willingness inside each point, shape (n_blocks + 1,): between the edges in ratio, or beyond the ends."""
    if not len(starts):
        return np.array([ANY_USD if unpriced else np.inf])
    inside = np.sqrt(edge[starts[1:] - 1] * edge[starts[1:]])
    # Where cost does not matter a model of unknown cost may be the best; short of that it is never chosen.
    last = 2 * edge[-1] if unpriced else np.inf
    return np.concatenate([edge[:1] / 2, inside, [last]])


def _blocks(step: FloatArray, starts: IntArray) -> FloatArray:
    """Sum each block of moves, shape (..., n_blocks)."""
    if not len(starts):
        return np.zeros((*step.shape[:-1], 0))
    sums: FloatArray = np.add.reduceat(step, starts, axis=-1)
    return sums
