"""Leave one out: train on all datasets, or all domains of one, but one; test on that one; and so on for each.

What a router gains on queries like its training rows is not what it gains on others. A router that is safe to deploy
loses little to the best constant model, itself chosen without the dataset that is left out, on its worst row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, interval, intervals, mean_of, resampled
from switchpoint.evaluation.bout import bout_of
from switchpoint.evaluation.report import Sheet, cells, to_json_value
from switchpoint.learning.assess import with_common_models
from switchpoint.learning.datasets import Folder, Split, read, read_many, without_overlap
from switchpoint.learning.leaks import groups
from switchpoint.learning.routers import make_router, options, recipe

Unit = Literal["dataset", "domain"]
Say = Callable[[str], None]

MEASURED = ("router", "best_single", "oracle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A router on what was left out of its training.

    best_single_model : chosen on the training part. quality : by each of `MEASURED`.
    gain : quality of the router minus that of the best single model, paired.
    """

    left_out: str
    n_train: int
    n_queries: int
    best_single_model: str
    quality: dict[str, Interval]
    gain: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Every row; `mean_gain` gives each dataset or domain the same weight, whatever its size."""

    router: str
    unit: Unit
    rows: tuple[Row, ...]
    mean_gain: Interval

    @property
    def worst(self) -> Row:
        """The row of the lowest gain, of those whose gain is known."""
        return min(self.rows, key=lambda row: np.nan_to_num(row.gain.value, nan=np.inf))

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: intervals as [value, low, high], unknown as null."""
        found = {
            "router": self.router,
            "leave_out": self.unit,
            "rows": [_shown(row) for row in self.rows],
            "worst": _shown(self.worst),
            "mean_gain": self.mean_gain,
        }
        return {name: to_json_value(value) for name, value in found.items()}

    def sheet(self) -> Sheet:
        """Return the table for people."""
        worst = ("worst: " + self.worst.left_out, *_figures(self.worst))
        mean = ("mean", *[None] * 6, *cells(self.mean_gain))
        return Sheet(
            f"{self.router}, leaving out one {self.unit} at a time",
            (self.unit, "trained on", "queries", "best single", *MEASURED, "gain", "95 %"),
            [*((row.left_out, *_figures(row)) for row in self.rows), worst, mean],
            "gain: over the best single model of the training part; 95 % bootstrap intervals.",
        )


class _Part(NamedTuple):
    name: str
    train: Outcomes
    test: Outcomes


def leave_one_out(
    router: str,
    folders: Sequence[Folder],
    *,
    unit: Unit = "dataset",
    train_split: Split = "train",
    test_split: Split = "test",
    models: Sequence[str] | None = None,
    by_group: bool = False,
    say: Say = lambda text: None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> LeftOut:
    """Train the router without each dataset, or each domain of the pooled datasets, and measure it there.

    Rows are trained on from `train_split` of what stays and measured on `test_split` of what is left out; training rows
    whose text stands in the test are removed. `by_group` draws near-duplicate groups for the intervals.

    Raises ConfigError for fewer than two datasets or domains, DataError, UnknownModel.
    """
    if len({Path(folder).resolve() for folder in folders}) < len(folders):
        raise ConfigError(f"A dataset is named twice: {', '.join(map(str, folders))}. Name each once.")
    parts = _by_dataset if unit == "dataset" else _by_domain
    found: list[tuple[Row, FloatArray]] = []
    for number, part in enumerate(parts(folders, train_split, test_split, models, say)):
        say(f"Training {router} without {part.name}: {len(part.train)} rows …")
        found.append(_measure(router, part, by_group, resamples, seed + number))
    if len(found) < 2:
        raise ConfigError(f"Leaving one {unit} out needs at least two. Got {len(found)}.")
    means = np.array([row.gain.value for row, _ in found])
    draws = np.stack([draws for _, draws in found])
    known = ~np.isnan(means)
    value = float(means[known].mean()) if known.any() else float("nan")
    return LeftOut(
        router=router,
        unit=unit,
        rows=tuple(row for row, _ in found),
        mean_gain=interval(value, draws[known].mean(axis=0) if known.any() else draws[0]),
    )


def _by_dataset(
    folders: Sequence[Folder], train_split: Split, test_split: Split, models: Sequence[str] | None, say: Say
) -> Iterator[_Part]:
    for folder in folders if len(folders) > 1 else ():
        others = [other for other in folders if other != folder]
        test = read(folder, test_split, models)
        yield _apart(test.name, read_many(others, train_split, say=say), test, say)


def _by_domain(
    folders: Sequence[Folder], train_split: Split, test_split: Split, models: Sequence[str] | None, say: Say
) -> Iterator[_Part]:
    train, test = read_many(folders, train_split, models, say), read_many(folders, test_split, models)
    domains = dict.fromkeys(test.domains)
    for domain in domains if len(domains) > 1 else ():
        others = [row for row, of in enumerate(train.domains) if of != domain]
        rows = [row for row, of in enumerate(test.domains) if of == domain]
        yield _apart(domain, train.take(others), test.take(rows), say)


def _apart(name: str, train: Outcomes, test: Outcomes, say: Say) -> _Part:
    known, _ = without_overlap(train, test)
    return _Part(name, *with_common_models(known, test, say))


def _measure(router: str, part: _Part, by_group: bool, resamples: int, seed: int) -> tuple[Row, FloatArray]:
    """Return the row and the resamples of its gain, shape (resamples,)."""
    estimator = make_router(router, part.train, options(part.test.models))
    bout = bout_of(estimator, part.test, part.train, probabilities=recipe(router).probabilities)
    games = bout.games()
    drawn = (len(part.test), resamples, seed, groups(part.test) if by_group else None)
    gain = {"gain": mean_of(games["router"].quality - games["best_single"].quality)}
    value, draws = resampled(gain, *drawn)["gain"]
    row = Row(
        left_out=part.name,
        n_train=len(part.train),
        n_queries=len(part.test),
        best_single_model=str(bout.best),
        quality=intervals({name: mean_of(games[name].quality) for name in MEASURED}, *drawn),
        gain=interval(float(value), draws),
    )
    return row, draws


def _figures(row: Row) -> tuple[object, ...]:
    qualities = (cells(row.quality[name])[0] for name in MEASURED)
    return (row.n_train, row.n_queries, row.best_single_model, *qualities, *cells(row.gain))


def _shown(row: Row) -> dict[str, object]:
    return {
        "left_out": row.left_out,
        "n_train": row.n_train,
        "n_queries": row.n_queries,
        "quality": {**row.quality, "best_single_model": row.best_single_model},
        "gain_over_best_single": row.gain,
    }
