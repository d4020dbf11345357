"""Ceilings: how much of what an oracle gains any router could reach.

An oracle has seen the outcomes, and outcomes are partly luck: the same model asked again would not be right on the same
queries. Without repeated samples the luck cannot be taken out, but it can be bracketed, from below and from above:

class map        the best model of each query's own kind, the kind known: the coarsest thing that can be learned
others know      the class map, and one other model of each kind where what *all other models* did on the very query
                 says that this one is better: more than any prompt tells, yet nothing of the two models' own luck
oracle           the best of each query
permuted oracle  an oracle over outcomes of which each model's were shuffled within each kind: pure luck at the same
                 rates, nothing to be learned beyond the class map

What the class map and the others cannot reach, hardly any router will. A permuted oracle as high as the real one means
that luck alone would give such a gap; where it is higher, models fail on the same queries more often than by luck.

Choices are made on other rows than those they are measured on (five folds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.calibration import FOLDS, folds
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, intervals, mean_of, ratio_of

PRIOR_ROWS = 10.0
"""A kind's means are worth as much as this many rows of the whole: a kind of three rows says little."""

RIDGE = 30.0
"""Of the regression on the other models' outcomes, in rows."""

PERMUTATIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """Mean quality of what nobody can deploy, and of the best single model beside it, all on the same queries.

    luck : permuted oracle minus best single. reachable : of the gap from best single to oracle, the share that "others
        know" reaches; not defined (NaN) without a gap.
    n_domains : kinds of queries that are told apart.
    """

    best_single: Interval
    class_map: Interval
    others_know: Interval
    permuted_oracle: Interval
    oracle: Interval
    luck: Interval
    reachable: Interval
    n_domains: int


