"""Supermodels: what the best of several answers is expected to be worth, and the set of models worth calling for it.

A supermodel is a set of models that are all called; it gives the best of their answers. Answers yet to come are taken
as independent and normal, with the mean and the spread of the posterior.

Source: Dekoninck et al., A unified approach to routing and cascading for LLMs (2025). Differs: the expected maximum is
an integral in one dimension, where theirs is 100 quasi-random draws in as many dimensions as there are models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.normal import cdf
from switchpoint.core.query import BoolArray, FloatArray, IntArray

BREAKS = np.array([-6.0, -3.0, -1.0, 1.0, 3.0, 6.0])
"""Where the integrand bends, in spreads from each mean; between two neighbours it is nearly a polynomial."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(4)
"""Gauss-Legendre on [-1, 1]. With the breaks above the expected maximum is within 1e-5 spreads."""

LEAST_SPREAD = 1e-9
"""An answer known beforehand is a step; so narrow a slope stands for it."""


class Plans(NamedTuple):
    """All that the expected maximum of any set of models needs, for a batch of queries.

    start : shape (n_queries,): the best answer in hand, or where there is none a value below every answer to come.
    weight : shape (n_queries, n_nodes), of the quadrature from `start` upwards.
    below : shape (n_queries, n_models, n_nodes): the probability that the answer is worth less than the node.
    """

    start: FloatArray
    weight: FloatArray
    below: FloatArray

    def expected_best(self, below: FloatArray, rows: IntArray | slice = slice(None)) -> FloatArray:
        """Return start + integral of (1 - P(every answer is below)), shape (n_rows, ...).

        below : products of this tuple's `below` over the models of the set, shape (n_rows, ..., n_nodes).
        """
        weight = self.weight[rows]
        total = weight.sum(axis=-1) + self.start[rows]
        lost: FloatArray = np.einsum("n...k,nk->n...", below, weight)
        best: FloatArray = total.reshape(-1, *(1,) * (lost.ndim - 1)) - lost
        return best


def plans(mean: FloatArray, spread: FloatArray, best: FloatArray) -> Plans:
    """Prepare the quadrature; `best` is the answer in hand, shape (n_queries,), minus infinity where there is none."""
    spread = np.maximum(spread, LEAST_SPREAD)
    breaks = (mean[:, :, None] + spread[:, :, None] * BREAKS).reshape(len(mean), mean.shape[1] * len(BREAKS))
    start = np.where(np.isfinite(best), best, breaks.min(axis=1))
    edges = np.sort(np.maximum(np.column_stack([start, breaks]), start[:, None]), axis=1)
    half, middle = np.diff(edges, axis=1)[:, :, None] / 2, (edges[:, 1:] + edges[:, :-1])[:, :, None] / 2
    size = len(mean), half.shape[1] * len(NODES)
    nodes, weight = (middle + half * NODES).reshape(size)[:, None], (half * WEIGHTS).reshape(size)
    return Plans(start, weight, cdf((nodes - mean[:, :, None]) / spread[:, :, None]))


def expected_maximum(mean: FloatArray, spread: FloatArray, best: FloatArray) -> FloatArray:
    """Return E[max(best, Q_1, …, Q_m)] of independent normal answers, shape (n_queries,)."""
    ahead = plans(mean, spread, best)
    return ahead.expected_best(ahead.below.prod(axis=1))


def prefix_values(ahead: Plans, order: Sequence[int], waiting: BoolArray, price: FloatArray) -> FloatArray:
    """Return E[max] - price of every prefix of an order of models, shape (n_queries, len(order)).

    waiting : which models may still be called, shape (n_queries, n_models); others add neither value nor price.
    A prefix without any is worth minus infinity.
    """
    columns, may = list(order), waiting[:, list(order)]
    below = np.where(may[:, :, None], ahead.below[:, columns], 1.0).cumprod(axis=1)
    paid = np.where(may, price[:, columns], 0.0).cumsum(axis=1)
    return np.where(may.cumsum(axis=1) > 0, ahead.expected_best(below) - paid, -np.inf)


def best_supermodel(
    ahead: Plans, in_hand: BoolArray, waiting: BoolArray, price: FloatArray, size: IntArray
) -> BoolArray:
    """Return the models to add that make E[max] - price highest, shape (n_queries, n_models); none: add nothing.

    in_hand : shape (n_queries,), whether there is an answer; where there is none, something is added.
    waiting : which may be added, shape (n_queries, n_models). size : at most how many, shape (n_queries,).

    Adding a model gains less the larger the set is (the expected maximum is submodular, the price is modular). So where
    the last model of a set loses, it loses in every larger set, and none of those need be looked at.
    """
    nothing = np.where(in_hand, ahead.start, -np.inf)
    search = _Search(ahead, waiting, price, size, np.zeros(waiting.shape, dtype=bool), nothing.copy())
    search.explore(_Set((), np.arange(len(waiting)), np.ones_like(ahead.weight), nothing, np.zeros(len(waiting))))
    return search.found


class _Set(NamedTuple):
    """One set of added models, and the queries for which each of them gained when it was added in this order.

    below : shape (n_rows, n_nodes), see `Plans`. value : E[max] - price. paid : the price; both of shape (n_rows,).
    """

    members: tuple[int, ...]
    rows: IntArray
    below: FloatArray
    value: FloatArray
    paid: FloatArray


@dataclass(slots=True)
class _Search:
    """Depth first over sets of models, each one in the order of the columns, all queries at once."""

    ahead: Plans
    waiting: BoolArray
    price: FloatArray
    size: IntArray
    found: BoolArray
    best: FloatArray

    def explore(self, each: _Set) -> None:
        first = each.members[-1] + 1 if each.members else 0
        for column in range(first, self.waiting.shape[1]):
            larger = self.added(each, column)
            if len(larger.rows):
                self.note(larger)
                self.explore(larger)

    def added(self, each: _Set, column: int) -> _Set:
        may = self.waiting[each.rows, column] & (self.size[each.rows] > len(each.members))
        rows = each.rows[may]
        below = each.below[may] * self.ahead.below[rows, column]
        paid = each.paid[may] + self.price[rows, column]
        value = self.ahead.expected_best(below, rows) - paid
        gains = value > each.value[may]
        return _Set((*each.members, column), rows[gains], below[gains], value[gains], paid[gains])

    def note(self, each: _Set) -> None:
        better = each.value > self.best[each.rows]
        rows = each.rows[better]
        self.best[rows] = each.value[better]
        self.found[rows] = np.isin(np.arange(self.waiting.shape[1]), each.members)
