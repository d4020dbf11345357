"""Evaluate: one estimator, one set of outcomes it has not seen, every figure and every baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.estimate import Estimates, Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator, Policy
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.estimators.length import PromptLength
from switchpoint.evaluation.baselines import best_single, cheapest
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, difference, intervals, mean_of
from switchpoint.evaluation.family import family
from switchpoint.evaluation.metrics import best_columns, brier_score_loss, expected_calibration_error
from switchpoint.evaluation.replay import OnKnownGround, Played, always, choose, estimates, mixed, played
from switchpoint.evaluation.report import Evaluation, Point
from switchpoint.evaluation.two_model import Pair, TwoModel, pair_of, two_model
from switchpoint.routers.policies import MaxUtility

TIMED = 200
"""So many decisions are timed."""


@dataclass(frozen=True, slots=True)
class BestUnless:
    """The highest predicted quality, but `default` unless a gain over it is predicted; an unknown gain is none."""

    default: str

    def __call__(self, seen: Estimates) -> tuple[IntArray, FloatArray]:
        """Return the chosen columns, probability 1."""
        default = seen.models.index(self.default)
        best = MaxUtility(np.inf)(seen)[0]
        gains = seen.quality[np.arange(len(best)), best] > seen.quality[:, default]
        return np.where(gains, best, default), np.ones(len(best))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bout:
    """A router and its baselines on the same queries.

    train : of the models of the test; None where nothing was trained on.
    best : the best single model, None where nothing says which it is.
    """

    test: Outcomes
    train: Outcomes | None
    prediction: Prediction
    pair: Pair | None
    best: str | None

    @property
    def expected_cost_usd(self) -> FloatArray:
        """Mean cost of each model, of the training or else of the test; shape (n_models,)."""
        return (self.test if self.train is None else self.train).mean_cost_usd()

    @property
    def seen(self) -> Estimates:
        """What the router's policies see."""
        return estimates(self.prediction, self.test, self.expected_cost_usd)

    def operating_point(self) -> Policy:
        """What the router does by itself: the best model by its own estimates, guarded by the best single one."""
        return MaxUtility(np.inf) if self.best is None else OnKnownGround(BestUnless(self.best), self.best)

    def games(self) -> dict[str, Played]:
        """Play the router at its operating point, and every baseline that there is."""
        test = self.test
        games = {"router": played(test, choose(self.operating_point(), self.seen))}
        if self.best is not None:
            games["best_single"] = always(test, self.best)
        low = cheapest(test.models, self.expected_cost_usd) or (self.pair and self.pair.weak)
        if low is not None:
            games["cheapest"] = always(test, low)
        games["random"] = mixed(test)
        length = self._by_length()
        if length is not None:
            by_length = estimates(length.predict(test.queries), test, self.expected_cost_usd)
            games["length"] = played(test, choose(MaxUtility(np.inf), by_length))
        games["oracle"] = played(test, best_columns(test))
        return games

    def view(self, resamples: int, seed: int) -> TwoModel | None:
        """Measure the two-model view, where there is a pair."""
        if self.pair is None:
            return None
        mean = self.prediction.mean
        gain = mean[:, self.test.column(self.pair.strong)] - mean[:, self.test.column(self.pair.weak)]
        return two_model(self.test, gain, self.pair, resamples, seed)

    def notes(self, games: Mapping[str, Played], view: TwoModel | None) -> Iterator[str]:
        """Say what a reader must know to read the figures."""
        if self.best is None:
            yield "The best single model is unknown: there are no training outcomes, and no strong model was named."
        elif self.train is None:
            yield f"No training outcomes: the best single model is taken to be the strong one, {self.best}."
        unpriced = [m for m, cost in zip(self.test.models, self.test.mean_cost_usd(), strict=True) if np.isnan(cost)]
        if unpriced:
            which = "any model" if len(unpriced) == len(self.test.models) else ", ".join(unpriced)
            yield f"No cost is on record for {which}: what depends on it is unknown."
        elif self.train is None:
            yield "Expected costs are the mean costs of the test: there are no training outcomes to take them from."
        if self.pair is not None and view is None:
            yield f"{self.pair.strong} is not better than {self.pair.weak} here: there is no gap to recover."
        lost = int(np.isnan(games["router"].quality).sum())
        if lost:
            yield f"{lost} of the router's {len(self.test)} choices were not observed; they count nowhere."

    def _by_length(self) -> PromptLength | None:
        if self.train is not None:
            return PromptLength().fit(self.train)
        if self.pair is None:
            return None
        ability = {self.pair.weak: 0.0, self.pair.strong: 1.0}
        return PromptLength(self.test.models, np.array([ability.get(model, 0.5) for model in self.test.models]))


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
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Measure a router that is made of this estimator of quality.

    train : what the best single model and expected costs are taken from; without it the best single model is the
        strong one of the pair, or unknown, and expected costs are those of the test.
    weak, strong : the pair of the two-model view; by default the two models, where there are exactly two and training
        outcomes or predicted probabilities say which is the better one.
    probabilities : whether the predictions are meant as probabilities, so that their calibration has a meaning.
    train_s, n_train_removed : for the report.
    resamples, seed : of the bootstrap.

    Raises DataError when the estimator does not know a model of the test, UnknownModel for an unknown pair,
    ConfigError for half a pair.
    """
    bout = _bout(_aligned(estimator, test), test, train, weak, strong, probabilities)
    games, view, costs = bout.games(), bout.view(resamples, seed), family(bout.seen, test, bout.best)
    predicted = bout.prediction.mean
    return Evaluation(
        router=router,
        dataset=test.name,
        n_queries=len(test),
        models=test.models,
        quality=_means({name: game.quality for name, game in games.items()}, resamples, seed),
        best_single_model=bout.best,
        cost_usd_per_1k=_means({name: game.cost_usd * 1_000 for name, game in games.items()}, resamples, seed),
        gain_over_best_single=_gain(games, resamples, seed),
        shares=_shares(test, games["router"]),
        two_model=view,
        costs=None if costs is None else costs.measure(resamples, seed),
        ece=expected_calibration_error(predicted, test.quality) if probabilities else None,
        brier=brier_score_loss(predicted, test.quality) if probabilities else None,
        train_s=train_s,
        decide_us=_decide_us(estimator, test.queries),
        n_train_removed=n_train_removed,
        notes=tuple(bout.notes(games, view)),
        singles=_singles(test),
    )


def _bout(
    prediction: Prediction,
    test: Outcomes,
    train: Outcomes | None,
    weak: str | None,
    strong: str | None,
    probabilities: bool,
) -> Bout:
    known = None if train is None else train.of(test.models)
    told = np.full(len(test.models), np.nan)  # a mere score does not say which model is the better one
    if known is not None:
        told = known.mean_quality()
    elif probabilities:
        told = prediction.mean.mean(axis=0)
    pair = pair_of(test.models, told, weak, strong)
    for model in pair or ():
        test.column(model)
    best = best_single(known) if known is not None else (pair and pair.strong)
    return Bout(test=test, train=known, prediction=prediction, pair=pair, best=best)


def _aligned(estimator: Estimator, test: Outcomes) -> Prediction:
    """Predict for the test, columns in its order."""
    unknown = [model for model in test.models if model not in estimator.models_]
    if unknown:
        raise DataError(
            f"{test.name}: the router knows nothing of {', '.join(unknown)}. Train on outcomes that have them, or "
            f"choose among {', '.join(estimator.models_)} with --models."
        )
    columns = [estimator.models_.index(model) for model in test.models]
    made = estimator.predict(test.queries)
    std = None if made.std is None else made.std[:, columns]
    return Prediction(mean=made.mean[:, columns], std=std, novelty=made.novelty)


def _means(values: Mapping[str, FloatArray], resamples: int, seed: int) -> dict[str, Interval | None]:
    n_queries = len(next(iter(values.values())))
    known = {name: mean_of(value) for name, value in values.items() if not np.isnan(value).all()}
    return {name: None for name in values} | dict(intervals(known, n_queries, resamples, seed))


def _gain(games: Mapping[str, Played], resamples: int, seed: int) -> Interval | None:
    if "best_single" not in games:
        return None
    return difference(games["router"].quality, games["best_single"].quality, seed=seed, resamples=resamples)


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
