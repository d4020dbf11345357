"""Sweep: what a cascade asks and gives on recorded answers, at every willingness to pay.

The counterpart of `Frontier`, which is exact and for a choice before any answer; the points of a cascade are those of a
grid, since what it asks next hangs on what was said before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from switchpoint.cascades.belief import Evidence
from switchpoint.cascades.plan import Plan
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray

GRID = 160
"""Points of a sweep."""
LEAST_PRICE, MOST_PRICE = 0.002, 20.0
"""Ends of the grid: what a call of the strong model costs there, in quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Operating points in the order of rising willingness.

    willingness_usd : shape (n_points,). given : whose answer, as a column of the outcomes, shape (n_queries, n_points).
    called : who was asked, shape (n_queries, n_points, n_models), columns of the outcomes.
    """

    willingness_usd: FloatArray
    given: IntArray
    called: BoolArray

    def __len__(self) -> int:
        return len(self.willingness_usd)

    def quality(self, outcomes: Outcomes) -> FloatArray:
        """Return the quality of what was given, shape (n_queries, n_points); NaN was not observed."""
        found: FloatArray = np.take_along_axis(outcomes.quality, self.given, axis=1)
        return found

    def cost_usd(self, outcomes: Outcomes) -> FloatArray:
        """Return the bill of every call, shape (n_queries, n_points); NaN where one is unknown."""
        bills = np.where(self.called, outcomes.cost_usd[:, None, :], 0.0)
        total: FloatArray = bills.sum(axis=2)
        return total

    def mean_quality(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean quality of every point, shape (..., n_points); see `Frontier.mean`."""
        return _mean(self.quality(outcomes), weights)

    def mean_cost_usd(self, outcomes: Outcomes, weights: FloatArray | None = None) -> FloatArray:
        """Return the mean bill of every point, shape (..., n_points)."""
        return _mean(self.cost_usd(outcomes), weights)

    def dealt(self, order: IntArray) -> Self:
        """Do for each query what was done for another one: a cascade that knows nothing, at the same cost."""
        return replace(self, given=self.given[order], called=self.called[order])

    def at(self, points: IntArray) -> Self:
        """Return some of the points."""
        return replace(
            self,
            willingness_usd=self.willingness_usd[points],
            given=self.given[:, points],
            called=self.called[:, points],
        )


def willingnesses(plan: Plan) -> FloatArray:
    """Return the grid of a plan, ascending, shape (GRID,)."""
    strong = plan.cost_usd[plan.models.index(plan.strong)]
    grid: FloatArray = strong / np.geomspace(MOST_PRICE, LEAST_PRICE, GRID)
    return grid


def sweep(plan: Plan, evidence: Evidence, outcomes: Outcomes, willingness_usd: FloatArray | None = None) -> Sweep:
    """Run a plan on recorded answers at every willingness.

    evidence : of the belief's models. outcomes : whose columns hold the plan's models, rows as the evidence.
    Points that do the same for every query are kept once, at the middle of their willingnesses.
    """
    values = willingnesses(plan) if willingness_usd is None else np.asarray(willingness_usd, dtype=float)
    played = plan.program.play(evidence, plan.program.actions(plan.price(values)))
    columns = np.array([outcomes.column(model) for model in plan.models])
    called = np.zeros((*played.given.shape, len(outcomes.models)), dtype=bool)
    called[:, :, columns] = played.called
    whole = Sweep(willingness_usd=values, given=columns[played.given], called=called)
    return whole if willingness_usd is not None else whole.at(_distinct(whole))


def _distinct(whole: Sweep) -> IntArray:
    """Return one point of each run of points that are alike: the middle one, far from what would change it."""
    same = (whole.called[:, 1:] == whole.called[:, :-1]).all(axis=(0, 2)) & (
        whole.given[:, 1:] == whole.given[:, :-1]
    ).all(axis=0)
    runs = np.split(np.arange(len(whole)), np.flatnonzero(~same) + 1)
    return np.array([run[len(run) // 2] for run in runs], dtype=np.intp)


def _mean(values: FloatArray, weights: FloatArray | None) -> FloatArray:
    known = ~np.isnan(values)
    ones = np.ones(len(values)) if weights is None else weights
    total, count = ones @ np.nan_to_num(values), ones @ known.astype(float)
    means: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means
