"""Rules: given what is believed, which model to ask next, or none. All of them for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.reservation import Law, expected_gain, gaussian
from switchpoint.cascades.supermodels import best_supermodel, plans, prefix_values
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import BoolArray, FloatArray, IntArray

STOP = -1

Rule = Callable[[Posterior, BoolArray, BoolArray, FloatArray], IntArray]
"""From (posterior, called, eligible, price), shapes (n_queries, n_models), to the column to call next, or `STOP`.

price : of calling each model, in quality: cost_usd / willingness_usd + latency_s * its price. On `STOP` the answer in
hand of the highest posterior mean is given; with none in hand a rule never stops. It never calls a model that was
called or is not eligible. Pure, and a query's choice does not depend on the others.

Where no model is left that it may call, a rule stops, whatever is in hand. A model of unknown mean or price (NaN) or of
infinite price is called only where nothing is in hand and nothing else may be called.
"""

WORST = float(np.finfo(float).min)
"""Stands for an unknown score where some model must be called: below every score, above a model out of reach."""

BLOCK = 512
"""Queries that a rule integrates for at once; more would not stay in the processor's caches."""


@dataclass(frozen=True, slots=True)
class Index:
    """Call the model of the highest reservation value while that beats the best answer in hand.

    law : what an answer is taken to be worth before it is there: `gaussian`, `bernoulli`, or any other.

    It is the best of all policies, those that look ahead included, where answers are worth independent amounts; after
    each answer the posterior is asked again, which brings in what answers say of each other, one step at a time.

    Source: Weitzman, Optimal search for the best alternative (1979).
    """

    law: Law = gaussian

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        value = self.law(posterior.mean, posterior.spread, price)
        worth = value > best_in_hand(posterior, called)[:, None]
        return _choose(value, worth, called, eligible)


@dataclass(frozen=True, slots=True)
class Greedy:
    """Call the model that adds most, less its price, if it were the last one called; stop where none adds anything.

    It misses what pays only together with a later answer.
    """

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        best = best_in_hand(posterior, called)[:, None]
        gain = np.where(np.isfinite(best), expected_gain(posterior.mean, posterior.spread, best), posterior.mean)
        return _choose(gain - price, gain > price, called, eligible)


