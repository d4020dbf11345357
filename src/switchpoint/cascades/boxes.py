"""Boxes: the exact best policy on a few independent models whose answers take finitely many values. A check of rules.

Opening a box costs its price and shows what is in it; in the end one keeps the best that was found. There are few
enough states (which boxes are open, and the best value so far) to solve by dynamic programming, whatever the order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np

from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.play import independent, play
from switchpoint.cascades.reservation import Law, finite
from switchpoint.cascades.rules import Rule
from switchpoint.core.errors import DataError
from switchpoint.core.query import FloatArray

MOST_BOXES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """Independent boxes.

    values, probability : what may be in each, and how probably; shape (n_boxes, n_values), each row of probabilities
        sums to 1. price : of opening each, in the unit of the values, shape (n_boxes,).

    Raises DataError where the shapes differ, or there are more than `MOST_BOXES` boxes.
    """

    values: FloatArray
    probability: FloatArray
    price: FloatArray

    def __post_init__(self) -> None:
        n_boxes = len(self.price)
        if self.values.shape != self.probability.shape or len(self.values) != n_boxes:
            raise DataError(
                f"values {self.values.shape}, probability {self.probability.shape} and {n_boxes} prices do not fit."
            )
        if not 1 <= n_boxes <= MOST_BOXES:
            raise DataError(f"There must be 1 to {MOST_BOXES} boxes. Got {n_boxes}: use `Index`, which is exact, too.")

    @property
    def mean(self) -> FloatArray:
        """Expected content, shape (n_boxes,)."""
        mean: FloatArray = (self.values * self.probability).sum(axis=1)
        return mean

    @property
    def spread(self) -> FloatArray:
        """Standard deviation of the content, shape (n_boxes,)."""
        variance = ((self.values - self.mean[:, None]) ** 2 * self.probability).sum(axis=1)
        spread: FloatArray = np.sqrt(variance)
        return spread

    @property
    def law(self) -> Law:
        """The law of these boxes, for `Index`."""

        def reservation(mean: FloatArray, spread: FloatArray, price: FloatArray) -> FloatArray:
            return finite(self.values, self.probability, price)

        return reservation


def best_net_value(boxes: Boxes) -> float:
    """Return the highest expected value of the best content less all prices paid, over every policy.

    At least one box is opened. By dynamic programming over (boxes still closed, best value so far).
    """

    @cache
    def from_here(closed: frozenset[int], best: float) -> float:
        # With nothing found yet stopping is worth minus infinity, so one box is always opened.
        return max([best, *(opening(closed, box, best) for box in closed)])

    def opening(closed: frozenset[int], box: int, best: float) -> float:
        contents = zip(boxes.values[box].tolist(), boxes.probability[box].tolist(), strict=True)
        after = sum(p * from_here(closed - {box}, max(best, value)) for value, p in contents if p > 0)
        return float(after - boxes.price[box])

    best: float = from_here(frozenset(range(len(boxes.price))), -np.inf)
    return best


def net_value(boxes: Boxes, rule: Rule) -> float:
    """Return the expected value of what a rule keeps less the prices it pays, exactly: it plays every combination."""
    n_boxes, n_values = boxes.values.shape
    drawn = np.array(list(itertools.product(range(n_values), repeat=n_boxes)))
    columns = np.arange(n_boxes)
    contents, probability = boxes.values[columns, drawn], boxes.probability[columns, drawn].prod(axis=1)
    price = np.broadcast_to(boxes.price, contents.shape)
    before = Posterior(np.broadcast_to(boxes.mean, contents.shape), np.broadcast_to(boxes.spread, contents.shape))
    played = play(rule, independent(before, contents), price)
    net = played.given(contents) - played.spent(price)
    return float((probability * net).sum())
