"""Hybrid: the probability that a model's answer is as good as the reference's.

Hybrid-LLM (Ding et al. 2024) asks it of two models, BEST-Route (Ding et al. 2025) of any number. The reference is the
best model of the training rows. What is predicted of every other is the probability that its quality is at least the
reference's less a tolerance; of the reference, which matches itself, one. The threshold on that probability is the knob
at request time: it needs no new training. What the three forms differ in is the label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.linear import BOTH, fit_linear
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import scipy

NEIGHBOURS = 16
"""A single score is smoothed with those of so many nearest queries, itself included."""
REPEATED = 0.1
"""With this share of fractions the scores of a model are taken to be means of repeated answers."""
GRID = 41
"""Tolerances that are tried, from 0 to the largest distance of the expected qualities."""
MAX_ROWS = 10_000
BATCH = 512


class Hybrid(NamedTuple):
    """A logistic regression for each model; weights : shape (n_columns, n_models).

    reference : column of the reference, no dimension, -1 without any outcome.
    tolerance : of each model's label, shape (n_models,), in quality.
    """

    weights: FloatArray
    reference: FloatArray
    tolerance: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, label: str = "prob", tolerance: float = 0.0) -> Self:
        """Learn from the queries on which both a model and the reference were observed.

        label : "det", "prob" or "trans", see `LABELS`. tolerance : quality that may be given up; "trans" finds its own.
        """
        some = np.flatnonzero((~np.isnan(quality)).any(axis=1))
        reading, quality = reading.take(some), quality[some]
        found = LABELS[label](reading, quality, tolerance)
        weights = fit_linear(reading.columns, found.match, (BOTH,)).astype(np.float32)
        reference = reference_of(quality) if len(quality) else -1
        return cls(weights, np.array(reference), found.tolerance)

    def predict(self, reading: Reading) -> FloatArray:
        """Return the probability of matching the reference, shape (n_queries, n_models)."""
        match = sigmoid(reading.columns @ self.weights)
        if self.reference >= 0:
            match[:, int(self.reference)] = 1.0
        return match


class Labels(NamedTuple):
    """What the logistic learns: match : shape (n_queries, n_models), NaN where unknown; tolerance : (n_models,)."""

    match: FloatArray
    tolerance: FloatArray


def reference_of(quality: FloatArray) -> int:
    """Return the column of the model with the best mean; the first of equals."""
    return int(shrunk_mean(quality).argmax())


def deterministic(reading: Reading, quality: FloatArray, tolerance: float) -> Labels:
    """Label 1 where q_m >= q_ref - t on single scores: the paper's r_det."""
    best = quality[:, [reference_of(quality)]]
    match = np.where(np.isnan(quality) | np.isnan(best), np.nan, quality >= best - tolerance)
    return Labels(match, np.full(quality.shape[1], tolerance))


def probabilistic(reading: Reading, quality: FloatArray, tolerance: float) -> Labels:
    """Label P(q_m >= q_ref - t) over independent repeated answers: the paper's r_prob.

    A fraction is the share of right answers among repeated ones, so of p and r the label is 1 - (1 - p) r, exactly
    the mean over all pairs of answers; a single score is smoothed first. A right answer is worth 1, so a tolerance
    below 1 changes nothing, and from 1 on everything matches.
    """
    share = chances(reading, quality)
    match = 1 - (1 - share) * share[:, [reference_of(quality)]] * (tolerance < 1)
    return Labels(match, np.full(quality.shape[1], tolerance))


def transformed(reading: Reading, quality: FloatArray, tolerance: float) -> Labels:
    """Label P(q_m >= q_ref - t*) of expected qualities, with the t* that spreads the labels most: the paper's r_trans.

    The paper's qualities are continuous scores; of right and wrong no tolerance below 1 tells apart, so qualities are
    those expected near the query, known as well as so many neighbours allow. `tolerance` is not used.
    """
    share = chances(reading, quality)
    answers = NEIGHBOURS + 1
    likely = (share * answers + 0.5) / (answers + 1)
    variance = likely * (1 - likely) / answers
    best = reference_of(quality)
    ahead = share - share[:, [best]]
    error = np.sqrt(variance + variance[:, [best]])
    match, found = np.full(quality.shape, np.nan), np.zeros(quality.shape[1])
    for m in range(quality.shape[1]):
        known = ~np.isnan(ahead[:, m])
        found[m] = best_tolerance(ahead[known, m], error[known, m])
        match[known, m] = matches(ahead[known, m], error[known, m], found[m])
    return Labels(match, found)


def matches(ahead: FloatArray, error: FloatArray, tolerance: float) -> FloatArray:
    """Return P(ahead + noise >= -tolerance) for normal noise of this standard error; all of one shape."""
    result: FloatArray = scipy("special").ndtr((ahead + tolerance) / error)
    return result


def best_tolerance(ahead: FloatArray, error: FloatArray) -> float:
    """Return t* = argmax over t of the mean |y_i(t) - y_j(t)|, on a grid from 0 to the largest distance.

    ahead, error : shape (n_queries,), expected lead over the reference and its standard error.
    """
    grid = np.linspace(0, np.abs(ahead).max(initial=0.0), GRID)
    return float(grid[np.argmax([mean_difference(matches(ahead, error, t)) for t in grid])])


def mean_difference(y: FloatArray) -> float:
    """Return the mean of |y_i - y_j| over all pairs, exactly, by sorting: 2 Σ (2 i - n - 1) y_(i) / n²; 0 of none."""
    n = len(y)
    place = 2 * np.arange(1, n + 1) - n - 1
    return float(2 * place @ np.sort(y) / max(1, n) ** 2)


def chances(reading: Reading, quality: FloatArray) -> FloatArray:
    """Return the chance of a right answer behind each score, shape (n_queries, n_models); NaN where there is none.

    The scores of a model that are often fractions come from repeated answers and are taken as they are; single ones
    are averaged with those of the nearest queries.
    """
    observed = ~np.isnan(quality)
    single = ((quality > 0) & (quality < 1)).sum(axis=0) < REPEATED * observed.sum(axis=0)
    known = np.where(observed, quality, 0.0)
    total, number = known.copy(), observed.astype(np.float64)
    for rows, near in neighbours(reading.vectors):
        total[rows] += known[near].sum(axis=1)
        number[rows] += observed[near].sum(axis=1)
    return np.where(observed, np.where(single, total / np.maximum(number, 1), quality), np.nan)


def neighbours(vectors: FloatArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Yield rows and their nearest other rows by cosine, shapes (n,) and (n, at most `NEIGHBOURS`).

    Among at most `MAX_ROWS` of them, evenly spaced: the time is that of rows times these.
    """
    n = len(vectors)
    pool = np.linspace(0, n - 1, min(n, MAX_ROWS)).astype(np.intp)
    count = min(NEIGHBOURS, len(pool) - 1)
    for start in range(0, n if count > 0 else 0, BATCH):
        rows = np.arange(start, min(start + BATCH, n))
        cosine = vectors[rows] @ vectors[pool].T
        cosine[rows[:, None] == pool] = -np.inf
        yield rows, pool[np.argpartition(-cosine, count - 1, axis=1)[:, :count]]


LABELS: Mapping[str, Callable[[Reading, FloatArray, float], Labels]] = MappingProxyType(
    {"det": deterministic, "prob": probabilistic, "trans": transformed}
)
"""The forms of the label by name."""
