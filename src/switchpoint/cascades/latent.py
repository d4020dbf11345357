"""Latent: answers as noisy readings of one gold answer, whose difficulty is a hidden class.

A query has a class k (easy to hard), a gold option g and a tempting wrong one d, its distractor. Given these, models
answer independently: each is right, falls for the distractor, says something else, or says nothing. Two models that
agree are then right together or tempted together, and how much their agreement proves is learned. A verifier's score
is one more reading of whether the answer is right. What is known after any set of answers is closed form, and what is
believed before an answer is exactly the mean of what will be believed after it.

Source: Dawid and Skene 1979. Differs: classes of difficulty and a shared distractor, so that errors are correlated;
without them agreement looks like certainty. Options need not be listed in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence, Posterior
from switchpoint.core.query import BoolArray, FloatArray, IntArray

RIGHT, TEMPTED, OTHER, NOTHING, ABSENT = range(5)
"""What an answer is: the gold option, the distractor, something else, no answer; or there is none."""

OPEN = 1_000
"""Number of options where they are not listed: so many that two stray answers hardly ever coincide."""
CLASSES = 3
ROUNDS = 60
SETTLED = 1e-6
"""A round that raises the mean log-likelihood by less was the last."""
PSEUDO = 4.0
"""Answers' worth of a model's overall behaviour that is added to its behaviour in each class."""
SPREAD = 0.2
"""By how much the first guess has the easiest class easier, and the hardest harder, than the average."""
TEMPTING = 0.6
"""Of the wrong answers, the first guess of how many are the distractor."""
BINS = 16
"""Of a verifier's scores, unless there are so many scored models that they must be fewer."""
TRUST = 10.0
"""Answers' worth of trust in a score as the probability that it says it is, beside what is counted in its bin."""
LEAST = 1e-6
CHUNK = 4_096


