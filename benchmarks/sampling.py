"""Prompt styles and samples: ask a weak model in several styles, stop when they agree, else ask the strong one.

`python -m benchmarks.sampling DATA`, from the folder that holds `samples-date` and `samples-gsm`. A row is a question
and a replicate, that is other samples of it; cost is characters of the response, the strong model 30 times as dear a
character as the weak one, relative to one answer of the strong model. The one style of each model that is used alone is
chosen on train. Intervals draw contexts, the settings that questions share, since they stand in both splits. The
trained cascade is learned 8 times, each from the questions on other contexts than those it is judged on.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.playing import HEAD, Entry, Field, Game, agreement, lines
from switchpoint.cascades.agreement import Agreement
from switchpoint.core.catalog import Catalog
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.sweep import sweep
from switchpoint.learning.cascades import train_cascade
from switchpoint.learning.routers import options
from switchpoint.learning.samples import contexts, failures_charged, read_samples

PRICE_RATIO = 30.0
REPLICATES, FOLDS = 10, 8


class Set(NamedTuple):
    """A dataset, its weak model and the order in which styles are asked: families of prompts alternate."""

    name: str
    weak: str
    styles: tuple[str, ...]
    strong: str = "gpt-4"

    @property
    def voters(self) -> list[str]:
        return [f"{self.weak}:{style}" for style in self.styles]


SETS = (
    Set("samples-date", "gpt-3.5-turbo", ("pot2", "cot2", "pot1", "cot1")),
    Set("samples-gsm", "llama-2-13b", ("pot2", "pot1")),
)


def outcomes_of(data: Path, which: Set, split: str, replicates: int = REPLICATES, draws: int = 2) -> Outcomes:
    """Read the questions that the weak model was asked in every style."""
    prices = {which.weak: 1.0, which.strong: PRICE_RATIO}
    found = read_samples(data / which.name, split, price_per_char=prices, replicates=replicates, draws=draws)
    asked = {
        query.id
        for query, known in zip(found.queries, ~np.isnan(found.of(which.voters).quality).any(axis=1), strict=True)
        if known
    }
    return failures_charged(found.take([row for row, query in enumerate(found.queries) if query.id in asked]))


def rules(which: Set, strong: str) -> dict[str, Agreement]:
    """Return the stopping rules; voters that come round again are asked for another sample."""
    styles, best, twice = which.voters, which.voters[0], min(8, 2 * len(which.styles))
    catalog = Catalog(options([*styles, strong]))
    found = {
        "styles in turn, lead 2 within 4": Agreement("a", catalog, styles, strong, lead=2, most=4),
        "styles in turn, 2 equal within 3": Agreement("a", catalog, styles, strong, lead=2, most=3),
        "two styles, 2 of 2": Agreement("a", catalog, styles[:2], strong, lead=2),
        "one style, 2 of 2": Agreement("a", catalog, [best], strong, lead=2, most=2),
        f"styles in turn, odds .90 within {twice}": Agreement("a", catalog, styles, strong, confidence=0.9, most=twice),
        "the same without a strong model": Agreement("a", catalog, styles, confidence=0.9, most=twice),
    }
    # Two votes are enough whatever the runner-up has: neither a lead nor odds say that.
    found["styles in turn, 2 equal within 3"].settled = lambda votes, runner_up, drawn: votes >= 2
    return found


def single(outcomes: Outcomes, model: str) -> Entry:
    column = [outcomes.column(model)]
    return Entry(Game(outcomes.quality[:, column], outcomes.cost_usd[:, column]))


def best_style(outcomes: Outcomes, model: str) -> str:
    """Return the cheapest style that is at most a standard error worse than the best; further draws are left out."""
    names = [name for name in outcomes.models if name.startswith(f"{model}:") and "#" not in name]
    rows = outcomes.of(names)
    quality, cost = rows.mean_quality(), rows.mean_cost_usd()
    error = np.sqrt(quality.max() * (1 - quality.max()) * REPLICATES / len(rows))
    return names[int(np.where(quality >= quality.max() - error, cost, np.inf).argmin())]


def trained(whole: Outcomes, models: list[str]) -> Entry:
    """Learn on the first replicate of other contexts, and play every replicate of the contexts that were held out."""
    context = contexts(whole)
    fold_of = np.random.default_rng(0).permutation(np.arange(context.max() + 1) % FOLDS)[context]
    first = np.unique([query.id for query in whole.queries], return_index=True)[1]
    quality, cost, rows = np.zeros((len(whole), 1)), np.zeros((len(whole), 1)), whole.of(models)
    for fold in range(FOLDS):
        found = train_cascade(rows.take([row for row in first if fold_of[row] != fold]))
        held = np.flatnonzero(fold_of == fold)
        part = rows.take(held)
        played = sweep(found.plan, found.read(part), part, np.array([found.plan.willingness_usd]))
        quality[held], cost[held] = played.quality(part), played.cost_usd(part)
        scored = sum(found.plan.program.scored)
        print(
            f"<!-- fold {fold}: {', '.join(found.plan.models)}; scored {scored}; worth it: {found.worth} -->",
            flush=True,
        )
    return Entry(Game(quality, cost))


def tables(data: Path, which: Set) -> Iterator[str]:
    """Yield the table of test, then the one of all questions with contexts kept apart."""
    train, test = (outcomes_of(data, which, split) for split in ("train", "test"))
    strong, weak = best_style(train, which.strong), best_style(train, which.weak)
    yield f"\n### {which.name}: {len(train) // REPLICATES} train, {len(test) // REPLICATES} test questions\n\n{HEAD}"
    entries = {f"{model} once": single(test, model) for model in (weak, strong)}
    entries |= {name: agreement(rule, test) for name, rule in rules(which, strong).items()}
    yield from lines(Field(test, strong, (weak, strong), groups=contexts(test)), entries)
    whole = outcomes_of(data, which, "all")
    entries = {
        f"{strong} once": single(whole, strong),
        "styles in turn, lead 2 within 4": agreement(rules(which, strong)["styles in turn, lead 2 within 4"], whole),
        f"trained cascade, {FOLDS} folds of contexts": trained(whole, [*which.voters, strong]),
    }
    yield f"\nAll {len(whole) // REPLICATES} questions:\n\n{HEAD}"
    yield from lines(Field(whole, strong, (weak, strong), groups=contexts(whole)), entries)


if __name__ == "__main__":
    for each in SETS:
        for line in tables(Path(sys.argv[1]), each):
            print(line, flush=True)
