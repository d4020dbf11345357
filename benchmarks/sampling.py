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
    styles, best = which.voters, which.voters[0]
    catalog = Catalog(options([*styles, strong]))

    def rule(voters: list[str], final: str | None = strong, **more: float) -> Agreement:
        return Agreement("a", catalog, voters, final, **more)

    first = styles[:3] if len(styles) > 2 else styles
    return {
        "styles in turn, lead 2 within 4": rule(styles, lead=2, most=4),
        "styles in turn, first 2 equal of 3": Agreement2(rule, first, catalog, strong),
        "two styles, 2 of 2": rule(styles[:2], lead=2),
        "one style, 2 of 2": rule([best], lead=2, most=2),
        "styles in turn, odds .90 within 8": rule(styles, confidence=0.90, most=min(8, 2 * len(styles))),
        "styles in turn, odds .90 within 8, no strong": rule(styles, None, confidence=0.90, most=min(8, 2 * len(styles))),
    }
