"""Cascades from recorded answers: what answers prove, whom to ask, and at what price; all judged out of fold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from switchpoint.cascades.belief import Evidence
from switchpoint.cascades.latent import Latent, fit
from switchpoint.cascades.plan import Plan
from switchpoint.cascades.program import build
from switchpoint.cascades.reading import Reading
from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.logistic import fit_logistic, sigmoid
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.curve import cost_quality_curve
from switchpoint.evaluation.frontier import upper_hulls
from switchpoint.evaluation.metrics import aiq
from switchpoint.evaluation.sweep import Sweep, sweep, willingnesses
from switchpoint.evaluation.two_model import Pair
from switchpoint.learning.scoring import Scorer, fit_scorer

FOLDS = 5
CHEAP = 0.15
"""A model whose call costs less than this part of the strong one's may be asked for an opinion."""
UNPRICED = 0.03
"""What the call of any other model counts for, in parts of the strong one's, where no cost is known."""
MOST_OPINIONS, MOST_MODELS = 3, 12
FEWEST_ROWS = 30
BINS, FEWEST_BINS = {0: 1, 1: 16, 2: 8}, 4
"""Bins of the scores by how many models are scored: a program has a state for each combination."""
ANSWERED = 0.8
"""A model that answered fewer of the queries is left out."""
KEPT = 0.97
"""Part of the strong model's quality that the operating point keeps, unless it is tuned otherwise."""
SURE = 1.645
"""Standard errors that a gain must exceed: 95 %, one-sided."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A cascade, and what it did on the rows it was trained on, each fold by what was learned of the others.

    scorer : of answers, None where none told right from wrong. held_out : the sweep, at the plan's `willingnesses`.
    outcomes : those rows; where no cost is known, in parts of a strong call. evidence : of the belief's models on them.
    worth : whether its operating point gains over mixing single models at that cost, by more than `SURE` errors.
    """

    plan: Plan
    scorer: Scorer | None
    held_out: Sweep
    outcomes: Outcomes
    evidence: Evidence
    worth: bool

    def read(self, outcomes: Outcomes) -> Evidence:
        """Read the recorded answers to other queries; raises DataError where they were not recorded."""
        columns = outcomes.of(self.plan.program.belief.models_)
        if columns.responses is None:
            raise DataError(f"{outcomes.name}: no responses are recorded, and a cascade looks at answers.")
        score = None if self.scorer is None else self.scorer.score(columns)
        return self.plan.evidence(columns.responses, score)

    def gain(self, evidence: Evidence, pair: Pair) -> FloatArray:
        """Return how much better the strong model's answer is expected to be than the weak one's, shape (n_queries,).

        After the weak model and the cheap ones of the plan have answered, and before the strong one has.
        """
        belief = self.plan.program.belief
        weak, strong = (belief.models_.index(model) for model in pair)
        ahead = self._posterior(evidence, pair, scored=True)[:, strong]
        if self.scorer is None or not self.scorer.tells[weak]:
            return ahead - self._posterior(evidence, pair, scored=True)[:, weak]
        weights, intercept = fit_logistic(
            self._logits(self.evidence, pair), self.outcomes.quality[:, self.outcomes.column(pair.weak)], c=1.0
        )
        found: FloatArray = ahead - sigmoid(self._logits(evidence, pair) @ weights + intercept)
        return found

    def _logits(self, evidence: Evidence, pair: Pair) -> FloatArray:
        """Return what others' answers and what the scorer say of the weak one's, shape (n_queries, 2)."""
        weak = self.plan.program.belief.models_.index(pair.weak)
        others = self._posterior(evidence, pair, scored=False)[:, weak]
        return np.stack([_logit(others), _logit(evidence.score[:, weak])], axis=1)

    def _posterior(self, evidence: Evidence, pair: Pair, scored: bool) -> FloatArray:
        belief = self.plan.program.belief
        asked = ({*self.plan.models} - {self.plan.strong, pair.strong}) | {pair.weak}
        called = np.array([model in asked for model in belief.models_])
        seen = evidence.only(np.broadcast_to(called, evidence.conclusion.shape))
        if not scored:
            seen = seen._replace(score=np.full(seen.score.shape, np.nan))
        return belief.posterior(None, seen).mean