@dataclass(frozen=True, slots=True)
class Supermodels:
    """Cascade routing: find the set of models best to have called in all, and call one that is still missing.

    max_depth : the most models of a set, those called included; None is no limit. Of the missing ones, the one of the
        largest reservation value is called. Answers to come are taken as independent.

    A set is charged for all of its models, though one may stop before all are called: it undervalues long plans. Work
    grows with 2 ** n_models at low prices.

    Source: Dekoninck et al., A unified approach to routing and cascading for LLMs (2025), section 4. Differs: one
    willingness for all steps; theirs calls the first column of the set that is missing.
    """

    max_depth: int | None = None

    def __post_init__(self) -> None:
        if self.max_depth is not None and self.max_depth < 1:
            raise ConfigError(f"max_depth must be 1 or more. Got {self.max_depth!r}.")

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        return _in_blocks(self._block, posterior, called, eligible, price)

    def _block(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        best = best_in_hand(posterior, called)
        in_hand = np.isfinite(best)
        gain = expected_gain(posterior.mean, posterior.spread, np.where(in_hand, best, 0.0)[:, None])
        # What does not pay alone pays in no larger set.
        reach = _known(posterior, price) & eligible & ~called
        waiting = np.where(in_hand[:, None], reach & (gain > price), reach)
        depth = called.shape[1] if self.max_depth is None else self.max_depth
        ahead = plans(np.where(waiting, posterior.mean, 0.0), np.where(waiting, posterior.spread, 0.0), best)
        added = best_supermodel(ahead, in_hand, waiting, price, depth - called.sum(axis=1))
        return _choose(gaussian(posterior.mean, posterior.spread, price), added, called, eligible)


@dataclass(frozen=True, slots=True)
class Chain:
    """Optimal cascading: along a fixed order of columns, call the next one if some way further down is worth it.

    Models that are not eligible are skipped; models outside the order are never called.

    Source: Dekoninck et al., A unified approach to routing and cascading for LLMs (2025), section 3. Differs: one
    willingness for all steps.
    """

    order: Sequence[int]

    def __post_init__(self) -> None:
        _check_order(self.order)

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        return _in_blocks(self._block, posterior, called, eligible, price)

    def _block(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        waiting = eligible & ~called
        known, best = waiting & _known(posterior, price), best_in_hand(posterior, called)
        ahead = plans(np.where(known, posterior.mean, 0.0), np.where(known, posterior.spread, 0.0), best)
        worth = prefix_values(ahead, self.order, known, price).max(axis=1) > best
        return _next_in(self.order, waiting, worth | ~called.any(axis=1))


@dataclass(frozen=True, slots=True)
class Routing:
    """Choose before and call once: the model of the highest mean less its price; of equal ones the cheapest.

    Source: Dekoninck et al., A unified approach to routing and cascading for LLMs (2025), section 2.
    """

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        value = np.where(eligible, posterior.mean - price, np.nan)
        best = value == np.fmax.reduce(value, axis=1, keepdims=True)
        tied = np.where(best, -price, WORST)
        return np.where(called.any(axis=1), STOP, _choose(tied, best, called, eligible))


@dataclass(frozen=True, slots=True)
class Threshold:
    """The ordinary cascade: call the models of an order one by one until one's answer has a high enough mean.

    order : columns. thresholds : the posterior mean from which each model's own answer is accepted, one for each model
    but the last. Models that are not eligible are skipped; models outside the order are never called.

    Source: FrugalGPT (Chen et al. 2023), section 3, with the posterior mean as the score. Differs: the answer given in
    the end is the best one in hand, theirs the last one.
    """

    order: Sequence[int]
    thresholds: Sequence[float]

    def __post_init__(self) -> None:
        _check_order(self.order)
        if len(self.thresholds) != len(self.order) - 1:
            raise ConfigError(
                f"thresholds must hold one number for each model but the last. Got {len(self.thresholds)} for "
                f"{len(self.order)} models."
            )

    def __call__(self, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
        """Return the columns to call next."""
        order = np.array(self.order)
        last = len(order) - 1 - called[:, order][:, ::-1].argmax(axis=1)
        score = posterior.mean[np.arange(len(called)), order[last]]
        passed = called[:, order].any(axis=1) & (score >= np.array([*self.thresholds, np.inf])[last])
        return _next_in(order, eligible & ~called, ~passed)


def best_in_hand(posterior: Posterior, called: BoolArray) -> FloatArray:
    """Return the highest posterior mean of the answers in hand, shape (n_queries,); minus infinity with none."""
    best: FloatArray = np.where(called, np.fmax(posterior.mean, WORST), -np.inf).max(axis=1)
    return best


def _choose(score: FloatArray, worth: BoolArray, called: BoolArray, eligible: BoolArray) -> IntArray:
    """Return the column of the highest score among those worth calling; with nothing in hand, among all in reach."""
    reach = eligible & ~called
    among = reach & worth
    bare = ~(called.any(axis=1) | among.any(axis=1))
    among[bare] = reach[bare]
    # fmax takes the number where the other is NaN.
    columns = np.where(among, np.fmax(score, WORST), -np.inf).argmax(axis=1)
    return np.where(among.any(axis=1), columns, STOP)


def _next_in(order: Sequence[int] | IntArray, waiting: BoolArray, go_on: BoolArray) -> IntArray:
    """Return the first column of the order that is waiting, where one is and `go_on` says so, shape (n_queries,)."""
    columns = np.array(order)
    left = waiting[:, columns]
    return np.where(left.any(axis=1) & go_on, columns[left.argmax(axis=1)], STOP)


def _known(posterior: Posterior, price: FloatArray) -> BoolArray:
    known: BoolArray = np.isfinite(posterior.mean) & np.isfinite(posterior.spread) & np.isfinite(price)
    return known


def _in_blocks(rule: Rule, posterior: Posterior, called: BoolArray, eligible: BoolArray, price: FloatArray) -> IntArray:
    starts = range(0, max(len(called), 1), BLOCK)
    parts = [slice(start, start + BLOCK) for start in starts]
    chosen = [rule(Posterior(posterior.mean[p], posterior.spread[p]), called[p], eligible[p], price[p]) for p in parts]
    return np.concatenate(chosen)


def _check_order(order: Sequence[int]) -> None:
    if not len(order) or len(set(order)) != len(order) or min(order) < 0:
        raise ConfigError(f"order must name at least one column, each once. Got {list(order)!r}.")
