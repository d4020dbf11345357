"""Evaluate: one estimator, one set of outcomes it has not seen, every figure and every baseline."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.estimators.calibration import FOLDS
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, Statistic, difference, intervals, mean_of, ratio_of
from switchpoint.evaluation.bout import bout_of
from switchpoint.evaluation.ceiling import ceiling
from switchpoint.evaluation.family import Family, family
from switchpoint.evaluation.metrics import (
    brier_score_loss,
    expected_calibration_error,
    optimality,
    routerarena_score,
)
from switchpoint.evaluation.reliability import reliability
from switchpoint.evaluation.replay import Played
from switchpoint.evaluation.report import Evaluation, Point
from switchpoint.evaluation.robustness import Shaken, robustness
from switchpoint.evaluation.two_model import TwoModel

TIMED = 200
"""So many decisions are timed."""


def evaluate(
    estimator: Estimator,
    test: Outcomes,
    *,
    router: str,
    train: Outcomes | None = None,
    weak: str | None = None,
    strong: str | None = None,
    probabilities: bool = True,
    train_s: float | None = None,
    n_train_removed: int = 0,
    shake: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> Evaluation:
    """Measure a router that is made of this estimator of quality.

    train : what the best single model and expected costs are taken from; without it the best single model is the
        strong one of the pair, or unknown, and expected costs are those of the test.
    weak, strong : the pair of the two-model view; by default the two models, where there are exactly two and training
        outcomes or predicted probabilities say which is the better one.
    probabilities : whether the predictions are meant as probabilities, so that their calibration has a meaning.
    train_s, n_train_removed : for the report.
    shake : whether to measure the robustness of the decisions too, which predicts every query six times more.
    resamples, seed, groups : of the bootstrap; `groups`, shape (n_queries,), are drawn whole.

    Raises DataError when the estimator does not know a model of the test or `groups` does not fit it, UnknownModel for
    an unknown pair, ConfigError for half a pair.
    """
    if groups is not None and len(groups) != len(test):
        raise DataError(f"{test.name}: {len(groups)} group ids do not fit {len(test)} queries. Give one for each.")
    bout = bout_of(estimator, test, train, weak=weak, strong=strong, probabilities=probabilities)
    games, view = bout.games(), bout.view(resamples, seed, groups)
    return measured(
        test,
        games,
        view,
        family(bout.seen.cautiously(), test, bout.best, seed),
        router=router,
        best=bout.best,
        predicted=bout.prediction.mean if probabilities else None,
        robustness=robustness(estimator, bout, resamples=resamples, seed=seed, groups=groups) if shake else (),
        train_s=train_s,
        decide_us=_decide_us(estimator, test.queries),
        n_train_removed=n_train_removed,
        notes=tuple(bout.notes(games, view)),
        resamples=resamples,
        seed=seed,
        groups=groups,
    )


def measured(
    test: Outcomes,
    games: Mapping[str, Played],
    view: TwoModel | None,
    costs: Family | None,
    *,
    router: str,
    best: str | None,
    predicted: FloatArray | None,
    decide_us: float,
    robustness: tuple[Shaken, ...] = (),
    train_s: float | None = None,
    n_train_removed: int = 0,
    notes: tuple[str, ...] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> Evaluation:
    """Measure what was played, by a router or by a cascade: every figure with its interval.

    games : "router" and the baselines. best : the best single model. predicted : probabilities of being right, shape
    (n_queries, n_models), NaN where nothing was predicted; None where they are not meant as probabilities.
    """
    drawn = (resamples, seed, groups)
    again = {"resamples": resamples, "seed": seed}
    return Evaluation(
        router=router,
        dataset=test.name,
        n_queries=len(test),
        n_groups=None if groups is None else len(np.unique(groups)),
        models=test.models,
        quality=_means({name: game.quality for name, game in games.items()}, *drawn),
        best_single_model=best,
        cost_usd_per_1k=_means({name: game.cost_usd * 1_000 for name, game in games.items()}, *drawn),
        gain_over_best_single=_gain(games, *drawn),
        shares=_shares(test, games["router"]),
        two_model=view,
        costs=None if costs is None else costs.measure(*drawn),
        arena=_arena(test, games["router"], *drawn),
        ceiling=ceiling(test, best, groups=groups, **again) if _enough(test) else None,
        ece=None if predicted is None else expected_calibration_error(predicted, test.quality),
        brier=None if predicted is None else brier_score_loss(predicted, test.quality),
        reliability=() if predicted is None else reliability(predicted, test.quality, test.models),
        robustness=robustness,
        train_s=train_s,
        decide_us=decide_us,
        n_train_removed=n_train_removed,
        notes=notes,
        singles=_singles(test),
    )


def _means(
    values: Mapping[str, FloatArray], resamples: int, seed: int, groups: IntArray | None
) -> dict[str, Interval | None]:
    n_queries = len(next(iter(values.values())))
    known = {name: mean_of(value) for name, value in values.items() if not np.isnan(value).all()}
    return {name: None for name in values} | dict(intervals(known, n_queries, resamples, seed, groups))


def _gain(games: Mapping[str, Played], resamples: int, seed: int, groups: IntArray | None) -> Interval | None:
    if "best_single" not in games:
        return None
    router, best = games["router"].quality, games["best_single"].quality
    return difference(router, best, seed=seed, resamples=resamples, groups=groups)


def _arena(
    test: Outcomes, game: Played, resamples: int, seed: int, groups: IntArray | None
) -> dict[str, Interval | None]:
    """Measure RouterArena's figures of the router's own choices; None where too little is known."""
    quality, usd = mean_of(game.quality), mean_of(game.cost_usd * 1_000)
    parts = optimality(test, game.columns)
    statistics: dict[str, Statistic] = {
        "routerarena_score": lambda drawn: routerarena_score(quality(drawn), usd(drawn))
    }
    statistics |= {name: ratio_of(*part) for name, part in parts.items()}
    found = intervals(statistics, len(test), resamples, seed, groups)
    return {name: None if np.isnan(figure.value) else figure for name, figure in found.items()}


def _enough(test: Outcomes) -> bool:
    """Whether a ceiling can be cross-fitted: a query for each fold, and something observed."""
    return len(test) >= FOLDS and not np.isnan(test.quality).all()


def _shares(test: Outcomes, game: Played) -> dict[str, float]:
    counts = np.bincount(game.columns, minlength=len(test.models)) / len(test)
    return dict(zip(test.models, counts.tolist(), strict=True))


def _singles(test: Outcomes) -> tuple[Point, ...]:
    found = zip(test.models, test.mean_cost_usd().tolist(), test.mean_quality().tolist(), strict=True)
    return tuple(Point(*single) for single in found)


def _decide_us(estimator: Estimator, queries: tuple[Query, ...]) -> float:
    """Median time of predicting one query at a time, after one that warms up."""
    estimator.predict(queries[:1])
    times = []
    for query in queries[:TIMED]:
        start = perf_counter()
        estimator.predict([query])
        times.append(perf_counter() - start)
    return float(np.median(times) * 1e6)
