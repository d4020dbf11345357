"""Certificate: an operating point whose loss of quality against a baseline model is bounded with a stated confidence.

The loss of a query is the quality of the baseline model minus that of the router, in [-1, 1], on the same query. The
points and their order are found on the *tuning* rows: those cheaper than the baseline, from the dearest, which is as a
rule the safest, to the cheapest. They are tested on the *certifying* rows, the rest; the first that fails ends the
search and the last that passed is returned. Tested in an order that the certifying rows had no part in, every test may
use the whole error probability, however many there are. Bonferroni's correction of all points at once, which needs no
tuning rows, certified less in every simulation (benchmarks/certificate.py); so did an order by the Pareto front of the
tuning rows, whose first point is often safe by luck alone.

The promise is on the mean over queries drawn like these, on average over them, not for every query. Rows are taken to
be independent: near-duplicates make it too sure. Rows without both outcomes are left out, as if missing by chance.

Source: learn then test (Angelopoulos et al. 2021), fixed-sequence testing. Differs: the bounds, see `bounds.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Policy
from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.evaluation.bootstrap import Interval, intervals, mean_of, ratio_of
from switchpoint.evaluation.bounds import BOUNDS, rows_needed
from switchpoint.evaluation.family import at
from switchpoint.evaluation.frontier import frontier
from switchpoint.evaluation.replay import choose, played
from switchpoint.evaluation.two_model import Pair
from switchpoint.routers.policies import StrongIfWorth, win_rate

TUNING_SHARE = 0.2
"""Part of the rows that the points are found on."""
POINTS = 64
"""Points tried at most; neighbours differ by one in so many of the moves between the two ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is asked for: a mean loss of at most `max_loss`, except with probability 1 - `confidence`."""

    max_loss: float
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.max_loss < 1:
            raise ConfigError(f"The loss of quality to allow must lie between 0 and 1. Got {self.max_loss!r}.")
        if not 0.5 <= self.confidence < 1:
            raise ConfigError(f"The confidence must be in [0.5, 1), such as 0.95. Got {self.confidence!r}.")

    @property
    def error(self) -> float:
        """The probability with which the promise may be broken."""
        return 1 - self.confidence


class Ladder(NamedTuple):
    """Operating points and what each gave on every query.

    setting, values : the key of the configuration, and its values, shape (n_points,).
    loss, cost : shape (n_queries, n_points); NaN is not observed. baseline_cost : shape (n_queries,).
    in_usd : whether costs are dollars; else they count calls of the strong model.
    """

    setting: str
    values: FloatArray
    loss: FloatArray
    cost: FloatArray
    baseline_cost: FloatArray
    in_usd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """The cheapest point that keeps the promise.

    value : of the ladder's setting. bound : what its mean loss does not exceed with the confidence asked for.
    method : "betting" or "binomial". loss, saved : means of the certifying rows with 95 % intervals; saved is in parts
        of the baseline's cost. saved_usd_per_1k : None where a cost is unknown.
    n_queries : certifying rows it was tested on. n_left_out : those on which it or the baseline was not observed.
    """

    value: float
    bound: float
    method: str
    loss: Interval
    saved: Interval
    saved_usd_per_1k: Interval | None
    n_queries: int
    n_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What was found.

    n_queries : all rows, tuning and certifying. n_points : points that were candidates.
    found : None where nothing could be certified; then `n_needed` rows in all would about do, None if no number would.
    """

    promise: Promise
    baseline: str
    setting: str
    n_queries: int
    n_points: int
    found: Certified | None
    n_needed: int | None = None


def ladder(seen: Estimates, outcomes: Outcomes, baseline: str, pair: Pair | None, tuning: BoolArray) -> Ladder:
    """Play the operating points of a router: thresholds between a pair, else willingnesses to pay.

    tuning : the rows that say where the points lie, shape (n_queries,).
    Raises ConfigError where the models can be compared neither by cost nor as a pair, UnknownModel.
    """
    if pair is None and np.isnan(seen.cost_usd).any():
        raise ConfigError("More than two models are compared by cost, and some cost is unknown. Name weak and strong.")
    # A willingness is deployed with a guard, a threshold is not: it only orders.
    seen = seen if pair else seen.cautiously()
    values, policies = _thresholds(seen, pair, tuning) if pair else _willingnesses(seen, baseline, tuning)
    games = [played(outcomes, choose(policy, seen)) for policy in policies]
    column = outcomes.column(baseline)
    in_usd = not np.isnan(outcomes.mean_cost_usd()).any()
    strong = outcomes.column(pair.strong) if pair else -1
    cost = [game.cost_usd if in_usd else (game.columns == strong).astype(float) for game in games]
    return Ladder(
        setting="threshold" if pair else "willingness_usd",
        values=values,
        loss=outcomes.quality[:, [column]] - np.stack([game.quality for game in games], axis=1),
        cost=np.stack(cost, axis=1),
        baseline_cost=outcomes.cost_usd[:, column] if in_usd else np.full(len(outcomes), float(column == strong)),
        in_usd=in_usd,
    )


