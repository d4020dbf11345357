"""Reservation values: the answer in hand at which one is indifferent to paying for one more.

The reservation value r of a model whose answer will be worth Q, at a price, solves E[(Q - r)+] = price: it is worth
calling while the best answer in hand is worth less. Of several solutions, at a price of 0, the smallest is returned.

Source: Weitzman, Optimal search for the best alternative (1979).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from switchpoint.cascades.normal import excess, inverse_excess
from switchpoint.core.query import FloatArray

Law = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""From (mean, spread, price) of what answers will be worth, shapes (n_queries, n_models), to their reservation values.

price : in quality, 0 or more. NaN anywhere gives NaN; an infinite price gives minus infinity.
"""

SURELY = 8.0
"""Spreads above which a price lets Q exceed r surely, to the last digit: r is then mean - price."""


def gaussian(mean: FloatArray, spread: FloatArray, price: FloatArray) -> FloatArray:
    """Return reservation values where Q is normal: mean + spread * z, g(z) = price / spread, g(z) = E[(N(0, 1) - z)+].

    Accurate to 1e-6 spreads. A spread of 0 is an answer known beforehand: mean - price. A price of 0 is worth paying
    whatever is in hand: infinity, unless the spread is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r = mean + spread * inverse_excess(price / spread)
    found: FloatArray = np.where(price > SURELY * spread, mean - price, r)
    return np.where((spread == 0) & (price == 0), mean, found)


def bernoulli(mean: FloatArray, spread: FloatArray, price: FloatArray) -> FloatArray:
    """Return reservation values where the answer will be found right or wrong: Q is 1 with probability `mean`, else 0.

    That is 1 - price / mean, down to a price of `mean`, and mean - price beyond. So it is after a perfect verifier;
    `spread` follows from the mean and is not looked at.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        r: FloatArray = np.where(price < mean, 1 - price / mean, mean - price)
    return r


def finite(values: FloatArray, probability: FloatArray, price: FloatArray) -> FloatArray:
    """Return reservation values where Q takes finitely many values.

    values, probability : shape (..., n_values), broadcast together; each law's probabilities sum to 1.
    price : shape (...). Returns the shape that the price broadcasts to.

    E[(Q - r)+] is the largest, over the j highest values, of their sum of p (v - r); so r is the largest of
    (sum of p v - price) / (sum of p). Exact.
    """
    values, probability = np.broadcast_arrays(values, probability)
    order = np.argsort(-values, axis=-1)
    weight = np.take_along_axis(probability, order, axis=-1)
    mass = weight.cumsum(axis=-1)
    total = (weight * np.take_along_axis(values, order, axis=-1)).cumsum(axis=-1)
    surplus = total - np.asarray(price)[..., None]
    mass = np.broadcast_to(mass, surplus.shape)
    # Where every value so far is impossible there is nothing to divide by; where it nearly is, the quotient is -inf.
    with np.errstate(over="ignore"):
        r: FloatArray = np.divide(surplus, mass, out=np.full(surplus.shape, -np.inf), where=mass > 0).max(axis=-1)
    return r


def expected_gain(mean: FloatArray, spread: FloatArray, best: FloatArray) -> FloatArray:
    """Return E[(Q - best)+] where Q is normal: what a model's answer is expected to add to one in hand; 0 or more.

    Shapes broadcast together. Relative accuracy 1e-6 where the spread is not 0; of (mean - best)+ where it is.
    """
    sure = np.maximum(mean - best, 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gain = spread * excess((best - mean) / spread)
    return np.where(spread == 0, sure, gain)