def ceiling(
    outcomes: Outcomes,
    best: str | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> Ceiling:
    """Measure the ceilings on outcomes, none of which a router was told.

    best : the best single model; by default that of these very outcomes, which flatters it.
    Raises DataError for fewer queries than folds, or when nothing is observed.
    """
    if len(outcomes) < FOLDS:
        raise DataError(f"{outcomes.name}: a ceiling needs at least {FOLDS} queries. Got {len(outcomes)}.")
    kind = np.unique(np.array(outcomes.domains), return_inverse=True)[1]
    single = outcomes.quality[:, outcomes.column(best or best_single(outcomes))]
    class_map, others = _crossed(outcomes, kind)
    values = {
        "best_single": single,
        "class_map": class_map,
        "others_know": others,
        "permuted_oracle": _permuted(outcomes.quality, kind, seed),
        "oracle": _highest(outcomes.quality),
    }
    statistics = {name: mean_of(value) for name, value in values.items()}
    statistics["luck"] = mean_of(values["permuted_oracle"] - single)
    statistics["reachable"] = ratio_of(others - single, values["oracle"] - single)
    found = intervals(statistics, len(outcomes), resamples, seed, groups)
    return Ceiling(**found, n_domains=int(kind.max()) + 1)


class _Kinds(NamedTuple):
    """What the rows of four folds say of each kind: means, shape (n_kinds, n_models); its best column, (n_kinds,)."""

    means: FloatArray
    best: IntArray


def _crossed(outcomes: Outcomes, kind: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return the quality of the class map and of "others know", shape (n_queries,), each row by the other folds."""
    rows = np.arange(len(outcomes))
    class_map, others = np.zeros((2, len(outcomes)), dtype=np.intp)
    for train, test in folds(len(outcomes)):
        kinds = _kinds(outcomes.quality, kind, train)
        gain = _gains(kinds, outcomes.quality, kind, train)
        rival = _rivals(gain, kinds, outcomes.quality, kind, train)[kind]
        best = kinds.best[kind]
        class_map[test] = best[test]
        others[test] = np.where(gain[rows, rival] > 0, rival, best)[test]
    return outcomes.quality[rows, class_map], outcomes.quality[rows, others]


def _kinds(quality: FloatArray, kind: IntArray, train: BoolArray) -> _Kinds:
    """Take the means of each kind over the training rows, shrunk to those of all kinds."""
    seen = quality[train]
    whole = np.nan_to_num(mean_of(seen)(np.ones((1, len(seen))))[0])
    means = _shrunk(seen, kind[train], int(kind.max()) + 1, whole)
    return _Kinds(means, means.argmax(axis=1))


def _gains(kinds: _Kinds, quality: FloatArray, kind: IntArray, train: BoolArray) -> FloatArray:
    """Predict what each model gains on each query over the best one of its kind; shape (n_queries, n_models).

    A ridge regression on the outcomes of all models but these two, around the mean gain of the kind.
    """
    rows, best = np.arange(len(quality)), kinds.best[kind]
    told = np.nan_to_num(quality - kinds.means[kind])
    told[rows, best] = 0.0
    expected = kinds.means[kind] - kinds.means[kind, best][:, None]
    surprise = quality - quality[rows, best][:, None] - expected
    gains = np.zeros(quality.shape)
    for model in range(quality.shape[1]):
        others = np.delete(told, model, axis=1)
        fit = train & ~np.isnan(surprise[:, model]) & (best != model)
        gram = others[fit].T @ others[fit] + RIDGE * np.eye(others.shape[1])
        weights = np.linalg.solve(gram, others[fit].T @ surprise[fit, model])
        gains[:, model] = expected[:, model] + others @ weights
    gains[rows, best] = 0.0
    return gains


def _rivals(gain: FloatArray, kinds: _Kinds, quality: FloatArray, kind: IntArray, train: BoolArray) -> IntArray:
    """Return for each kind the model that gains most, over training rows, where it is taken for a predicted gain.

    One for each kind: were several weighed against each other, each one's own outcome would speak for or against the
    rest, and a choice would know what it is measured by. The kind's best model stands for none; shape (n_kinds,).
    """
    rows = np.arange(len(quality))
    better = quality - quality[rows, kinds.best[kind]][:, None]
    taken = np.where(np.isnan(better), np.nan, np.where(gain > 0, np.nan_to_num(better), 0.0))
    gained = _shrunk(taken[train], kind[train], len(kinds.best), np.zeros(quality.shape[1]))
    gained[np.arange(len(gained)), kinds.best] = 0.0
    return np.where(gained.max(axis=1) > 0, gained.argmax(axis=1), kinds.best)


def _shrunk(values: FloatArray, kind: IntArray, n_kinds: int, prior: FloatArray) -> FloatArray:
    """Return the means of each kind, `PRIOR_ROWS` rows of the prior, shape (n_models,), added to each."""
    sums, counts = np.zeros((2, n_kinds, values.shape[1]))
    np.add.at(sums, kind, np.nan_to_num(values))
    np.add.at(counts, kind, ~np.isnan(values))
    means: FloatArray = (sums + PRIOR_ROWS * prior) / (counts + PRIOR_ROWS)
    return means


def _permuted(quality: FloatArray, kind: IntArray, seed: int) -> FloatArray:
    """Return the mean over permutations of the best shuffled outcome of each row, shape (n_queries,)."""
    random = np.random.default_rng(seed)
    place = np.argsort(kind, kind="stable")
    found = np.empty((PERMUTATIONS, len(quality)))
    shuffled = np.empty(quality.shape)
    for number in range(PERMUTATIONS):
        for model in range(quality.shape[1]):
            # Both orders run through the kinds one after the other: rows are exchanged within a kind only.
            shuffled[place, model] = quality[np.lexsort((random.random(len(quality)), kind)), model]
        found[number] = _highest(shuffled)
    average: FloatArray = mean_of(found)(np.ones((1, PERMUTATIONS)))[0]
    return average


def _highest(quality: FloatArray) -> FloatArray:
    """Return the highest known quality of each row; NaN where none is."""
    highest = np.nan_to_num(quality, nan=-1.0).max(axis=1)
    return np.where(highest >= 0, highest, np.nan)
