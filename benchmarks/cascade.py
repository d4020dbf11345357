"""Rules of cascades on recorded outcomes with simulated estimates, and how long they take to decide.

`python -m benchmarks.cascade DATA`, or SWITCHPOINT_DATA and `python -m benchmarks cascade`. The curves are those of
Dekoninck et al. (2025) on RouterBench: for each of 11 models the estimate before an answer is a regression of its
quality on quality plus noise, the one after it a regression on two such signals, both fitted on train; shown is the
mean quality, in percent, over costs from the cheapest to the dearest single model, on test. Timings need no data.
The naive rule is cascade routing as one would write it for one query: every set of models, 100 draws for its maximum.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.timing import in_turns, us
from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.boxes import Boxes, best_net_value, net_value
from switchpoint.cascades.play import Trajectory, independent, play
from switchpoint.cascades.rules import Chain, Index, Routing, Rule, Supermodels, Threshold
from switchpoint.cascades.willingness import fit, price, sweep
from switchpoint.core.outcome import Outcomes

NOISE = {"low": (0.6, 0.3), "medium": (1.6, 0.8), "high": (2.4, 1.2)}
WILLINGNESS_USD = np.geomspace(2e-4, 2.0, 14)
THRESHOLDS = np.linspace(0.05, 0.98, 24)
SETS = ("routerbench-arc", "routerbench-winogrande")
DEPTH = 5
N_QUERIES, N_MODELS = 100_000, 5
N_BOXES, N_CHECKED = 4, 40


class World(NamedTuple):
    """Recorded outcomes, and what is believed of each before and after its answer."""

    outcomes: Outcomes
    cost_usd: np.ndarray
    before: Posterior
    after: np.ndarray

    def play(self, rule: Rule, willingness_usd: float, spread: float = 1.0) -> Trajectory:
        before = Posterior(self.before.mean, self.before.spread * spread)
        return play(rule, independent(before, self.after), price(self.cost_usd, willingness_usd))


def measure() -> list[dict[str, str]]:
    folder = os.environ.get("SWITCHPOINT_DATA")
    return [*timings(), *(curves(Path(folder)) if folder else ())]


def curves(data: Path) -> list[dict[str, str]]:
    """Mean height of every rule's curve, one line for each amount of noise and rule."""
    from switchpoint.evaluation.metrics import aiq, single_models_hull

    lines = []
    for noise in NOISE:
        train, world = world_of(data, noise)
        ends = np.nanmin(world.outcomes.mean_cost_usd()), np.nanmax(world.outcomes.mean_cost_usd())
        found = {"hull of single models": 100 * aiq(single_models_hull(world.outcomes), *ends)}
        for name, points in runs(train, world).items():
            found[name] = 100 * aiq(hull(world.outcomes, points), *ends)
        for name, height in found.items():
            more = height - found["routing"]
            lines.append({"what": f"{noise} noise, {name}", "value": f"{height:.2f}", "beside": f"routing {more:+.2f}"})
    return [*lines, exactness(world)]


def runs(train: Outcomes, world: World) -> dict[str, list[tuple[float, float]]]:
    """The (cost, quality) points of each rule; cascades go along the hull of single models on train."""
    chain = hull_columns(train)
    rules: dict[str, tuple[Rule, float]] = {
        "routing": (Routing(), 1.0),
        "optimal cascading": (Chain(chain), 1.0),
        f"cascade routing, sets of {DEPTH}, spread 0": (Supermodels(DEPTH), 0.0),
        f"cascade routing, sets of {DEPTH}": (Supermodels(DEPTH), 1.0),
        "index": (Index(), 1.0),
    }
    cascades = [world.play(Threshold(chain, (float(each),) * (len(chain) - 1)), 1.0) for each in THRESHOLDS]
    points = {"threshold cascade": [means(each, world.outcomes) for each in cascades]}
    for name, (rule, spread) in rules.items():
        swept = sweep(lambda w, r=rule, s=spread: world.play(r, w, s), WILLINGNESS_USD, world.outcomes)
        points[name] = list(zip(swept.cost_usd.mean(axis=1), swept.quality.mean(axis=1), strict=True))
    return points


