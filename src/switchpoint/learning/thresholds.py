"""One threshold for each of several scores, of which the highest that reaches its own is followed."""

from __future__ import annotations

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.routers.semantic import NONE, TIE, choose

MAX_ROUNDS = 50
"""Of improving each threshold in turn; a handful is usual, and no round makes anything worse."""


def best_thresholds(scores: FloatArray, worth: FloatArray) -> FloatArray:
    """Return thresholds, shape (n_routes,), at which no single one can be changed for the better.

    scores : shape (n_texts, n_routes). worth : what it is worth to send each text to each route, the last column to
    none; shape (n_texts, n_routes + 1).

    Each threshold in turn is set to the exact best given the others: texts sorted by score, gains summed up. The sum
    of worth never falls, so this ends; what it ends in is the best in each direction, not always the best of all.
    """
    thresholds = np.zeros(scores.shape[1])
    for _ in range(MAX_ROUNDS):
        before = thresholds.copy()
        for route in range(len(thresholds)):
            thresholds[route] = _best_threshold(route, scores, worth, thresholds)
        if np.array_equal(before, thresholds):
            break
    return thresholds


def _best_threshold(route: int, scores: FloatArray, worth: FloatArray, thresholds: FloatArray) -> float:
    """Return the threshold with the highest sum of worth.

    It lies in the middle between two scores; where several cuts are as good it is the highest of them, which takes
    least of what nothing was said of.
    """
    rows = np.flatnonzero(scores[:, route] > 0)  # nothing else is ever accepted
    rows = rows[np.argsort(-scores[rows, route], kind="stable")]
    own = scores[rows, route]
    others = np.where(scores[rows] >= thresholds, scores[rows], -np.inf)
    others[:, route] = -np.inf
    best_other, without = others.max(axis=1), choose(others, thresholds)
    with_route = np.where(own > best_other + TIE, route, np.where(own >= best_other - TIE, NONE, without))
    gain = worth[rows, with_route] - worth[rows, without]  # NONE is -1, the last column
    upper, lower = np.append(1.0, own), np.append(own, 0.0)
    total = np.where(upper > lower + TIE, np.append(0.0, gain.cumsum()), -np.inf)
    if not np.isfinite(total).any():
        return 1.0
    cut = int(np.argmax(total >= total.max() - 1e-9))
    return float((upper[cut] + lower[cut]) / 2)
