"""Guard: deviate from the best constant model only where paired evidence allows it, and never far from the evidence.

For every kind of query the gain of each model over the reference, the best constant model, is the mean paired
difference on the same queries, shrunk to none. A query's gain is that of the kinds it may be of, and of its nearest
neighbours; what counts is that gain less every doubt: its standard error, and, as likely as the query is of a new
kind, the spread of a model's gains between kinds. How cautious to be is chosen by rehearsal on the training rows alone:
the largest cross-validated gain among the settings that lose at most `TOLERANCE` on every kind that is left out.

Differs from a plain test of neighbours' outcomes (see docs/methods/guard.md): doubt is graded, and the price of a new
kind is learned from how much kinds differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.calibration import folds
from switchpoint.estimators.neighbourhoods import MAX_EXPONENT, kind_lines, kmeans, usable
from switchpoint.estimators.novelty import Novelty, merged
from switchpoint.estimators.static import N_SURFACE

TOLERANCE = 0.01
"""Of quality, on any kind that was left out."""
PROOF = 2.33
"""Standard errors by which the gain in rehearsal must exceed none: 99 % one-sided, since many choices are compared."""
PRIOR_ROWS, NEAR_PRIOR_ROWS = 20.0, 10.0
"""Rows without any gain that a kind, and a neighbourhood, starts with."""
NEAREST = 200
LEAST_SPREAD = 0.5
"""Of a paired difference: equal outcomes in a small kind would otherwise look certain."""
MIN_KINDS, MAX_KINDS = 2, 20
MAX_NEIGHBOURS = 2_500
"""Rows kept as neighbours: finding the nearest of more would cost more than the rest of a decision."""
MAX_CELLS = 40_000
"""Rows times kinds that are rehearsed on."""
NEVER = -1.0
"""The gain of a model that is not to be chosen: the worst there could be."""
UNPROVEN = 0.001
"""Loss of a model that is predicted to be no worse, without proof: it must be cheaper to be chosen."""


Domains = npt.NDArray[np.str_]
Ground = Callable[[FloatArray, Sequence[str]], tuple[FloatArray, dict[str, BoolArray], BoolArray]]
"""Says what novelty is learned from: columns, which of them are of each kind, and which are known."""


class Caution(NamedTuple):
    """How much to doubt.

    near : share of the nearest neighbours in the gain; the rest is that of the kinds.
    errors : standard errors taken off. spread : spreads between kinds taken off, times the chance of a new kind.
    max_novelty : beyond it nothing but the reference. log_odds : of a new kind, before the query is seen.
    """

    near: float
    errors: float
    spread: float
    max_novelty: float
    log_odds: float


CHOICES = tuple(
    Caution(*each)
    for each in product((0.0, 0.5), (0.0, 0.5, 1.0), (0.0, 0.25, 0.5), (0.5, 0.65, 0.8, 0.95), (0.0, -1.0))
)


MOST_CAUTIOUS = Caution(near=0.0, errors=1.0, spread=0.5, max_novelty=0.5, log_odds=0.0)


class Gains(NamedTuple):
    """What is known of some queries before it is doubted; all of shape (n_queries, n_models) but novelty.

    kinds, near : gain over the reference by kinds and, where any are kept, by neighbours; errors : standard error of
        the former.
    spread : shape (n_models,), of a model's gains between kinds. novelty : shape (n_queries,).
    """

    kinds: FloatArray
    near: FloatArray
    errors: FloatArray
    spread: FloatArray
    novelty: FloatArray
    reference: int

    def doubted(self, caution: Caution) -> FloatArray:
        """Return the gains less every doubt, shape (n_queries, n_models), in [-1, 1]; 0 for the reference."""
        odds = self.novelty * math.exp(caution.log_odds)
        new = (odds / (odds + (1 - self.novelty)))[:, None]
        gain = self.kinds if caution.near == 0 else (1 - caution.near) * self.kinds + caution.near * self.near
        gain = (1 - new) * (gain - caution.errors * self.errors) - new * (caution.spread * self.spread)
        gain[self.novelty > caution.max_novelty] = NEVER
        gain[:, self.reference] = 0.0
        return gain


class Guard(NamedTuple):
    """Paired evidence, and how to doubt it.

    places : shape (n_columns, n_kinds), of the classifier of kinds. gains, variances : shape (n_kinds, n_models).
    vectors, differences : rows kept as neighbours, shapes (n_rows, dim) and (n_rows, n_models); none if not needed.
    caution : shape (5,), of `Caution`; NaN where no caution was enough and nothing but the reference is allowed.
    reference : shape (), column of the best constant model.
    """

    places: FloatArray
    gains: FloatArray
    variances: FloatArray
    vectors: FloatArray
    differences: FloatArray
    caution: FloatArray
    reference: IntArray

    @classmethod
    def fit(
        cls, columns: FloatArray, quality: FloatArray, domains: Sequence[str], ground: Ground, seed: int = 0
    ) -> Self:
        """Gather the evidence and rehearse.

        columns : of a reader, shape (n_queries, n_columns). quality : shape (n_queries, n_models), NaN is left out.
        domains : of each row; too many are merged, and where there is one only, clusters stand for them.
        ground : what novelty is learned from, as `Knowledge.ground`.
        """
        labels = _labels(columns, domains, seed)
        rows = np.arange(0, len(columns), 1 + len(columns) * len(np.unique(labels)) // MAX_CELLS)
        caution = _rehearse(columns[rows], quality[rows], labels[rows], np.array(domains, dtype=str)[rows], ground)
        evidence = cls._evidence(columns, quality, labels)
        if caution is None or not caution.near > 0:
            evidence = evidence._replace(vectors=evidence.vectors[:0], differences=evidence.differences[:0])
        return evidence._replace(caution=np.full(5, np.nan) if caution is None else np.array(caution))

    def of(self, columns: FloatArray, novelty: FloatArray, predicted: FloatArray) -> FloatArray:
        """Return what is proven of each model's gain over the reference; see `Watch.of`."""
        return Watch(self).of(columns, novelty, predicted)

    @classmethod
    def _evidence(cls, columns: FloatArray, quality: FloatArray, labels: IntArray) -> Self:
        reference = _best(quality)
        difference = quality - quality[:, [reference]]
        numbers = np.unique(labels) if len(labels) else np.zeros(1, dtype=int)
        share = (labels[:, None] == numbers).astype(np.float64)
        rows = slice(None, None, 1 + len(columns) // MAX_NEIGHBOURS)
        return cls(
            places=kind_lines(columns, share).astype(np.float32),
            gains=np.array([_shrunk_mean(difference[labels == kind], PRIOR_ROWS) for kind in numbers]),
            variances=np.array([_variance(difference[labels == kind]) for kind in numbers]),
            vectors=columns[rows, : -1 - N_SURFACE],
            differences=difference[rows].astype(np.float32),
            caution=np.full(5, np.nan),
            reference=np.array(reference),
        )


class Watch:
    """A guard at work: what does not depend on the query is worked out beforehand.

    One query at a time, most of the time is the overhead of calls, so there are as few as can be.
    """

    def __init__(self, guard: Guard) -> None:
        self.enough = not np.isnan(guard.caution).any()
        self.caution = Caution(*guard.caution.tolist()) if self.enough else MOST_CAUTIOUS
        self.reference = int(guard.reference)
        self.places = guard.places
        self._gains, self._variances = guard.gains.astype(np.float32), guard.variances.astype(np.float32)
        self._usual, self._spread = (
            guard.gains.mean(axis=0, dtype=np.float32),
            guard.gains.std(axis=0, dtype=np.float32),
        )
        self._vectors, observed = guard.vectors, ~np.isnan(guard.differences)
        # Of each row kept as a neighbour: its differences, and of which models they are.
        self._near_sums = np.hstack([np.where(observed, guard.differences, 0.0), observed]).astype(np.float32)

    def of(
        self, columns: FloatArray, novelty: FloatArray, predicted: FloatArray, exponents: FloatArray | None = None
    ) -> FloatArray:
        """Return what is proven of each model's gain over the reference, shape (n_queries, n_models), in [-1, 1].

        Where the cautious gain is above 0 it stands. All others are moved down together until none is a gain. Where
        the query is of a new kind, what is usual takes the place of what is predicted.

        novelty : shape (n_queries,).
        predicted : gain of each model over the reference by the estimator's own means, shape (n_queries, n_models); 0
            for the reference.
        exponents : ``columns @ places``, where the caller has it already.
        """
        proven = np.where((novelty > self.caution.max_novelty)[:, None], self._usual, predicted)
        # The differences between the others stay: they say which of them is to be had for less.
        proven -= np.maximum.reduce(proven, axis=1, keepdims=True) + UNPROVEN
        if self.enough:
            doubted = self.known(columns, novelty, exponents).doubted(self.caution)
            np.copyto(proven, doubted, where=doubted > 0)
        proven[:, self.reference] = 0.0
        return proven

    def known(self, columns: FloatArray, novelty: FloatArray, exponents: FloatArray | None = None) -> Gains:
        """Return what is known of queries before it is doubted."""
        share = np.exp(np.minimum(columns @ self.places if exponents is None else exponents, MAX_EXPONENT))
        share /= np.add.reduce(share, axis=1, keepdims=True)
        kinds = share @ self._gains
        return Gains(
            kinds=kinds,
            near=self._near(columns) if len(self._vectors) else kinds,
            errors=np.sqrt((share * share) @ self._variances),
            spread=self._spread,
            novelty=novelty,
            reference=self.reference,
        )

    def _near(self, columns: FloatArray) -> FloatArray:
        n_near = min(NEAREST, len(self._vectors))
        cosine = columns[:, : self._vectors.shape[1]] @ self._vectors.T
        nearest = cosine.argpartition(-n_near, axis=1)[:, -n_near:]
        # A product with ones sums rows faster than np.add.reduce.
        sums = (np.ones((1, n_near), dtype=np.float32) @ self._near_sums.take(nearest, axis=0))[:, 0]
        difference, number = sums[:, : len(self._spread)], sums[:, len(self._spread) :]
        shrunk: FloatArray = difference / (number + NEAR_PRIOR_ROWS)
        return shrunk


def _rehearse(
    columns: FloatArray, quality: FloatArray, labels: IntArray, domains: Domains, ground: Ground
) -> Caution | None:
    """Choose how cautious to be; None where every choice loses on some kind, or none gains.

    Every scene has its own reference, the best constant model of its training rows, as it would have been deployed.
    """
    line = Novelty.fit(*ground(columns, domains.tolist())).line
    if not len(columns):
        return None
    gained, worst = np.zeros((len(CHOICES), len(columns))), np.full(len(CHOICES), np.inf)
    for train, test, is_new in _scenes(labels):
        novelty = Novelty.measured(*ground(columns[train], domains[train].tolist()), line).of(columns[test])
        known = Watch(Guard._evidence(columns[train], quality[train], labels[train])).known(columns[test], novelty)
        difference = quality[test] - quality[test][:, [known.reference]]
        found = np.array([_gain(known.doubted(choice), difference) for choice in CHOICES])
        if is_new:
            worst = np.minimum(worst, found.mean(axis=1))
        else:
            gained[:, test] = found
    # The best of many choices gains something by luck; less than this is not worth leaving the reference for.
    proven = gained.mean(axis=1) - PROOF * gained.std(axis=1) / np.sqrt(len(columns)) > 0
    value = np.where(proven & (worst >= -TOLERANCE), gained.mean(axis=1), -np.inf)
    return CHOICES[int(value.argmax())] if np.isfinite(value).any() else None


def _scenes(labels: IntArray) -> Iterator[tuple[BoolArray, BoolArray, bool]]:
    """Yield (train, test, whether the test is of a new kind): the folds, then every kind left out."""
    for train, test in folds(len(labels)):
        yield train, test, False
    for kind in np.unique(labels) if len(np.unique(labels)) > 1 else ():
        yield labels != kind, labels == kind, True


def _gain(doubted: FloatArray, difference: FloatArray) -> FloatArray:
    """Paired difference of what would be chosen, shape (n_queries,); a choice that was not observed makes none."""
    gain: FloatArray = np.nan_to_num(difference[np.arange(len(doubted)), doubted.argmax(axis=1)])
    return gain


def _labels(columns: FloatArray, domains: Sequence[str], seed: int) -> IntArray:
    """Number the kinds of the rows, from `MIN_KINDS` to `MAX_KINDS` of them where there are rows enough."""
    labels = merged(columns, domains) if usable(domains) else np.zeros(len(columns), dtype=np.intp)
    n_kinds, vectors = len(np.unique(labels)), columns[:, : -1 - N_SURFACE]
    if n_kinds < MIN_KINDS:
        centres = kmeans(vectors, max(1, min(MAX_KINDS, len(vectors) // 100)), seed, unit=True)
        nearest: IntArray = (vectors @ centres.T).argmax(axis=1)
        return nearest
    if n_kinds <= MAX_KINDS:
        return labels
    middles = np.array([vectors[labels == number].mean(axis=0) for number in range(n_kinds)])
    distance = np.square(middles[:, None, :] - kmeans(middles, MAX_KINDS, seed)[None]).sum(axis=2)
    fewer: IntArray = distance.argmin(axis=1)[labels]
    return fewer


def _best(quality: FloatArray) -> int:
    observed = ~np.isnan(quality)
    means = np.divide(
        np.nansum(quality, axis=0), observed.sum(axis=0), where=observed.any(axis=0), out=np.zeros(quality.shape[1])
    )
    return int(means.argmax())


def _shrunk_mean(difference: FloatArray, prior_rows: float) -> FloatArray:
    """Mean over the axis before the last, with `prior_rows` of no difference; NaN is left out."""
    observed = ~np.isnan(difference)
    mean: FloatArray = np.where(observed, difference, 0.0).sum(axis=-2) / (observed.sum(axis=-2) + prior_rows)
    return mean


def _variance(difference: FloatArray) -> FloatArray:
    """Squared standard error of a kind's shrunk mean, shape (n_models,)."""
    observed = ~np.isnan(difference)
    count = observed.sum(axis=0)
    known = np.where(observed, difference, 0.0)
    mean = known.sum(axis=0) / np.maximum(count, 1)
    spread = np.where(observed, np.square(known - mean), 0.0).sum(axis=0) / np.maximum(count, 1)
    variance: FloatArray = np.maximum(spread, LEAST_SPREAD**2) / (count + PRIOR_ROWS)
    return variance