class Weights(NamedTuple):
    """How probable every (class, gold, distractor) of each query is; shape (n_queries, n_classes, n_gold, n_options).

    Options are the listed ones or, where they are open, those that were said and last all others together.
    """

    joint: FloatArray
    log_evidence: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent:
    """A fitted belief.

    models_ : the columns. n_options : how many options a query has.
    share : of each class, shape (n_classes,), from easy to hard.
    role : probability that a model is right, tempted, elsewhere, or says nothing, shape (n_models, n_classes, n_gold,
        4); n_gold is 2 where there are two options, whose labels some models favour, else 1.
    edges : of the bins of the scores, shape (n_bins - 1,). score : probability of each bin where the answer is wrong or
        right, whatever the class, shape (n_models, 2, n_bins).
    """

    models_: tuple[str, ...]
    n_options: int
    share: FloatArray
    role: FloatArray
    edges: FloatArray
    score: FloatArray

    def posterior(self, prior: FloatArray | None, evidence: Evidence) -> Posterior:
        """Return the probability that each answer is right, and how far it may yet move; see `Belief`.

        prior : not looked at; what is believed of a query before any answer is the same for all.
        """
        parts = [self._posterior(evidence.take(rows)) for rows in _chunks(len(evidence.score))]
        return Posterior(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _posterior(self, evidence: Evidence) -> Posterior:
        joint = self.weights(evidence).joint
        by_gold = joint.sum(axis=3)
        role = self.role[:, :, np.arange(by_gold.shape[2]) % self.role.shape[2]]
        right = np.einsum("nkg,mkg->nmg", by_gold, role[..., RIGHT])
        ahead = right.sum(axis=2)
        said, called = evidence.conclusion, evidence.called
        in_hand = np.where(said >= 0, np.take_along_axis(by_gold.sum(axis=1), np.maximum(said, 0), axis=1), 0.0)
        mean = np.where(called, in_hand, ahead)
        told = self._told(joint, role, right)
        return Posterior(mean, np.where(called, 0.0, np.sqrt(np.maximum(told - mean**2, 0.0))))

    def _told(self, joint: FloatArray, role: FloatArray, right: FloatArray) -> FloatArray:
        """Return the mean square of what will be believed of each model's answer once it is there, shape (n, n_models).

        An answer proves itself only so far: of one that says `a` and is scored `b` it will be believed P(a is gold, it
        says a, scored b) / P(it says a, scored b). Where options are open, the last stands for all that nobody said.
        """
        tempted = np.einsum("nkgd,mkg->nmd", joint, role[..., TEMPTED])
        other = np.einsum("nkgd,mkg->nmgd", joint, role[..., OTHER])
        diagonal = np.einsum("nmaa->nma", other)
        elsewhere = other.sum(axis=(2, 3))[..., None] - other.sum(axis=3) - other.sum(axis=2) + diagonal
        elsewhere = elsewhere / max(self.n_options - 2, 1)
        if self.n_options >= OPEN:
            elsewhere[..., -1] = other.sum(axis=(2, 3))  # a stray answer is one that nobody else gave
        # A model whose score says nothing has the same chances of every bin, right or wrong, and gains nothing by them.
        gold = right[..., None] * self.score[:, None, 1]
        said = gold + (tempted + elsewhere)[..., None] * self.score[:, None, 0]
        found: FloatArray = np.divide(gold**2, said, out=np.zeros_like(said), where=said > 0).sum(axis=(2, 3))
        return found

    def weights(self, evidence: Evidence, gold: IntArray | None = None) -> Weights:
        """Return how probable every explanation of the answers is.

        gold : shape (n_queries,), the right option where it is known, `NOT_CALLED` where it is not, and `SAYS_NOTHING`
            where it is none of those that were said.
        """
        said = evidence.conclusion
        n_options = self.n_options if self.n_options < OPEN else max(int(said.max(initial=-1)), 0) + 2
        roles = _roles(said, n_options)
        table = np.log(self._emission())
        n_gold = self.role.shape[2]
        log = np.zeros((len(said), len(self.share), n_options, n_options))
        scored = self._score_log(evidence.score)
        for column in range(said.shape[1]):
            for g in range(n_options):
                of_gold = table[column, :, g % n_gold]  # (n_classes, 5)
                log[:, :, g] += of_gold[:, roles[:, column, g]].transpose(1, 0, 2)
                right = (roles[:, column, g, 0] == RIGHT).astype(int)  # does not depend on the distractor
                log[:, :, g] += np.take_along_axis(scored[:, column], right[:, None], axis=1)[:, :, None]
        log += np.log(self.share)[:, None, None]
        log += _multiplicity(said, n_options, self.n_options)[:, None]
        if gold is not None:
            log += _told(gold, said, n_options, self.n_options)[:, None, :, None]
        top = log.max(axis=(1, 2, 3), keepdims=True)
        joint = np.exp(log - top)
        total = joint.sum(axis=(1, 2, 3), keepdims=True)
        return Weights(joint / total, (top + np.log(total))[:, 0, 0, 0])

    def bins(self, score: FloatArray) -> IntArray:
        """Return the bin of each score; of one that is unknown it says nothing."""
        return np.searchsorted(self.edges, np.nan_to_num(score), side="right")

    def _emission(self) -> FloatArray:
        """Return the probability of what was said by its role, shape (n_models, n_classes, n_gold, 5)."""
        found = np.ones((*self.role.shape[:3], 5))
        found[..., :4] = self.role
        found[..., OTHER] /= max(self.n_options - 2, 1)
        return np.maximum(found, 1e-12)

    def _score_log(self, score: FloatArray) -> FloatArray:
        """Return the log-probability of the scores if wrong and if right, shape (n, n_models, 2)."""
        found = np.log(self.score[np.arange(score.shape[1]), :, self.bins(score)])
        return np.where(np.isnan(score)[..., None], 0.0, found)


def _roles(said: IntArray, n_options: int) -> IntArray:
    """Return the role of each answer under every (gold, distractor), shape (n, n_models, n_options, n_options)."""
    option = np.arange(n_options)
    roles = np.full((*said.shape, n_options, n_options), OTHER, dtype=np.int8)
    same = said[..., None] == option
    roles[np.broadcast_to(same[..., None, :], roles.shape)] = TEMPTED
    roles[np.broadcast_to(same[..., :, None], roles.shape)] = RIGHT
    roles[said == SAYS_NOTHING] = NOTHING
    roles[said == NOT_CALLED] = ABSENT
    return roles


def _multiplicity(said: IntArray, n_shown: int, n_options: int) -> FloatArray:
    """Return the log-number of (gold, distractor) pairs that each cell stands for, shape (n, n_shown, n_shown)."""
    count = np.ones((len(said), n_shown, n_shown))
    count[:, np.arange(n_shown), np.arange(n_shown)] = 0.0
    if n_options >= OPEN:
        known = said.max(axis=1, initial=-1) + 1  # numbered from 0 in each row
        rest = (n_options - known).astype(float)
        beyond = np.arange(n_shown)[None, :] >= known[:, None]
        last = np.arange(n_shown) == n_shown - 1
        times = np.where(last, rest[:, None], np.where(beyond, 0.0, 1.0))
        count = count * times[:, :, None] * times[:, None, :]
        count[:, -1, -1] = rest * (rest - 1)
    with np.errstate(divide="ignore"):
        found: FloatArray = np.log(count)
    return found


def _told(gold: IntArray, said: IntArray, n_shown: int, n_options: int) -> FloatArray:
    """Return 0 for golds that are possible and -inf for the others, shape (n, n_shown)."""
    option = np.arange(n_shown)
    possible = np.ones((len(gold), n_shown), dtype=bool)
    known = gold >= 0
    possible[known] = option == gold[known][:, None]
    nobody = gold == SAYS_NOTHING
    possible[nobody] = ~(said[nobody][:, :, None] == option).any(axis=1)
    possible[~possible.any(axis=1)] = True  # every option was said and none was right: the data contradict themselves
    return np.where(possible, 0.0, -np.inf)


def fit(
    models: Sequence[str],
    evidence: Evidence,
    right: BoolArray,
    n_options: int = OPEN,
    n_classes: int = CLASSES,
    n_bins: int = BINS,
) -> Latent:
    """Learn a belief from queries that every model has answered, by expectation and maximisation.

    evidence : shape (n_queries, n_models); where options are listed, the same number is the same option in every row.
    right : whether each answer was right, shape (n_queries, n_models). The gold option is what most right answers say;
        where none is right, it is one that nobody gave.
    n_bins : of the scores, which are probabilities that an answer is right.
    Classes come out sorted from easy to hard. Deterministic.
    """
    gold = gold_of(evidence.conclusion, right)
    found = _first_guess(models, evidence, right, (n_options, n_classes, n_bins))
    before = -np.inf
    for _ in range(ROUNDS):
        found, likelihood = _round(found, evidence, gold)
        if likelihood - before < SETTLED:
            break
        before = likelihood
    order = np.argsort(-found.role[..., RIGHT].mean(axis=(0, 2)), kind="stable")
    return replace(found, share=found.share[order], role=found.role[:, order])


def gold_of(said: IntArray, right: BoolArray) -> IntArray:
    """Return the option that most right answers of each row give, shape (n_queries,); `SAYS_NOTHING` where none is."""
    votes = np.where(right & (said >= 0), said, SAYS_NOTHING)
    counts = np.stack(
        [(votes == option).sum(axis=1) for option in range(max(int(said.max(initial=-1)), 0) + 1)], axis=1
    )
    return np.where(counts.any(axis=1), counts.argmax(axis=1), SAYS_NOTHING)


def _first_guess(models: Sequence[str], evidence: Evidence, right: BoolArray, sizes: tuple[int, int, int]) -> Latent:
    n_options, n_classes, n_bins = sizes
    answered = np.maximum(evidence.called.sum(axis=0), 1)
    nothing = (evidence.conclusion == SAYS_NOTHING).sum(axis=0) / answered
    accuracy = (right & evidence.called).sum(axis=0) / answered
    role = np.full((len(models), n_classes, 2 if n_options == 2 else 1, 4), LEAST)
    for k, shift in enumerate(np.linspace(SPREAD, -SPREAD, n_classes) if n_classes > 1 else [0.0]):
        able = np.clip(accuracy + shift, 0.03, 0.97) * (1 - nothing)
        wrong = 1 - nothing - able
        tempted = wrong if n_options == 2 else TEMPTING * wrong
        role[:, k] = np.stack([able, tempted, wrong - tempted, nothing], axis=1)[:, None]
    known = evidence.score[~np.isnan(evidence.score)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, n_bins + 1)[1:-1])) if len(known) else np.empty(0)
    return Latent(
        models_=tuple(models),
        n_options=n_options,
        share=np.full(n_classes, 1 / n_classes),
        role=_normal(role),
        edges=edges,
        score=_scores(evidence.score, right, edges),
    )


