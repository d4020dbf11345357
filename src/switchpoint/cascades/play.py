"""Play: what a rule does on queries of which every answer is recorded. All at once; those that stop drop out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.belief import Belief, Evidence, Posterior
from switchpoint.cascades.rules import STOP, Rule
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray

BeliefStep = Callable[[IntArray, BoolArray], Posterior]
"""From the rows of some queries, shape (n_rows,), and who of the models has answered each, shape (n_rows, n_models), to
their posterior."""


class Trajectory(NamedTuple):
    """What was called for each query, and what was given.

    called : shape (n_queries, n_models). column : whose answer was given, shape (n_queries,); `STOP` where none was.
    steps : the columns in the order of the calls, `STOP` after the last one; shape (n_queries, n_models).
    """

    called: BoolArray
    column: IntArray
    steps: IntArray

    @property
    def calls(self) -> IntArray:
        """How many models were called, shape (n_queries,)."""
        count: IntArray = self.called.sum(axis=1)
        return count

    def given(self, values: FloatArray) -> FloatArray:
        """Return the value of the answer that was given, shape (n_queries,); NaN where none was."""
        found = values[np.arange(len(self.column)), self.column]
        return np.where(self.column == STOP, np.nan, found)

    def spent(self, values: FloatArray) -> FloatArray:
        """Return the sum over the models that were called, shape (n_queries,); an unknown one makes it unknown."""
        total: FloatArray = np.where(self.called, values, 0.0).sum(axis=1)
        return total

    def quality(self, outcomes: Outcomes) -> FloatArray:
        """Return the observed quality of the answers that were given, shape (n_queries,); NaN is unknown."""
        return self.given(outcomes.quality)

    def cost_usd(self, outcomes: Outcomes) -> FloatArray:
        """Return what all the calls cost, shape (n_queries,); NaN is unknown."""
        return self.spent(outcomes.cost_usd)


def play(rule: Rule, step: BeliefStep, price: FloatArray, eligible: BoolArray | None = None) -> Trajectory:
    """Follow a rule until it stops on every query, at most one call of each model.

    price : shape (n_queries, n_models), see `Rule`. eligible : the same shape; None is all of them.
    """
    n_queries, n_models = price.shape
    eligible = np.ones(price.shape, dtype=bool) if eligible is None else eligible
    called, column = np.zeros(price.shape, dtype=bool), np.full(n_queries, STOP)
    steps, rows = np.full(price.shape, STOP), np.arange(n_queries)
    for number in range(n_models + 1):
        if not len(rows):
            break
        in_hand, posterior = called[rows], step(rows, called[rows])
        column[rows] = given(posterior, in_hand)
        chosen = rule(posterior, in_hand, eligible[rows], price[rows])
        going = chosen != STOP
        rows, chosen = rows[going], chosen[going]
        called[rows, chosen] = True
        # Nobody goes on after the last model: then there is no step to write down.
        steps[rows, min(number, n_models - 1)] = chosen
    return Trajectory(called, column, steps)


def given(posterior: Posterior, called: BoolArray) -> IntArray:
    """Return the answer in hand of the highest mean, shape (n_queries,); `STOP` with none."""
    mean = np.where(called, np.nan_to_num(posterior.mean, nan=np.finfo(float).min), -np.inf)
    return np.where(called.any(axis=1), mean.argmax(axis=1), STOP)


def believing(belief: Belief, prior: FloatArray | None, evidence: Evidence) -> BeliefStep:
    """Return the step of a belief that is told, of recorded evidence, only what was called.

    prior : see `Belief.posterior`. evidence : of every answer of every query.
    """

    def step(rows: IntArray, called: BoolArray) -> Posterior:
        of_rows = None if prior is None else prior[rows]
        return belief.posterior(of_rows, evidence.take(rows).only(called))

    return step


def independent(before: Posterior, after: FloatArray) -> BeliefStep:
    """Return the step of answers that say nothing of each other.

    before : of every model before it is called. after : the mean once it has answered, shape (n_queries, n_models).
    """

    def step(rows: IntArray, called: BoolArray) -> Posterior:
        mean = np.where(called, after[rows], before.mean[rows])
        return Posterior(mean, np.where(called, 0.0, before.spread[rows]))

    return step
