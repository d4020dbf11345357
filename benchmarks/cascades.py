"""Every cascade on every dataset: quality, the cost of all calls, and what is gained over mixing single models.

`python -m benchmarks.cascades DATA [NAME…]`, from the folder that holds the datasets. Everything is fitted on the rows
of `train`, and operating points are chosen there, out of fold: the cheapest that keeps 97 % of the strong model's
quality with a standard error to spare. Shown is `test`, with 95 % intervals of paired bootstraps. "Gain" is against
drawing between the two single models whose line is the highest at the same cost, chosen on train. AIQ is the mean
height, in points of a hundred, of the operating points on the hull of train over costs from the cheapest to the strong
model; APGR orders the queries of two models.

Where no cost is recorded it is assumed: characters of the answer times `PER_CHAR`, which is relative.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.playing import HEAD, Entry, Field, Game, agreement, at_prices, hull_of, lines
from switchpoint.cascades import frugal
from switchpoint.cascades.agreement import Agreement
from switchpoint.cascades.belief import Evidence
from switchpoint.cascades.latent import fit
from switchpoint.cascades.reading import Reading
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.rules import Chain, Index, Rule, Supermodels
from switchpoint.core.catalog import Catalog
from switchpoint.core.outcome import Outcomes
from switchpoint.estimators.heads import TextHeads
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.frontier import frontier
from switchpoint.evaluation.metrics import best_columns
from switchpoint.evaluation.replay import estimates
from switchpoint.evaluation.sweep import sweep
from switchpoint.evaluation.two_model import Pair
from switchpoint.learning.cascades import CHEAP, FOLDS, KEPT, SURE, train_cascade
from switchpoint.learning.datasets import read, without_overlap
from switchpoint.learning.routers import options
from switchpoint.verifiers.learned import Learned

GPT4, MIXTRAL = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
ALPACA = {
    "gpt4_1106_preview": 30.0,
    "claude-2": 24.0,
    "claude-instant-1.2": 2.4,
    "gpt-3.5-turbo-1106": 2.0,
    "Mixtral-8x7B-Instruct-v0.1_concise": 0.6,
}
PER_CHAR = {
    "gsm8k-gpt4-mixtral": {GPT4: 30.0, MIXTRAL: 0.6},
    # A verifier reads 100 samples, each about as dear to read by it as to write.
    "gsm8k-openai2021": {
        "6b_finetuning": 6.0,
        "6b_verification": 1_200.0,
        "175b_finetuning": 175.0,
        "175b_verification": 35_000.0,
    },
    "alpacaeval2": {**ALPACA, "FuseChat-Gemma-2-9B-Instruct": 0.2, "FuseChat-Llama-3.2-1B-Instruct": 0.04},
    "alpacaeval2 without FuseChat": ALPACA,
}
SETS = (*PER_CHAR, "routerbench-arc", "routerbench-winogrande")
FEW, GRID, WILLINGNESSES = 5, 12, 24
AGAINST = tuple(
    (one, other)
    for one in ("trained cascade", "index rule", "cascade routing")
    for other in ("mix of single models", "router", "cascading along a chain")
)


class World(NamedTuple):
    """Outcomes of all models, and of the few that cascades are made of: the cheap ones by accuracy, the strong last."""

    train: Outcomes
    test: Outcomes
    few: tuple[str, ...]
    known: np.ndarray
    shown: np.ndarray

    @property
    def sides(self) -> tuple[Outcomes, Outcomes]:
        return self.train.of(self.few), self.test.of(self.few)

    @property
    def corners(self) -> tuple[str, ...]:
        """The single models on the hull of train."""
        found = hull_of(self.train.mean_cost_usd(), self.train.mean_quality())
        return tuple(self.train.models[column] for column in found)

    def ends(self, outcomes: Outcomes, game: Game) -> Game:
        """Add the cheapest single model and the strong one: every cascade may be either."""
        rows = (self.train if len(outcomes) == len(self.train) else self.test).of([self.corners[0], self.few[-1]])
        return Game(np.hstack([game.quality, rows.quality]), np.hstack([game.cost, rows.cost_usd]))


def world_of(data: Path, name: str) -> World:
    """Read a dataset; `known` and `shown` are a learned verifier's scores, those of train out of fold."""
    prices = PER_CHAR.get(name)
    train, test = (
        complete(read(data / name.split()[0], split, prices and tuple(prices), answers=True), prices)
        for split in ("train", "test")
    )
    train, test = without_overlap(train, test)[0], test.of(train.models)
    quality, cost = train.mean_quality(), train.mean_cost_usd()
    strong = best_single(train)
    limit = CHEAP * cost[train.column(strong)]
    ranked = [train.models[i] for i in np.argsort(-quality) if train.models[i] != strong]
    cheap = [model for model in ranked if cost[train.column(model)] < limit] or ranked
    few = (*cheap[: FEW - 1], strong)
    known, shown = scores(train.of(few), test.of(few))
    return World(train, test, few, known, shown)


