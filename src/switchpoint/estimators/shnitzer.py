"""Shnitzer: neighbours are believed as far as neighbours at that distance have been right before.

How right they are is learned from queries whose own row, and whose whole domain, was left out: near and far.
Source: Shnitzer et al. 2023, Large Language Model Routing with Benchmark Datasets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.calibration import FOLDS, rising
from switchpoint.estimators.index import Neighbours, VectorIndex
from switchpoint.estimators.knn import observed_sums
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.reading import Reading

MAX_REFERENCES = 2_000
"""Rows from which reliability is learned, evenly spaced: enough for a curve, and bounded."""
MAX_DOMAINS = 64
"""With more of them some are left out together."""
BANDWIDTH = 0.05
"""Of the Gaussian kernel, in units of distance, which is 1 - cosine."""
GRID = np.linspace(0, 1, 41)
"""Distances at which the curve is kept; between them it is straight, beyond them level."""
PRIOR_ROWS = 20.0
"""How many rows that say nothing the curve starts with, at every distance."""


class Past(NamedTuple):
    """What neighbours said of rows that were left out, and what was observed there.

    distance : shape (n_past,); said, observed : shape (n_past, n_models), NaN is not observed.
    """

    distance: FloatArray
    said: FloatArray
    observed: FloatArray


class TaskScores(NamedTuple):
    """Scores of each model on a whole task, all of shape (n_models,); see `Shnitzer.task_scores`."""

    s1: FloatArray
    s2: FloatArray
    s3: FloatArray


class Shnitzer(NamedTuple):
    """Training queries, and how far to believe them.

    rows, scales : of a `VectorIndex` of the queries; quality : shape (n_rows, n_models), NaN is not observed.
    prior : shape (n_models,), mean quality; k : neighbours; s3 : whether `reliability` is that of the paper.
    reliability : shape (len(GRID), n_models), in [0, 1], at each distance: how much of what the neighbours say beyond
        the prior comes true or, of the paper, how often they tell right from wrong.
    """

    rows: FloatArray
    scales: FloatArray
    quality: FloatArray
    prior: FloatArray
    reliability: FloatArray
    k: IntArray
    s3: BoolArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, *, k: int = 100, s3: bool = False) -> Self:
        """Keep the rows and learn their reliability; k : neighbours, of which the paper takes 5."""
        index = VectorIndex.of(reading.vectors)
        prior, quality = shrunk_mean(quality), quality.astype(np.float32)
        parts = [_past(quality, prior, *part) for part in _left_out(index, reading, k, near=not s3)]
        past = Past(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
        state = index.state()
        curve = _share_right(past) if s3 else _share_true(past, prior)
        return cls(state["rows"], state["scales"], quality, prior, curve, np.array(k), np.array(s3))

    def predict(self, reading: Reading) -> FloatArray:
        """Return what the neighbours say, shrunk to the prior by their reliability; (n_queries, n_models).

        Of the paper: ``S3 = p · [said > ½] + (1 - p) · [said ≤ ½]`` of each query.
        """
        distance, said = self._ask(reading)
        p = self._reliability(distance)
        if self.s3:
            return np.where(said > 0.5, p, 1 - p)
        return self.prior + p * (said - self.prior)

    def task_scores(self, reading: Reading) -> TaskScores:
        """Score each model on a task without outcomes, whose queries are these.

        S1 is the mean of what the neighbours say, S2 the share of queries on which that is more than one half, and
        ``S3 = p · S2 + (1 - p) · (1 - S2)`` with p the reliability at the task's mean distance.
        """
        distance, said = self._ask(reading)
        s2 = (said > 0.5).mean(axis=0)
        p = self._reliability(distance.mean(keepdims=True))[0]
        return TaskScores(said.mean(axis=0), s2, p * s2 + (1 - p) * (1 - s2))

    def _ask(self, reading: Reading) -> tuple[FloatArray, FloatArray]:
        found = VectorIndex(self.rows, self.scales).search(reading.vectors, int(self.k))
        return _distance(found), _said(self.quality, found.rows, self.prior)

    def _reliability(self, distance: FloatArray) -> FloatArray:
        curves = [np.interp(distance, GRID, curve) for curve in self.reliability.T]
        return np.stack(curves, axis=1)


def _left_out(index: VectorIndex, reading: Reading, k: int, *, near: bool) -> Iterator[tuple[IntArray, Neighbours]]:
    """Yield reference rows with their neighbours among the rows of other domains and, if `near`, among all others."""
    n = len(reading)
    references = np.unique(np.linspace(0, n - 1, min(n, MAX_REFERENCES)).astype(int)) if n else np.zeros(0, int)
    labels = np.arange(n) % FOLDS
    if len(set(reading.kinds)) > 1:
        labels = np.unique(reading.kinds, return_inverse=True)[1] % MAX_DOMAINS
    yield references[:0], index.search(reading.vectors[:0], k)
    for label in np.unique(labels[references]) if labels.any() else ():
        own, others = references[labels[references] == label], np.flatnonzero(labels != label)
        found = VectorIndex.of(reading.vectors[others]).search(reading.vectors[own], k)
        yield own, Neighbours(others[found.rows], found.cosines)
    if near and n > 1:
        found = index.search(reading.vectors[references], k + 1)
        # The row itself goes last, and is cut off; where many equal ones hide it, the last of them is.
        order = np.argsort(found.rows == references[:, None], axis=1, kind="stable")[:, :-1]
        rows = np.take_along_axis(found.rows, order, axis=1)
        yield references, Neighbours(rows, np.take_along_axis(found.cosines, order, axis=1))


def _past(quality: FloatArray, prior: FloatArray, references: IntArray, found: Neighbours) -> Past:
    return Past(_distance(found), _said(quality, found.rows, prior), quality[references])


def _distance(found: Neighbours) -> FloatArray:
    """Return 1 - mean cosine of the neighbours, shape (n_queries,); 1 where there are none."""
    result: FloatArray = 1 - found.cosines.sum(axis=1) / max(1, found.cosines.shape[1])
    return result


def _said(quality: FloatArray, rows: IntArray, prior: FloatArray) -> FloatArray:
    """Return the mean of what was observed of the neighbours, shape (n_queries, n_models); the prior where nothing."""
    good, seen = observed_sums(quality, rows, np.ones(rows.shape))
    return np.where(seen > 0, good / np.maximum(seen, 1), prior)


def _share_right(past: Past) -> FloatArray:
    """Return how often the neighbours were right at each distance, by kernel regression; one half where unknown."""
    right = np.where(np.isnan(past.observed), np.nan, (past.said > 0.5) == (past.observed > 0.5))
    hits, seen = _smoothed(past.distance, np.nan_to_num(right)), _smoothed(past.distance, 1.0 * ~np.isnan(right))
    return (hits + PRIOR_ROWS / 2) / (seen + PRIOR_ROWS)


def _share_true(past: Past, prior: FloatArray) -> FloatArray:
    """Return the slope of what came true on what was said, both beyond the prior, at each distance, in [0, 1].

    It is the factor that makes the squared error least. All models share it: a slope of one model is mostly noise.
    """
    said = np.where(np.isnan(past.observed), 0.0, past.said - prior)
    true = np.where(np.isnan(past.observed), 0.0, past.observed - prior)
    product = _smoothed(past.distance, (said * true).sum(axis=1, keepdims=True))
    square = _smoothed(past.distance, (said * said).sum(axis=1, keepdims=True))
    # Rows that say as much as the average row, and of which nothing came true.
    idle = PRIOR_ROWS * (said * said).sum() / max(1, len(said))
    slope = np.clip(product / np.maximum(square + idle, 1e-12), 0, 1)
    # Farther is never believed more: where the curve rises again, a few far queries were lucky.
    falling = -rising(-slope[:, 0], square[:, 0] + 1e-12)
    return np.tile(falling[:, None], (1, len(prior)))


def _smoothed(distance: FloatArray, values: FloatArray) -> FloatArray:
    """Sum values, shape (n_past, n_columns), around each distance of `GRID` with a Gaussian kernel (Nadaraya 1964)."""
    kernel = np.exp(-(((GRID[:, None] - distance) / BANDWIDTH) ** 2) / 2)
    result: FloatArray = kernel @ values
    return result