def certify(points: Ladder, tuning: BoolArray, promise: Promise, baseline: str) -> Certificate:
    """Return the cheapest point that keeps the promise, or how many rows would do; see the module.

    tuning : the rows that choose the points and their order, shape (n_queries,); the others certify.
    Raises DataError where no row is left on either side.
    """
    if not tuning.any() or tuning.all():
        raise DataError(f"A certificate needs rows to tune on and others to certify on. Got {len(tuning)} in all.")
    order = safest_first(points, tuning, promise.max_loss)
    passed: tuple[int, str, float] | None = None
    for point in order.tolist():
        method, bound = _bound(points.loss[:, point], tuning, promise)
        if bound > promise.max_loss:
            break
        passed = point, method, bound
    return Certificate(
        promise=promise,
        baseline=baseline,
        setting=points.setting,
        n_queries=len(tuning),
        n_points=len(order),
        found=None if passed is None else _certified(points, tuning, *passed),
        n_needed=_needed(points.loss[:, order], tuning, promise) if passed is None else None,
    )


def safest_first(points: Ladder, tuning: BoolArray, max_loss: float) -> IntArray:
    """Return the points to test, shape (n_kept,): those that cost less than the baseline does, by falling cost.

    They begin where the loss is first small enough. Costs and losses are means over the `tuning` rows.
    """
    ones = np.ones((1, int(tuning.sum())))
    loss, cost = mean_of(points.loss[tuning])(ones)[0], mean_of(points.cost[tuning])(ones)[0]
    limit = mean_of(points.baseline_cost[tuning])(ones)[0]
    # Of points that cost the same, one that lost less comes last and so is the one that is returned.
    order = np.array([point for point in np.lexsort((-loss, -cost)) if cost[point] < limit], dtype=np.intp)
    safe = np.flatnonzero(loss[order] <= max_loss)
    kept: IntArray = order[safe[0] :] if len(safe) else order
    return kept


def _bound(loss: FloatArray, tuning: BoolArray, promise: Promise) -> tuple[str, float]:
    """Bound the loss of one point on the certifying rows, by the method that is the tighter one on the tuning rows."""
    tuned = _observed(loss[tuning])
    method = min(BOUNDS, key=lambda name: BOUNDS[name](tuned, promise.error))
    return method, BOUNDS[method](_observed(loss[~tuning]), promise.error)


def _certified(points: Ladder, tuning: BoolArray, point: int, method: str, bound: float) -> Certified:
    loss, cost, whole = points.loss[~tuning, point], points.cost[~tuning, point], points.baseline_cost[~tuning]
    saved = whole - cost
    statistics = {"loss": mean_of(loss), "saved": ratio_of(saved, whole), "usd": mean_of(saved * 1_000)}
    figures = intervals(statistics, len(loss))
    n_queries = len(_observed(loss))
    return Certified(
        value=float(points.values[point]),
        bound=bound,
        method=method,
        loss=figures["loss"],
        saved=figures["saved"],
        saved_usd_per_1k=figures["usd"] if points.in_usd else None,
        n_queries=n_queries,
        n_left_out=len(loss) - n_queries,
    )


def _needed(loss: FloatArray, tuning: BoolArray, promise: Promise) -> int | None:
    """Return how many rows in all would about certify one of the points, shape (n_queries, n_points)."""
    needed = [rows_needed(_observed(column), promise.max_loss, promise.error) for column in loss.T]
    fewest = min((n for n in needed if n is not None), default=None)
    return None if fewest is None else math.ceil(fewest / (1 - tuning.mean()))


def _thresholds(seen: Estimates, pair: Pair, tuning: BoolArray) -> tuple[FloatArray, list[Policy]]:
    weak, strong = (seen.models.index(model) for model in pair)
    rate = win_rate(seen.quality[tuning], weak, strong).astype(float)
    edges = np.unique(np.quantile(rate, np.linspace(0, 1, POINTS), method="nearest"))
    values = np.r_[(edges[:-1] + edges[1:]) / 2, min(1.0, edges[-1] + 1e-9)]
    return values, [StrongIfWorth(*pair, float(value)) for value in values]


def _willingnesses(seen: Estimates, default: str, tuning: BoolArray) -> tuple[FloatArray, list[Policy]]:
    rows = seen._replace(
        quality=seen.quality[tuning],
        cost_usd=seen.cost_usd[tuning],
        eligible=seen.eligible[tuning],
        novelty=None if seen.novelty is None else seen.novelty[tuning],
    )
    found = frontier(rows, default).willingness_usd
    values = found[np.unique(np.linspace(0, len(found) - 1, POINTS).round().astype(int))]
    return values, [at(float(value), default) for value in values]


def _observed(losses: FloatArray) -> FloatArray:
    known: FloatArray = losses[~np.isnan(losses)]
    return known
