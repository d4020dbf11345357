"""Routability: read, look for leaks, fit every router, rehearse it on the training rows, evaluate it, assemble."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import IntArray, Query
from switchpoint.estimators.calibration import FOLDS, folds
from switchpoint.evaluation.bout import predicted
from switchpoint.evaluation.evaluate import evaluate
from switchpoint.evaluation.findings import class_columns, routability
from switchpoint.evaluation.routability import Ground, LeakCount, Routability, Trial
from switchpoint.evaluation.two_model import pair_of
from switchpoint.learning.assess import with_common_models
from switchpoint.learning.datasets import Folder, Split, read, without_overlap
from switchpoint.learning.leaks import leaks
from switchpoint.learning.routers import ROUTERS, make_router, options, recipe

Say = Callable[[str], None]


class _Data(NamedTuple):
    """Rows to learn and choose on, and to measure on: the same where there is one split only."""

    train: Outcomes
    test: Outcomes
    out_of_fold: bool
    leaks: LeakCount


class _Remembered:
    """An estimator that says of each query what was predicted for it before."""

    def __init__(self, outcomes: Outcomes, prediction: Prediction) -> None:
        self.models_ = outcomes.models
        self._prediction = prediction
        self._row = {query.id: row for row, query in enumerate(outcomes.queries)}

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Return what was predicted, in the order of these queries."""
        rows = [self._row[query.id] for query in queries]
        return Prediction._make(None if part is None else part[rows] for part in self._prediction)


def report(
    folder: Folder,
    *,
    routers: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    weak: str | None = None,
    strong: str | None = None,
    say: Say = lambda text: None,
) -> Routability:
    """Find out whether routing pays on the outcomes of one folder.

    routers : names, by default every one. Those that cannot be made of these outcomes are named in the report.
    weak, strong : the pair of the two-model view; by default the two models where there are exactly two.

    Training rows whose text stands in the test are removed. With one split only every row is judged out of fold.

    Raises DataError for fewer than two models or too few rows to hold any out, UnknownModel, and ConfigError for an
    unknown router or where none of them can be made.
    """
    names = list(ROUTERS) if routers is None else list(dict.fromkeys(routers))
    for name in names:
        recipe(name)
    data = _read(Path(folder), models, say)
    pair_of(data.train.models, data.train.mean_quality(), weak, strong)  # half a pair is told before anything is fitted
    trials, skipped = _trials(names, data, weak, strong, say)
    ground = Ground(
        train=data.train,
        test=data.test,
        class_columns=_class_columns(data),
        out_of_fold=data.out_of_fold,
        leaks=data.leaks,
        command=_command(data.test.name, routers, models, weak, strong),
        skipped=skipped,
    )
    return routability(ground, trials)


def _read(folder: Path, models: Sequence[str] | None, say: Say) -> _Data:
    whole = read(folder, "all", models)
    train, test = (_split(folder, split, models) for split in ("train", "test"))
    if train is None or test is None:
        data = _Data(whole, whole, True, LeakCount(0, 0, 0))
    else:
        found = leaks(train, test)
        known, removed = without_overlap(train, test)
        exact = int(found.exact.sum())
        say(f"{removed} training rows whose text stands in the test were removed; {len(known)} are left.")
        data = _Data(*with_common_models(known, test, say), False, LeakCount(exact, len(found) - exact, removed))
    _check(data)
    return data


def _split(folder: Path, split: Split, models: Sequence[str] | None) -> Outcomes | None:
    """Return the rows of a split; None where it has none. The whole folder has been read, and is free of faults."""
    try:
        return read(folder, split, models)
    except DataError:
        return None


def _check(data: _Data) -> None:
    train = data.train
    if len(train.models) < 2:
        raise DataError(
            f"{train.name}: there is one model, {train.models[0]}, and nothing to route between. "
            "Record the outcomes of another one on the same queries."
        )
    if len(train) < FOLDS:
        raise DataError(
            f"{train.name}: {len(train)} rows to learn from; at least {FOLDS} are needed to hold some out. Record more."
        )


def _trials(
    names: Sequence[str], data: _Data, weak: str | None, strong: str | None, say: Say
) -> tuple[list[Trial], dict[str, str]]:
    """Try every router; return those that could be made, and of the others why not."""
    trials: list[Trial] = []
    skipped: dict[str, str] = {}
    for number, name in enumerate(names, start=1):
        say(f"Router {number} of {len(names)}: {name} …")
        try:
            trials.append(_tried(name, data, weak, strong))
        except (ConfigError, DataError) as error:
            skipped[name] = str(error)
    if not trials:
        raise ConfigError([f"{name}: {reason}" for name, reason in skipped.items()])
    return trials, skipped


def _tried(name: str, data: _Data, weak: str | None, strong: str | None) -> Trial:
    """Fit a router once on every training row, and once without each fold of them."""
    train, found = data.train, recipe(name)
    measure = partial(evaluate, router=name, train=train, weak=weak, strong=strong, probabilities=found.probabilities)
    rehearsal = measure(_rehearsed(name, train, weak, strong), train)
    evaluation = rehearsal
    if not data.out_of_fold:
        start = perf_counter()
        estimator = make_router(name, train, options(train.models, weak, strong))
        seconds = perf_counter() - start if found.learns else None
        evaluation = measure(estimator, data.test, train_s=seconds, n_train_removed=data.leaks.removed)
    return Trial(
        router=name, summary=found.summary, candidate=found.tunable, rehearsal=rehearsal, evaluation=evaluation
    )


def _rehearsed(name: str, train: Outcomes, weak: str | None, strong: str | None) -> _Remembered:
    """Predict every row by a router that was made without it."""
    parts, order = [], []
    for rest, held_out in folds(len(train)):
        rows = np.flatnonzero(held_out)
        estimator = make_router(name, train.take(np.flatnonzero(rest)), options(train.models, weak, strong))
        parts.append(predicted(estimator, train.name, train.models, [train.queries[i] for i in rows]))
        order.append(rows)
    return _Remembered(train.take(np.concatenate(order)), _joined(parts))


def _joined(parts: Sequence[Prediction]) -> Prediction:
    """Put predictions below each other; what not all of them say is said by none."""
    columns = zip(*parts, strict=True)
    return Prediction._make(None if any(p is None for p in each) else np.concatenate(each) for each in columns)


def _class_columns(data: _Data) -> IntArray:
    """Return the model of each test row's class, chosen on rows without it."""
    train, test = data.train, data.test
    if not data.out_of_fold:
        return class_columns(train, test.domains)
    columns = np.zeros(len(test), dtype=np.intp)
    for rest, held_out in folds(len(test)):
        rows = np.flatnonzero(held_out)
        columns[rows] = class_columns(train.take(np.flatnonzero(rest)), [test.domains[i] for i in rows])
    return columns


def _command(
    name: str,
    routers: Sequence[str] | None,
    models: Sequence[str] | None,
    weak: str | None,
    strong: str | None,
) -> str:
    """Return the command line; the dataset by its name alone, since a page is for others, whose folders differ."""
    lists = {"--routers": routers, "--models": models, "--weak": weak and [weak], "--strong": strong and [strong]}
    given = [part for option, values in lists.items() if values for part in (option, ",".join(values))]
    return shlex.join(["switchpoint", "report", name, *given])
