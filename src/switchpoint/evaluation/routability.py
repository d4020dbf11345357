"""Routability: whether routing between some models pays on a dataset; every finding, with its interval.

What is found, as types; how, from evaluations and outcomes: `switchpoint.evaluation.findings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import IntArray
from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.ceiling import Ceiling
from switchpoint.evaluation.evidence import Mix
from switchpoint.evaluation.recommendation import Recommendation
from switchpoint.evaluation.report import Evaluation, to_json_value
from switchpoint.evaluation.two_model import Line

FEW_OF_CLASS = 10
"""A class with fewer test rows gets no interval."""


class Standing(NamedTuple):
    """What one way of answering every query gives: mean quality, USD per 1,000 queries, None where it is unknown.

    n_observed : queries on which it is known what that gives; None where they were not counted.
    """

    name: str
    n_observed: int | None
    quality: Interval | None
    cost_usd_per_1k: Interval | None


class ClassStanding(NamedTuple):
    """One class of queries: its own best model, chosen on training rows, and what that gains over the best constant.

    n_train, n_queries : rows in training and in the test. The ends are NaN below `FEW_OF_CLASS` rows.
    """

    name: str
    n_train: int
    n_queries: int
    model: str
    quality: Interval
    gain: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A router that was tried.

    candidate : whether a configuration can name it, so that it may be recommended.
    rehearsal : on the training rows, each by a router fitted on the others; what routers are chosen by.
    evaluation : on the test.
    """

    router: str
    summary: str
    candidate: bool
    rehearsal: Evaluation
    evaluation: Evaluation


class LeakCount(NamedTuple):
    """Test rows whose text stands in training, exactly or nearly, and training rows that were removed for it."""

    exact: int
    near: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is measured on.

    test : what figures are of. train : what choices are made on; the same rows where `out_of_fold`.
    class_columns : the model of each test row's class, chosen on rows without it, shape (n_test,).
    command : what makes this report again. skipped : routers that could not be made, and why.
    """

    train: Outcomes
    test: Outcomes
    class_columns: IntArray
    out_of_fold: bool
    leaks: LeakCount
    command: str
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routability:
    """Every finding.

    best : the best constant model, chosen on training rows. constants : ways that need no trained router.
    class_gain : of the per-class constant over the best constant, paired; oracle_gain : of the oracle, likewise.
    for_quality, for_cost : the trials that the recommendation looks at; None without a candidate.
    warnings : what may make the figures wrong. unknown : what is not known.
    """

    dataset: str
    command: str
    n_train: int
    n_queries: int
    out_of_fold: bool
    best: str
    models: tuple[Standing, ...]
    constants: tuple[Standing, ...]
    class_gain: Interval
    oracle_gain: Interval
    classes: tuple[ClassStanding, ...]
    trials: tuple[Trial, ...]
    skipped: Mapping[str, str]
    for_quality: Trial | None
    for_cost: Trial | None
    mix: Mix | None
    ceiling: Ceiling | None
    leaks: LeakCount
    warnings: tuple[str, ...]
    unknown: tuple[str, ...]
    recommendation: Recommendation

    @property
    def shown(self) -> Trial:
        """The trial whose curves are drawn: the recommended one or, without any, that for quality."""
        named = [trial for trial in self.trials if trial.router == self.recommendation.router]
        return named[0] if named else self.for_quality or self.trials[0]

    def to_json(self) -> dict[str, Any]:
        """Return every number of the page: intervals as [value, low, high], unknown as null."""
        found: dict[str, Any] = {
            "dataset": self.dataset,
            "command": self.command,
            "recommendation": asdict(self.recommendation) | {"models": list(self.recommendation.models)},
            "n_train": self.n_train,
            "n_queries": self.n_queries,
            "out_of_fold": self.out_of_fold,
            "best_constant": self.best,
            "models": {each.name: _standing(each) for each in self.models},
            "constants": {each.name: _standing(each) for each in self.constants},
            "class_gain": self.class_gain,
            "oracle_gain": self.oracle_gain,
            "classes": {each.name: {k: v for k, v in each._asdict().items() if k != "name"} for each in self.classes},
            "mix": self.mix and {name: getattr(self.mix, name) for name in Mix.__dataclass_fields__},
            "ceiling": self.ceiling and {name: getattr(self.ceiling, name) for name in Ceiling.__dataclass_fields__},
            "for_quality": self.for_quality and self.for_quality.router,
            "for_cost": self.for_cost and self.for_cost.router,
            "routers": {trial.router: _trial(trial) for trial in self.trials},
            "skipped": dict(self.skipped),
            "curves": _curves(self.shown.evaluation),
            "leaks": self.leaks._asdict(),
            "warnings": list(self.warnings),
            "unknown": list(self.unknown),
        }
        found["recommendation"]["because"] = list(self.recommendation.because)
        return {name: to_json_value(value) for name, value in found.items()}


def _standing(found: Standing) -> dict[str, Any]:
    return {name: value for name, value in found._asdict().items() if name != "name"}


def _trial(trial: Trial) -> dict[str, Any]:
    rehearsal = trial.rehearsal
    return {
        "candidate": trial.candidate,
        "rehearsal": {
            "gain_over_best_single": to_json_value(rehearsal.gain_over_best_single),
            "cost_ratio_at_98pct_of_best": to_json_value(rehearsal.costs and rehearsal.costs.near_best_ratio),
            "apgr": to_json_value(rehearsal.two_model and rehearsal.two_model.apgr),
        },
        "evaluation": trial.evaluation.to_json(),
    }


def _curves(evaluation: Evaluation) -> dict[str, Any]:
    """Return what is drawn: quality against USD per query, and against the strong share."""
    lines: dict[str, Line] = {}
    if evaluation.costs is not None:
        lines |= {"cost": evaluation.costs.curve, "cost_single_models": evaluation.costs.single_curve}
    if evaluation.two_model is not None:
        lines |= {"share": evaluation.two_model.curve, "share_length": evaluation.two_model.length_curve}
    axes = ("x", "y", "low", "high")
    return {name: {axis: getattr(line, axis).tolist() for axis in axes} for name, line in lines.items()}
