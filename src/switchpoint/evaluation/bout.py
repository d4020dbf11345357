"""Bout: a router and its baselines on the same queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.estimate import Estimates, Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator, Policy
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.estimators.cost import TokenCost
from switchpoint.estimators.length import PromptLength
from switchpoint.evaluation.baselines import best_single, cheapest
from switchpoint.evaluation.metrics import best_columns
from switchpoint.evaluation.replay import OnKnownGround, Played, always, choose, estimates, mixed, played
from switchpoint.evaluation.two_model import Pair, TwoModel, pair_of, two_model
from switchpoint.routers.policies import MaxUtility


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
    expected_cost_usd : of each model: a mean, shape (n_models,), of the training or else of the test; shape (n_queries,
        n_models) where the training counted tokens.
    best : the best single model, None where nothing says which it is.
    """

    test: Outcomes
    train: Outcomes | None
    prediction: Prediction
    expected_cost_usd: FloatArray
    pair: Pair | None
    best: str | None

    @property
    def seen(self) -> Estimates:
        """What the router's policies see."""
        return estimates(self.prediction, self.test, self.expected_cost_usd)

    def choices(self, prediction: Prediction) -> IntArray:
        """Return what the router would choose if it predicted this for the queries, shape (n_queries,)."""
        seen = estimates(prediction, self.test, self.expected_cost_usd)
        return choose(self.operating_point(), seen.cautiously())

    def operating_point(self) -> Policy:
        """What the router does by itself: the best model by its own estimates, guarded by the best single one."""
        return MaxUtility(np.inf) if self.best is None else OnKnownGround(BestUnless(self.best), self.best)

    def games(self) -> dict[str, Played]:
        """Play the router at its operating point, and every baseline that there is."""
        test = self.test
        games = {"router": played(test, self.choices(self.prediction))}
        if self.best is not None:
            games["best_single"] = always(test, self.best)
        low = cheapest(test.models, np.atleast_2d(self.expected_cost_usd).mean(axis=0)) or (
            self.pair and self.pair.weak
        )
        if low is not None:
            games["cheapest"] = always(test, low)
        games["random"] = mixed(test)
        length = self._by_length()
        if length is not None:
            by_length = estimates(length.predict(test.queries), test, self.expected_cost_usd)
            games["length"] = played(test, choose(MaxUtility(np.inf), by_length))
        games["oracle"] = played(test, best_columns(test))
        return games

    def view(self, resamples: int, seed: int, groups: IntArray | None = None) -> TwoModel | None:
        """Measure the two-model view, where there is a pair."""
        if self.pair is None:
            return None
        mean = self.prediction.mean
        gain = mean[:, self.test.column(self.pair.strong)] - mean[:, self.test.column(self.pair.weak)]
        return two_model(self.test, gain, self.pair, resamples, seed, groups)

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
        if self.expected_cost_usd.ndim == 2:
            yield "Expected costs follow each query: predicted tokens at the prices that the training bills imply."
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


def bout_of(
    estimator: Estimator,
    test: Outcomes,
    train: Outcomes | None = None,
    *,
    weak: str | None = None,
    strong: str | None = None,
    probabilities: bool = True,
) -> Bout:
    """Let a router that is made of this estimator predict for the test, and say what it is compared with.

    The arguments and the errors are those of `switchpoint.evaluation.evaluate.evaluate`.
    """
    prediction = predicted(estimator, test.name, test.models, test.queries)
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
    cost_usd = test.mean_cost_usd() if known is None else expected_cost_usd(known, test.queries)
    return Bout(test=test, train=known, prediction=prediction, expected_cost_usd=cost_usd, pair=pair, best=best)


def expected_cost_usd(known: Outcomes, queries: Sequence[Query]) -> FloatArray:
    """Return what each model's answer is expected to cost, as these outcomes teach it; NaN is unknown.

    The mean bills, shape (n_models,); shape (n_queries, n_models) where counted tokens explain the bills.
    """
    if known.output_tokens is None or known.input_tokens is None:
        return known.mean_cost_usd()
    cost = TokenCost.learned(known)
    return cost.predict(queries).mean if cost.follows_queries else known.mean_cost_usd()


def predicted(estimator: Estimator, name: str, models: Sequence[str], queries: Sequence[Query]) -> Prediction:
    """Predict for the queries of a dataset, columns in the order of its models; raises DataError for one unknown."""
    unknown = [model for model in models if model not in estimator.models_]
    if unknown:
        raise DataError(
            f"{name}: the router knows nothing of {', '.join(unknown)}. Train on outcomes that have them, or "
            f"choose among {', '.join(estimator.models_)} with --models."
        )
    columns = [estimator.models_.index(model) for model in models]
    made = estimator.predict(queries)
    proven = None if made.proven is None else made.proven[:, columns]
    return Prediction(mean=made.mean[:, columns], novelty=made.novelty, proven=proven)