def complete(outcomes: Outcomes, per_char: dict[str, float] | None) -> Outcomes:
    if per_char is not None:
        chars = np.vectorize(lambda text: float(len(text or "")))(outcomes.responses)
        outcomes = replace(outcomes, cost_usd=chars * [per_char[model] * 1e-6 for model in outcomes.models])
    known = ~(np.isnan(outcomes.quality) | np.isnan(outcomes.cost_usd)).any(axis=1)
    return outcomes.take(np.flatnonzero(known & outcomes.written.all(axis=1)))


def scores(train: Outcomes, test: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    rows = [
        (
            [query.full_text for query in each.queries for _ in each.models],
            list(each.responses.ravel()),
            list(each.models) * len(each),
        )
        for each in (train, test)
    ]
    verifier = Learned().fit(*rows[0], train.quality.ravel().astype(float))
    return verifier.oof_.reshape(train.quality.shape), verifier.score(*rows[1]).reshape(test.quality.shape)


def entries(world: World) -> Iterator[tuple[str, Entry]]:
    """Yield every strategy that the dataset allows."""
    train, test = world.sides
    yield "strong, the best single", Entry(world.ends(test, Game(*np.empty((2, len(test), 0)))), point=1)
    yield "mix of single models", mix(world)
    yield "oracle", oracle(world.test)
    yield "router", router(world)
    cheap, strong = world.few[:-1], world.few[-1]
    for n in range(2, min(3, len(cheap)) + 1):
        voters = cheap[:n]
        yield (
            f"{n} agree, else strong",
            agreement(Agreement("a", Catalog(options(world.few)), voters, strong, lead=n), test),
        )
    if len(cheap) > 2:
        voting = Agreement("a", Catalog(options(world.few)), cheap[:3], lead=3)
        yield "majority vote of 3", agreement(voting, test)
    yield "threshold on the verifier", threshold(world)
    yield "FrugalGPT search", searched(world)
    order = np.argsort(train.mean_cost_usd())
    chain = tuple(order[: list(order).index(len(world.few) - 1) + 1].tolist())
    yield "index rule, as if answers proved all", believed(world, Index(bernoulli), narrow=False)
    rules = {"cascading along a chain": Chain(chain), "index rule": Index(), "cascade routing": Supermodels()}
    for name, rule in rules.items():
        yield name, believed(world, rule)
    yield "trained cascade", trained(world)


def mix(world: World) -> Entry:
    """Single models, and drawing between them without looking; its point is the most accurate cheap one."""
    columns = [world.test.column(model) for model in world.corners]
    cheap = world.test.column(world.few[0])
    game = Game(world.test.quality[:, [*columns, cheap]], world.test.cost_usd[:, [*columns, cheap]])
    return Entry(game, len(columns), np.arange(len(columns)))


def oracle(test: Outcomes) -> Entry:
    column = best_columns(test)[:, None]
    return Entry(Game(*(np.take_along_axis(each, column, 1) for each in (test.quality, test.cost_usd))))


def router(world: World) -> Entry:
    """The default router; its point is where it predicts that it keeps enough."""
    prediction = TextHeads().fit(world.train).predict(world.test.queries)
    points = frontier(estimates(prediction, world.test, world.train.mean_cost_usd()))
    strong = world.test.column(world.few[-1])
    point = points.at_quality(KEPT * float(prediction.mean[:, strong].mean()))
    columns = np.stack([points.columns(each) for each in range(len(points))], axis=1)
    game = Game(*(np.take_along_axis(each, columns, 1) for each in (world.test.quality, world.test.cost_usd)))
    gain = prediction.mean[:, strong] - prediction.mean[:, world.test.column(world.few[0])]
    return Entry(game, len(points) - 1 if point is None else point, np.arange(len(points)), gain)


def threshold(world: World) -> Entry:
    """The most accurate cheap model, then the strong one; thresholds are quantiles of train."""
    edges = np.unique(np.quantile(world.known[:, 0], np.linspace(0, 1, 64)))

    def game(outcomes: Outcomes, score: np.ndarray) -> Game:
        on = score[:, :1] < np.r_[edges, np.inf]
        quality, cost = outcomes.quality, outcomes.cost_usd
        return Game(np.where(on, quality[:, -1:], quality[:, :1]), cost[:, :1] + on * cost[:, -1:])

    train, test = world.sides
    return chosen(world, game(train, world.known), game(test, world.shown))._replace(gain=-world.shown[:, 0])


def searched(world: World) -> Entry:
    train, test = (
        frugal.Scored(score=score, quality=each.quality, cost_usd=each.cost_usd)
        for each, score in zip(world.sides, (world.known, world.shown), strict=True)
    )
    plans = frugal.frontier(train, grid=GRID)
    games = [
        Game(*map(np.stack, zip(*(frugal.follow(plan, each) for plan in plans), strict=True))) for each in (train, test)
    ]
    return chosen(world, *(Game(game.quality.T, game.cost.T) for game in games))


def believed(world: World, rule: Rule, narrow: bool = True) -> Entry:
    """A rule on the latent belief; the points of train are played by beliefs that had not seen their fold."""
    train, test = world.sides
    reading = Reading.of(train.responses, train.quality >= 0.5)
    known, shown = (
        reading.evidence(each.responses, score) for each, score in ((train, world.known), (test, world.shown))
    )

    def game(rows: np.ndarray, evidence: Evidence, outcomes: Outcomes) -> Game:
        belief = fit(world.few, known.take(rows), train.quality[rows] >= 0.5, reading.n_options)
        return at_prices(rule, belief, not narrow, evidence, outcomes, price)

    folds = np.random.default_rng(0).permutation(np.arange(len(train)) % FOLDS)
    price = train.mean_cost_usd() / train.mean_cost_usd()[-1] * np.geomspace(2, 0.003, WILLINGNESSES)[:, None]
    quality, cost = np.zeros((2, len(train), WILLINGNESSES))
    for fold in range(FOLDS):
        held = np.flatnonzero(folds == fold)
        quality[held], cost[held] = game(np.flatnonzero(folds != fold), known.take(held), train.take(held))
    on_test = game(np.arange(len(train)), shown, test)
    return chosen(world, Game(quality, cost), on_test)


def trained(world: World) -> Entry:
    """The product's own, with its own choice of models and point, whether or not it was proven to be worth it."""
    found = train_cascade(world.train)
    evidence, held = found.read(world.test), found.held_out
    shown = sweep(found.plan, evidence, world.test, np.r_[held.willingness_usd, found.plan.willingness_usd])
    print(f"<!-- trained: {', '.join(found.plan.models)}; worth it on train: {found.worth} -->")
    known = Game(held.quality(found.outcomes), held.cost_usd(found.outcomes))
    entry = chosen(world, known, Game(shown.quality(world.test)[:, :-1], shown.cost_usd(world.test)[:, :-1]))
    gain = found.gain(evidence, Pair(world.few[0], found.plan.strong)) if len(world.few) == 2 else None
    point = int(np.flatnonzero(held.willingness_usd == found.plan.willingness_usd)[0])
    return entry._replace(point=point, gain=gain)


def chosen(world: World, known: Game, shown: Game) -> Entry:
    """Choose the point, and the points of the curve, on train."""
    known, shown = world.ends(world.train, known), world.ends(world.test, shown)
    strong = world.train.quality[:, world.train.column(world.few[-1])]
    cost, spare = known.cost.mean(axis=0), known.quality - KEPT * strong[:, None]
    kept = spare.mean(axis=0) >= SURE * spare.std(axis=0) / np.sqrt(len(spare))
    return Entry(shown, int(np.where(kept, cost, np.inf).argmin()), hull_of(cost, known.quality.mean(axis=0)))


def main(data: Path, names: list[str]) -> None:
    for name in names or SETS:
        world = world_of(data, name)
        pair = Pair(*world.few) if len(world.few) == 2 else None
        print(f"\n### {name}: {len(world.train)} train, {len(world.test)} test\n")
        print(f"Cascades of {', '.join(world.few)}.\n\n{HEAD}", flush=True)
        field = Field(world.test, world.few[-1], world.corners, pair)
        for line in lines(field, dict(entries(world)), AGAINST):
            print(line, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