def train_cascade(
    train: Outcomes,
    *,
    models: Sequence[str] | None = None,
    named: Sequence[str] = (),
    say: Say = lambda text: None,
) -> Trained:
    """Learn the recommended cascade from recorded answers.

    train : with responses. models : to choose among; all unless named. Of many, the most accurate, the cheapest and
        those `named` are looked at.
    The two or three most accurate cheap models are asked one after the other, then the strong one, by an exact program
    over a latent belief; how many, and the operating point, are chosen out of fold.

    Raises DataError where too few queries have an answer of every model.
    """
    rows = _few(_answered(train if models is None else train.of(models), say), named)
    right = rows.quality >= 0.5
    reading = Reading.of(rows.responses, right)
    scorer, score = fit_scorer(rows, reading, best_single(rows), say)
    evidence = reading.evidence(rows.responses, score)
    priced = not np.isnan(rows.mean_cost_usd()).any()
    if not priced:
        rows = _unpriced(rows)
    sets = list(_sets(rows))
    folds = np.random.default_rng(0).permutation(np.arange(len(rows)) % FOLDS)
    plans = {columns: _Maker(rows, reading, columns, priced, scorer) for columns in sets}
    n_scored = max(sum(maker.tells) for maker in plans.values())
    learn = partial(_belief, rows, reading, evidence, right, BINS.get(n_scored, FEWEST_BINS))
    beliefs = [learn(np.flatnonzero(folds != fold)) for fold in range(FOLDS)]
    held = {columns: _held_out(maker, evidence, beliefs, folds) for columns, maker in plans.items()}
    columns = max(sets, key=lambda each: _area(held[each], rows))
    plan = plans[columns].plan(learn(np.arange(len(rows))))
    point, worth = _operating_point(held[columns], rows, plan.strong)
    return Trained(
        plan=replace(plan, willingness_usd=float(held[columns].willingness_usd[point])),
        scorer=scorer,
        held_out=held[columns],
        outcomes=rows,
        evidence=evidence,
        worth=worth,
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the plan over some columns from a belief."""

    rows: Outcomes
    reading: Reading
    columns: tuple[int, ...]
    priced: bool
    scorer: Scorer | None

    @property
    def tells(self) -> list[bool]:
        """Which of the columns are scored."""
        return [self.scorer is not None and bool(self.scorer.tells[column]) for column in self.columns]

    def plan(self, belief: Latent) -> Plan:
        strong = best_single(self.rows)
        cost = self.rows.mean_cost_usd()[list(self.columns)]
        return Plan(
            program=build(belief, self.columns, self.tells),
            reading=self.reading,
            cost_usd=cost,
            priced=self.priced,
            willingness_usd=1.0,
            strong=strong,
        )


def _answered(train: Outcomes, say: Say) -> Outcomes:
    """Return the queries that every model answered, of the models that answered most."""
    if train.responses is None:
        raise DataError(f"{train.name}: no responses are recorded, and a cascade is learned from answers.")
    known = ~np.isnan(train.quality) & train.written
    keep = [model for model, share in zip(train.models, known.mean(axis=0), strict=True) if share >= ANSWERED]
    for model in (model for model in train.models if model not in keep):
        say(f"{train.name}: {model} answered too few of the queries, and is left out.")
    if len(keep) < 2:
        raise DataError(f"{train.name}: a cascade needs two models that answered {ANSWERED:.0%} of the queries.")
    whole = known[:, [train.column(model) for model in keep]].all(axis=1)
    if whole.sum() < FEWEST_ROWS:
        raise DataError(f"{train.name}: {whole.sum()} queries were answered by every model; {FEWEST_ROWS} are needed.")
    return train.of(keep).take(np.flatnonzero(whole))


def _few(rows: Outcomes, named: Sequence[str]) -> Outcomes:
    """Return the columns of at most `MOST_MODELS` models, and of those named, in their order."""
    kept = {*rows.of([m for m in named if m in rows.models]).models} if named else set()
    kept.add(rows.models[int(np.nan_to_num(rows.mean_cost_usd(), nan=np.inf).argmin())])
    for column in np.argsort(-rows.mean_quality(), kind="stable"):
        if len(kept) < MOST_MODELS:
            kept.add(rows.models[int(column)])
    return rows.of([model for model in rows.models if model in kept])


def _unpriced(rows: Outcomes) -> Outcomes:
    """Count calls of the strong model where costs are not known."""
    cost = np.full(len(rows.models), UNPRICED)
    cost[rows.column(best_single(rows))] = 1.0
    return replace(rows, cost_usd=np.broadcast_to(cost, rows.quality.shape).copy())


def _sets(rows: Outcomes) -> Iterator[tuple[int, ...]]:
    """Yield the sets of models to choose among: the most accurate cheap ones, the cheapest, the strong one last.

    By accuracy and not by search over sets: with few labels a search finds what was lucky.
    """
    quality, cost = rows.mean_quality(), rows.mean_cost_usd()
    strong = rows.column(best_single(rows))
    others = [int(column) for column in np.argsort(-quality, kind="stable") if column != strong]
    cheap = [column for column in others if cost[column] < CHEAP * cost[strong]]
    cheap = cheap or [column for column in others if cost[column] < cost[strong]][:1]
    if not cheap:  # the best model is the cheapest too: nothing is asked before it
        yield (strong,)
    for n_opinions in range(1, min(MOST_OPINIONS, len(cheap)) + 1):
        chosen = cheap[:n_opinions]
        lowest = min(cheap, key=lambda column: float(cost[column]))
        yield (*([] if lowest in chosen else [lowest]), *chosen, strong)


def _belief(
    rows: Outcomes, reading: Reading, evidence: Evidence, right: BoolArray, n_bins: int, some: IntArray
) -> Latent:
    return fit(rows.models, evidence.take(some), right[some], reading.n_options, n_bins=n_bins)


def _held_out(maker: _Maker, evidence: Evidence, beliefs: Sequence[Latent], folds: IntArray) -> Sweep:
    """Play each fold by the belief that was learned of the others, all at the same willingnesses."""
    n_queries, parts = len(folds), []
    for fold, belief in enumerate(beliefs):
        held, plan = np.flatnonzero(folds == fold), maker.plan(belief)
        parts.append((held, sweep(plan, evidence.take(held), maker.rows.take(held), willingnesses(plan))))
    first = parts[0][1]
    given = np.empty((n_queries, len(first)), dtype=np.intp)
    called = np.empty((n_queries, *first.called.shape[1:]), dtype=bool)
    for held, part in parts:
        given[held], called[held] = part.given, part.called
    return Sweep(willingness_usd=first.willingness_usd, given=given, called=called)


def _area(played: Sweep, rows: Outcomes) -> float:
    """Return the area under the hull of the points and of the two single models at its ends."""
    cost, quality = _with_ends(played, rows)
    ends = rows.mean_cost_usd()
    strong = rows.column(best_single(rows))
    return aiq(cost_quality_curve(cost, quality), float(ends.min()), float(ends[strong]))


def _with_ends(played: Sweep, rows: Outcomes) -> tuple[FloatArray, FloatArray]:
    ends = [int(rows.mean_cost_usd().argmin()), rows.column(best_single(rows))]
    cost = np.concatenate([played.mean_cost_usd(rows), rows.mean_cost_usd()[ends]])
    return cost, np.concatenate([played.mean_quality(rows), rows.mean_quality()[ends]])


def _operating_point(played: Sweep, rows: Outcomes, strong: str) -> tuple[int, bool]:
    """Return the cheapest point that keeps `KEPT` of the strong model's quality, with `SURE` errors to spare.

    Where none does it is the one of the highest quality. Also whether it is worth it: cheaper than the strong model,
    and provably better than mixing single models at the same cost.
    """
    cost, quality = played.mean_cost_usd(rows), played.quality(rows)
    best = rows.quality[:, rows.column(strong)]
    spare = quality - KEPT * best[:, None]
    kept = spare.mean(axis=0) >= SURE * spare.std(axis=0) / np.sqrt(len(rows))
    point = int(np.where(kept, cost, np.inf).argmin()) if kept.any() else int(quality.mean(axis=0).argmax())
    gain = quality[:, point] - _mixed(rows, float(cost[point]))
    proven = gain.mean() > SURE * gain.std() / np.sqrt(len(rows))
    return point, bool(proven and cost[point] < rows.mean_cost_usd()[rows.column(strong)])


def _mixed(rows: Outcomes, cost_usd: float) -> FloatArray:
    """Return the quality of mixing the two single models whose line is the highest at this cost, shape (n_queries,)."""
    cost, quality = rows.mean_cost_usd(), rows.mean_quality()
    start, moves = upper_hulls(cost[None], quality[None])
    corners = np.r_[start, moves.after]
    above = int(np.searchsorted(cost[corners], cost_usd).clip(1, max(len(corners) - 1, 1)))
    if len(corners) == 1:
        return rows.quality[:, corners[0]]
    low, high = corners[above - 1], corners[above]
    share = float(np.clip((cost_usd - cost[low]) / (cost[high] - cost[low]), 0, 1))
    found: FloatArray = (1 - share) * rows.quality[:, low] + share * rows.quality[:, high]
    return found


def _logit(p: FloatArray) -> FloatArray:
    inside = np.clip(np.nan_to_num(p, nan=0.5), 1e-3, 1 - 1e-3)
    found: FloatArray = np.log(inside / (1 - inside))
    return found
