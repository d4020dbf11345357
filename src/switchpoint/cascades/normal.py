"""The normal distribution for arrays: its distribution function, its expected excess, and the inverse of that.

The expected excess over z is g(z) = E[(N(0, 1) - z)+] = phi(z) - z (1 - Phi(z)). Each is a table that is linear between
evenly spaced points, built when it is first asked: numpy has none of them, and they are asked for millions of numbers.
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray

LOWEST, HIGHEST = -5.0, 38.5
"""Below the lowest, g(z) is -z + 5e-8 or less; above the highest, no double is as small as g(z)."""

SERIES_FROM, TERMS = 3.0, 80
"""Where g is computed by a continued fraction, because the difference of its two terms has no digits left."""


class Table(NamedTuple):
    """A function by its values at start, start + step, …; linear in between, constant beyond. NaN gives NaN."""

    start: float
    step: float
    values: FloatArray

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the function at x, any shape."""
        place = np.clip((x - self.start) / self.step, 0.0, len(self.values) - 1.0)
        with np.errstate(invalid="ignore"):
            left = place.astype(np.intp)
        low = self.values.take(left, mode="clip")
        found: FloatArray = low + (place - left) * (self.values.take(left + 1, mode="clip") - low)
        return found


def cdf(z: FloatArray) -> FloatArray:
    """Return the probability of less than z, within 3e-8; any shape."""
    return _cdf()(z)


def excess(z: FloatArray) -> FloatArray:
    """Return g(z), within 1e-6 of itself; any shape."""
    inside = np.exp(_log_excess()(z))
    beyond: FloatArray = np.where(z > HIGHEST, 0.0, inside)
    return np.where(z < LOWEST, -z, beyond)


def inverse_excess(gain: FloatArray) -> FloatArray:
    """Return the z at which g(z) is `gain`, 0 or more, within 1e-6; infinity for 0, minus infinity for infinity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        z = _inverse()(np.sqrt(2 - np.log(gain)))
    # So far to the left the excess is all but the distance.
    z = np.where(gain > -LOWEST, -gain, z)
    found: FloatArray = np.where(gain == 0, np.inf, z)
    return found


@cache
def _cdf() -> Table:
    start, step = -8.5, 2.0**-10
    z = np.arange(start, -start + step, step)
    return Table(start, step, np.array([math.erfc(-each / math.sqrt(2)) / 2 for each in z]))


@cache
def _log_excess() -> Table:
    step = 2e-3
    return Table(LOWEST, step, log_excess(np.arange(LOWEST, HIGHEST + step, step)))


@cache
def _inverse() -> Table:
    """Of u = sqrt(2 - log g): z is nearly linear in it, as log g is nearly -z * z / 2 far to the right."""
    z = np.arange(LOWEST - 0.01, HIGHEST + 0.01, 5e-4)
    u = np.sqrt(2 - log_excess(z))
    step = 2.0**-11
    return Table(float(u[0]), step, np.interp(np.arange(u[0], u[-1], step), u, z))


def log_excess(z: FloatArray) -> FloatArray:
    """Return log g(z) to twelve digits, shape (n,), z ascending; slow, and what the tables are made of."""
    split = int(np.searchsorted(z, SERIES_FROM))
    tail = np.array([math.erfc(each / math.sqrt(2)) / 2 for each in z[:split]])
    difference = np.log(np.exp(_log_density(z[:split])) - z[:split] * tail)
    return np.concatenate([difference, _log_excess_by_fraction(z[split:])])


def _log_excess_by_fraction(z: FloatArray) -> FloatArray:
    """Return log g(z) by the ratios of repeated integrals of the normal tail.

    With Hh_-1 = phi, Hh_0 = 1 - Phi and Hh_1 = g: Hh_n / Hh_(n-1) = 1 / (z + (n + 1) Hh_(n+1) / Hh_n).
    """
    first = ratio = np.zeros_like(z)
    for n in range(TERMS, -1, -1):
        first, ratio = ratio, 1 / (z + (n + 1) * ratio)
    log_g: FloatArray = _log_density(z) + np.log(ratio) + np.log(first)
    return log_g


def _log_density(z: FloatArray) -> FloatArray:
    density: FloatArray = -z * z / 2 - math.log(2 * math.pi) / 2
    return density