def _round(at: Latent, evidence: Evidence, gold: IntArray) -> tuple[Latent, float]:
    """Explain the answers by what is believed and learn from that; also the mean log-likelihood before it."""
    role = np.zeros_like(at.role)
    share, likelihood = np.ones(len(at.share)), 0.0
    for rows in _chunks(len(gold)):
        part = evidence.take(rows)
        weights = at.weights(part, gold[rows])
        likelihood += float(weights.log_evidence.sum())
        share += weights.joint.sum(axis=(0, 2, 3))
        _count(part, weights.joint, role)
    return replace(at, share=share / share.sum(), role=_normal(_shrunk(role))), likelihood / len(gold)


def _count(evidence: Evidence, joint: FloatArray, role: FloatArray) -> None:
    """Add what these explanations say of each model's roles to the counts."""
    n_shown, n_gold = joint.shape[2], role.shape[2]
    roles = _roles(evidence.conclusion, n_shown)
    for column in range(roles.shape[1]):
        for g in range(n_shown):
            for each in range(4):
                played = (roles[:, column, g] == each)[:, None]
                role[column, :, g % n_gold, each] += (joint[:, :, g] * played).sum(axis=(0, 2))


def _scores(score: FloatArray, right: BoolArray, edges: FloatArray) -> FloatArray:
    """Return how the scores of wrong and of right answers fall into bins, shape (n_models, 2, n_bins)."""
    bins, known = np.searchsorted(edges, np.nan_to_num(score), side="right"), ~np.isnan(score)
    found = np.full((score.shape[1], 2, len(edges) + 1), 1.0)
    for column in np.flatnonzero(known.any(axis=0)):
        rows = known[:, column]
        of = partial(np.bincount, bins[rows, column], minlength=len(edges) + 1)
        count, said, counted = of(), of(score[rows, column]), of(right[rows, column].astype(float))
        usual = (counted + TRUST * said / np.maximum(count, 1)) / (count + TRUST)
        found[column] = np.stack([(1 - usual) * count, usual * count])
    return _normal(found)


def _shrunk(counts: FloatArray) -> FloatArray:
    """Add to the counts of each class, the second axis, what is known of the model whatever the class."""
    overall: FloatArray = counts.sum(axis=1, keepdims=True)
    found: FloatArray = counts + PSEUDO * overall / np.maximum(overall.sum(axis=-1, keepdims=True), LEAST)
    return found


def _normal(counts: FloatArray) -> FloatArray:
    positive = np.maximum(counts, LEAST)
    found: FloatArray = positive / positive.sum(axis=-1, keepdims=True)
    return found


def _chunks(n: int) -> list[IntArray]:
    return [np.arange(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)] or [np.arange(0)]