def means(played: Trajectory, outcomes: Outcomes) -> tuple[float, float]:
    return float(played.cost_usd(outcomes).mean()), float(played.quality(outcomes).mean())


def hull(outcomes: Outcomes, points: list[tuple[float, float]]):
    """A rule may also call the cheapest model always: every curve begins there."""
    from switchpoint.evaluation.curve import cost_quality_curve

    cost, quality = outcomes.mean_cost_usd(), outcomes.mean_quality()
    cheapest = int(cost.argmin())
    return cost_quality_curve(*np.array([(cost[cheapest], quality[cheapest]), *points]).T)


def hull_columns(outcomes: Outcomes) -> tuple[int, ...]:
    from switchpoint.evaluation.frontier import upper_hulls

    first, moves = upper_hulls(outcomes.mean_cost_usd()[None], outcomes.mean_quality()[None])
    return int(first[0]), *moves.after.tolist()


def world_of(data: Path, noise: str) -> tuple[Outcomes, World]:
    from switchpoint.learning.datasets import read_many

    folders = [data / name for name in SETS]
    train, test = (complete(read_many(folders, split)) for split in ("train", "test"))
    test = test.of(train.models)
    random = np.random.default_rng(0)
    fitted, shown = (
        [each.quality + random.normal(0, sigma, each.quality.shape) for sigma in NOISE[noise]] for each in (train, test)
    )
    before, spread_of = regression(train.quality, fitted[:1], shown[:1])
    after, after_of_train = regression(train.quality, fitted, shown)
    spread = np.broadcast_to((after_of_train - spread_of).std(axis=0), before.shape)
    cost_usd = np.broadcast_to(train.mean_cost_usd(), before.shape)
    return train, World(test, cost_usd, Posterior(before, spread), after)


def complete(outcomes: Outcomes) -> Outcomes:
    known = ~(np.isnan(outcomes.quality) | np.isnan(outcomes.cost_usd)).any(axis=1)
    return outcomes.take(np.flatnonzero(known))


