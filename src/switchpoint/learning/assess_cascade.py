"""Assess a cascade: train it on recorded answers, play it on others, and measure it as routers are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter

import numpy as np

from switchpoint.cascades.belief import Evidence
from switchpoint.cascades.planned import Planned
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.mean import MeanQuality
from switchpoint.evaluation.bootstrap import RESAMPLES
from switchpoint.evaluation.bout import bout_of
from switchpoint.evaluation.evaluate import TIMED, measured
from switchpoint.evaluation.family import swept
from switchpoint.evaluation.replay import Played
from switchpoint.evaluation.report import Evaluation
from switchpoint.evaluation.sweep import Sweep, sweep
from switchpoint.evaluation.two_model import two_model
from switchpoint.learning.cascades import Trained, train_cascade
from switchpoint.learning.routers import options

CASCADES = {"cascade": "the recommended one: cheap models in turn, their answers compared and scored, then the strong"}
"""Cascades that are trained on recorded answers and evaluated by name, as routers are."""


def assess_cascade(
    name: str,
    tested: Outcomes,
    train: Outcomes | None,
    *,
    weak: str | None = None,
    strong: str | None = None,
    n_train_removed: int = 0,
    groups: Callable[[Outcomes], IntArray] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    say: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Train on `train`, play on `tested`; both have the same models and their responses.

    Cost counts every call. In the two-model view queries are ordered by the expected gain of the strong model once the
    weak one, and whom else the cascade asks for an opinion, have answered; the share is of strong calls.

    Raises DataError where there is nothing to train on, or answers were not recorded.
    """
    if train is None:
        raise DataError(f"{name}: a cascade learns from recorded answers. Give --train DIR[,DIR...].")
    start = perf_counter()
    trained = train_cascade(train, named=[model for model in (weak, strong) if model is not None], say=say)
    seconds = perf_counter() - start
    whole = _answered(tested, trained)
    evidence = trained.read(whole)
    bout = bout_of(MeanQuality(train.models, train.mean_quality()), whole, train, weak=weak, strong=strong)
    played = sweep(trained.plan, evidence, whole)
    point = sweep(trained.plan, evidence, whole, np.array([trained.plan.willingness_usd]))
    games = bout.games()
    if trained.worth:
        games["router"] = _game(point, whole)
    drawn = groups(whole) if groups else None
    view = None
    if bout.pair is not None:
        view = two_model(whole, trained.gain(evidence, bout.pair), bout.pair, resamples, seed, drawn)
    return measured(
        whole,
        games,
        view,
        swept(played, whole, bout.best) if bout.best is not None and trained.plan.priced else None,
        router=name,
        best=bout.best,
        predicted=_predicted(trained, evidence, point, whole),
        decide_us=_decide_us(trained, whole),
        train_s=seconds,
        n_train_removed=n_train_removed,
        notes=(*bout.notes(games, view), *_notes(trained, len(tested) - len(whole))),
        resamples=resamples,
        seed=seed,
        groups=drawn,
    )


def _answered(tested: Outcomes, trained: Trained) -> Outcomes:
    """Return the queries that every model of the belief answered."""
    models = trained.plan.program.belief.models_
    asked = tested.of(models)
    if asked.responses is None:
        raise DataError(f"{tested.name}: no responses are recorded, and a cascade looks at answers.")
    whole = (asked.written & ~np.isnan(asked.quality)).all(axis=1)
    if not whole.any():
        raise DataError(f"{tested.name}: no query has an answer of each of {', '.join(models)}.")
    return tested.take(np.flatnonzero(whole))


def _game(point: Sweep, outcomes: Outcomes) -> Played:
    return Played(
        columns=point.given[:, 0], quality=point.quality(outcomes)[:, 0], cost_usd=point.cost_usd(outcomes)[:, 0]
    )


def _predicted(trained: Trained, evidence: Evidence, point: Sweep, outcomes: Outcomes) -> FloatArray:
    """Return how probably each answer that was asked for is right, by all that was asked; NaN for the others."""
    models = trained.plan.program.belief.models_
    columns = [outcomes.column(model) for model in models]
    called = point.called[:, 0][:, columns]
    mean = trained.plan.program.belief.posterior(None, evidence.only(called)).mean
    predicted = np.full(outcomes.quality.shape, np.nan)
    predicted[:, columns] = np.where(called, mean, np.nan)
    return predicted


def _decide_us(trained: Trained, outcomes: Outcomes) -> float:
    planned = Planned("cascade", Catalog(options(trained.plan.models)), trained.plan)
    times = []
    for query in outcomes.queries[:TIMED]:
        start = perf_counter()
        planned.next(query, ())
        times.append(perf_counter() - start)
    return median(times) * 1e6


def _notes(trained: Trained, left_out: int) -> Iterator[str]:
    plan = trained.plan
    said = " and compared" if len(plan.models) > 2 else ""
    scored = [model for model, yes in zip(plan.models, plan.program.scored, strict=True) if yes]
    yield f"Asked in turn{said}: {', '.join(plan.models)}. Scored: {', '.join(scored) or 'none'}."
    if not trained.worth:
        yield "Not proven better than mixing single models at its cost: its own choice is the best single model."
    if not plan.priced:
        yield "No costs are known: the program counted a call of another model as 0.03 of one of the strong model."
    if left_out:
        yield f"{left_out} queries lack an answer of some model, and are left out."
