"""Playing: what strategies give and cost on recorded answers, and the lines of a table that say so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.agreement import Agreement
from switchpoint.cascades.belief import Evidence, Posterior
from switchpoint.cascades.latent import Latent
from switchpoint.cascades.play import believing, play
from switchpoint.cascades.rules import Rule
from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Accept, Call
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.bootstrap import Interval, Statistic, interval, mean_of, ratio_of, resampled
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.frontier import upper_hulls
from switchpoint.evaluation.metrics import apgr
from switchpoint.evaluation.two_model import Pair

RESAMPLES = 400
COSTS = 200
"""Costs at which a curve is read for its mean height."""
HEAD = "| strategy | quality | cost / strong | gain over the mix | AIQ | APGR |\n|---|---|---|---|---|---|"


class Game(NamedTuple):
    """What operating points give and cost, shapes (n_queries, n_points)."""

    quality: np.ndarray
    cost: np.ndarray


class Entry(NamedTuple):
    """A strategy on the test rows.

    point : the one that was chosen on train. curve : those on the hull of train; None where there is but one point.
    gain : the order in which queries go to the strong model of two, shape (n_queries,).
    """

    game: Game
    point: int = 0
    curve: np.ndarray | None = None
    gain: np.ndarray | None = None


class Field(NamedTuple):
    """What strategies are compared on.

    corners : the single models on the hull of train, from the cheapest on. pair : of the two-model view, if any.
    groups : of rows that are drawn together, shape (n_queries,).
    """

    test: Outcomes
    strong: str
    corners: tuple[str, ...]
    pair: Pair | None = None
    groups: np.ndarray | None = None


def agreement(strategy: Agreement, test: Outcomes) -> Entry:
    """Ask the deployed strategy, answer by answer."""
    found = np.array([follow(strategy, test, row) for row in range(len(test))])
    return Entry(Game(found[:, :1], found[:, 1:]))


def follow(strategy: Agreement, outcomes: Outcomes, row: int) -> tuple[float, float]:
    """Return the quality of the answer that is accepted and the cost of all calls; a model's n-th call is column #n."""
    attempts: list[Attempt] = []
    columns: list[int] = []
    while isinstance(step := strategy.next(outcomes.queries[row], attempts), Call):
        model = step.decision.model
        before = sum(attempt.decision.model == model for attempt in attempts)
        columns.append(outcomes.column(f"{model}#{before + 1}" if before else model))
        answer = Answer(text=outcomes.responses[row, columns[-1]], body={})
        attempts.append(Attempt(decision=step.decision, answer=answer, latency_s=0.0))
    assert isinstance(step, Accept)
    return float(outcomes.quality[row, columns[step.attempt]]), float(outcomes.cost_usd[row, columns].sum())


def at_prices(
    rule: Rule, belief: Latent, proving: bool, evidence: Evidence, outcomes: Outcomes, price: np.ndarray
) -> Game:
    """Play a rule at every price; `proving` takes an answer for one that proves itself right or wrong."""
    whole = believing(belief, None, evidence)

    def step(rows: np.ndarray, called: np.ndarray) -> Posterior:
        mean, spread = whole(rows, called)
        return Posterior(mean, np.where(called, 0.0, np.sqrt(mean * (1 - mean))) if proving else spread)

    runs = [play(rule, step, np.broadcast_to(each, outcomes.quality.shape)) for each in price]
    return Game(*(np.stack([getattr(run, what)(outcomes) for run in runs], axis=1) for what in ("quality", "cost_usd")))


def hull_of(cost: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Return the points of the upper hull, shape (n_corners,)."""
    first, moves = upper_hulls(cost[None], quality[None])
    return np.r_[first, moves.after]


def lines(field: Field, entries: Mapping[str, Entry], against: Sequence[tuple[str, str]] = ()) -> Iterator[str]:
    """Yield a line for each strategy, then the differences of AIQ asked for, all on the same resamples."""
    statistics = {(name, what): of for name, entry in entries.items() for what, of in _statistics(field, entry).items()}
    found = resampled(statistics, len(field.test), RESAMPLES, 0, field.groups)
    intervals = {key: interval(float(value), draws) for key, (value, draws) in found.items()}
    for name in entries:
        cells = [_shown(intervals.get((name, what))) for what in ("quality", "cost", "gain", "aiq", "apgr")]
        yield f"| {name} | {' | '.join(cells)} |"
    for one, other in against:
        if (one, "aiq") in found and (other, "aiq") in found:
            (a, a_draws), (b, b_draws) = found[one, "aiq"], found[other, "aiq"]
            yield f"\nAIQ, {one} less {other}: {_shown(interval(float(a - b), a_draws - b_draws))}"


def _shown(found: Interval | None) -> str:
    if found is None:
        return ""
    digits = 2 if abs(found.value) > 2 else 3
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def _statistics(field: Field, entry: Entry) -> dict[str, Statistic]:
    quality, cost = entry.game.quality[:, entry.point], entry.game.cost[:, entry.point]
    strong = field.test.cost_usd[:, field.test.column(field.strong)]
    found: dict[str, Statistic] = {
        "quality": mean_of(quality),
        "cost": ratio_of(cost, strong),
        "gain": lambda drawn: mean_of(quality)(drawn) - _mixed(field, mean_of(cost)(drawn), drawn),
    }
    if entry.curve is not None:
        points = Game(*(each[:, entry.curve] for each in entry.game))
        found["aiq"] = lambda drawn: _aiq(field, points, drawn)
    if field.pair is not None and entry.gain is not None:
        weak, better = field.test.of(field.pair).quality.T
        ranking = Ranking(entry.gain)
        found["apgr"] = lambda drawn: apgr(ranking.curve(weak, better, drawn))
    return found


def _mixed(field: Field, cost: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Return what mixing the single models gives at these costs, one for each draw."""
    singles = field.test.of(field.corners)
    points = zip(cost, mean_of(singles.cost_usd)(drawn), mean_of(singles.quality)(drawn), strict=True)
    return np.array([np.interp(at, x, y) for at, x, y in points])


def _aiq(field: Field, points: Game, drawn: np.ndarray) -> np.ndarray:
    ends = field.test.of([field.corners[0], field.strong]).cost_usd
    found = []
    parts = (mean_of(each)(drawn) for each in (ends, points.cost, points.quality))
    for (low, high), cost, quality in zip(*parts, strict=True):
        order = np.argsort(cost, kind="stable")
        found.append(100 * np.interp(np.linspace(low, high, COSTS), cost[order], quality[order]).mean())
    return np.array(found)