def regression(quality: np.ndarray, fitted: list[np.ndarray], shown: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Predict each model's quality from its own signals: on the rows shown, and on those it was fitted on."""
    on_shown, on_fitted = [], []
    for model in range(quality.shape[1]):
        x, other = (
            np.column_stack([np.ones(len(each[0])), *(signal[:, model] for signal in each)]) for each in (fitted, shown)
        )
        weights = np.linalg.lstsq(x, quality[:, model], rcond=None)[0]
        on_shown.append(other @ weights)
        on_fitted.append(x @ weights)
    return np.column_stack(on_shown), np.column_stack(on_fitted)


def exactness(world: World) -> dict[str, str]:
    """The index rule beside exact dynamic programming, where answers take three values each."""
    steps = np.sqrt(1.5) * np.array([-1, 0, 1])  # three equally likely values with the right spread
    worst = 0.0
    for row in range(N_CHECKED):
        mean, spread = world.before.mean[row, :N_BOXES], world.before.spread[row, :N_BOXES]
        values = mean[:, None] + spread[:, None] * steps
        dear = world.cost_usd[row, :N_BOXES] / WILLINGNESS_USD[row % len(WILLINGNESS_USD)]
        boxes = Boxes(values=values, probability=np.full(values.shape, 1 / 3), price=dear)
        worst = max(worst, abs(best_net_value(boxes) - net_value(boxes, Index(boxes.law))))
    what = f"index beside exact dynamic programming, {N_BOXES} models, {N_CHECKED} queries"
    return {"what": what, "value": f"{worst:.0e}", "beside": "largest difference in expected net value"}


def timings() -> list[dict[str, str]]:
    random = np.random.default_rng(0)
    shape = N_QUERIES, N_MODELS
    ease = random.random((N_QUERIES, 1))
    mean = np.clip(0.5 * ease + np.linspace(0.1, 0.5, N_MODELS) + random.normal(0, 0.1, shape), 0, 1)
    posterior = Posterior(mean, np.full(shape, 0.15))
    cost_usd = np.geomspace(1e-4, 1e-2, N_MODELS) * random.lognormal(0, 0.5, shape)
    nobody, everybody, prices = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool), price(cost_usd, 0.02)
    draws = random.standard_normal((100, N_MODELS))

    def ask(rule: Rule, n: int) -> Callable[[], object]:
        return lambda: rule(Posterior(mean[:n], posterior.spread[:n]), nobody[:n], everybody[:n], prices[:n])

    batches = {"index": ask(Index(), N_QUERIES), "sets": ask(Supermodels(), 2_000)}
    single = {"one": ask(Index(), 1), "naive": lambda: naive(mean[0], posterior.spread[0], prices[0], draws)}
    seconds = in_turns(batches, 9, warm_up=1) | in_turns(single, 400, block=100)
    p50 = {name: float(np.median(each)) for name, each in seconds.items()}
    slow, index, sets = p50["naive"], p50["index"] / N_QUERIES, p50["sets"] / 2_000
    beside = f"x faster than a naive enumeration of sets, {us(slow)}"
    return [
        {"what": "index, a query of a batch, 5 models", "value": us(index), "beside": f"{slow / index:,.0f}{beside}"},
        {
            "what": "index, one query alone",
            "value": us(p50["one"]),
            "beside": f"{slow / p50['one']:,.0f}{beside}",
        },
        {"what": "cascade routing, a query of a batch", "value": us(sets), "beside": f"{slow / sets:,.0f}{beside}"},
        fitting(World(None, cost_usd, posterior, mean + 0.15 * random.standard_normal(shape))),
    ]


def fitting(world: World) -> dict[str, str]:
    rows = np.arange(N_QUERIES)

    def spending(willingness_usd: float, rows: np.ndarray) -> np.ndarray:
        before = Posterior(world.before.mean[rows], world.before.spread[rows])
        prices = price(world.cost_usd[rows], willingness_usd)
        return play(Index(), independent(before, world.after[rows]), prices).spent(world.cost_usd[rows])

    def plain() -> float:
        low, high = 1e-9, 1e9
        for _ in range(30):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if spending(middle, rows).mean() <= 0.003 else (low, middle)
        return low

    work = {"ours": lambda: fit(spending, N_QUERIES, 0.003), "plain": plain}
    seconds = {name: float(np.median(each)) for name, each in in_turns(work, 3, warm_up=0).items()}
    ratio = f"{seconds['plain'] / seconds['ours']:.0f}x faster than 30 halvings over all rows"
    what = f"the willingness of a budget, {N_QUERIES:,} queries x {N_MODELS} models"
    return {"what": what, "value": f"{seconds['ours']:.2f} s", "beside": ratio}


def naive(mean: np.ndarray, spread: np.ndarray, prices: np.ndarray, draws: np.ndarray) -> int:
    """Choose one query's first call by going through every set of models."""
    best, chosen = -np.inf, ()
    for size in range(1, len(mean) + 1):
        for members in itertools.combinations(range(len(mean)), size):
            columns = list(members)
            largest = (mean[columns] + spread[columns] * draws[:, columns]).max(axis=1).mean()
            value = largest - prices[columns].sum()
            if value > best:
                best, chosen = value, members
    return chosen[0]


if __name__ == "__main__":
    os.environ["SWITCHPOINT_DATA"] = sys.argv[1]
    for line in measure():
        print(f"{line['what']:62} {line['value']:>10}  {line['beside']}", flush=True)
