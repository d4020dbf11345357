"""Evaluation: everything measured of one router on one dataset, for people, for programs and for plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.ceiling import Ceiling
from switchpoint.evaluation.family import Costs
from switchpoint.evaluation.reliability import Bin
from switchpoint.evaluation.robustness import Shaken
from switchpoint.evaluation.two_model import Line, TwoModel

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

POLICIES = ("router", "best_single", "cheapest", "random", "length", "oracle")
"""What is compared: the router's own choice with every baseline."""

MOST_BINS = 30
"""A table of more bins than this shows where a router errs only; the JSON holds them all."""


class Point(NamedTuple):
    """Mean cost and quality of always the same choice, to draw; the cost is NaN where it is unknown."""

    name: str
    cost_usd: float
    quality: float


class Sheet(NamedTuple):
    """One table for people."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    caption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A router measured on a dataset.

    quality : by each of `POLICIES`; None where there is no such policy (no model chosen on training outcomes).
    cost_usd_per_1k : the same, in USD per 1,000 queries; None where a cost is unknown.
    best_single_model : chosen on training outcomes, or stated; None where nothing says it.
    gain_over_best_single : quality of the router minus that of the best single model, paired.
    n_groups : groups that the intervals are drawn by; None where they are drawn by query.
    arena : RouterArena's score and optimality scores of the router's own choices; None where too little is known.
    ceiling : what part of the oracle's gain could be reached; None for very few queries.
    reliability : by model and bin; empty where the router's numbers are not meant as probabilities.
    robustness : of the decisions to other typing; empty unless it was asked for.
    ece, brier : of the predicted qualities; None where the router's numbers are not meant as probabilities.
    train_s : time to fit; None where nothing was fitted. decide_us : median time of one decision, one at a time.
    n_train_removed : training rows whose text stands in the test and that were left out.
    notes : what a reader must know to read the figures.
    """

    router: str
    dataset: str
    n_queries: int
    n_groups: int | None
    models: tuple[str, ...]
    quality: Mapping[str, Interval | None]
    best_single_model: str | None
    cost_usd_per_1k: Mapping[str, Interval | None]
    gain_over_best_single: Interval | None
    shares: Mapping[str, float]
    two_model: TwoModel | None
    costs: Costs | None
    arena: Mapping[str, Interval | None]
    ceiling: Ceiling | None
    ece: float | None
    brier: float | None
    reliability: tuple[Bin, ...]
    robustness: tuple[Shaken, ...]
    train_s: float | None
    decide_us: float
    n_train_removed: int
    notes: tuple[str, ...]
    singles: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values: intervals as [value, low, high], unknown as null, curves left out."""
        costs = self.costs
        report = {
            "router": self.router,
            "dataset": self.dataset,
            "n_queries": self.n_queries,
            "n_groups": self.n_groups,
            "models": list(self.models),
            "quality": {
                **{name: self.quality.get(name) for name in POLICIES},
                "best_single_model": self.best_single_model,
            },
            "cost_usd_per_1k": {name: self.cost_usd_per_1k.get(name) for name in POLICIES},
            "gain_over_best_single": self.gain_over_best_single,
            "shares": dict(self.shares),
            "two_model": None if self.two_model is None else _fields(self.two_model),
            "aiq": costs and costs.aiq.value,
            "aiq_single_models": costs and costs.aiq_single_models.value,
            "cost_ratio_at_98pct_of_best": costs and costs.near_best_ratio.value,
            "cost_ratio_single_models": costs and costs.near_best_ratio_single_models.value,
            "aiq_shuffled": costs and costs.aiq_shuffled,
            "cost_ratio_shuffled": costs and costs.near_best_ratio_shuffled,
            "intervals": costs and {"aiq": costs.aiq, "cost_ratio_at_98pct_of_best": costs.near_best_ratio},
            "leaderboards": {
                "perf_gain": costs and costs.perf_gain,
                "cost_save": costs and costs.cost_save,
                "pareto_dist": costs and costs.pareto_dist,
                **self.arena,
            },
            "ceiling": None if self.ceiling is None else _fields(self.ceiling),
            "ece": self.ece,
            "brier": self.brier,
            "reliability": [_fields(each) for each in self.reliability],
            "robustness": {each.noise: {"kept": each.kept, "regret": each.regret} for each in self.robustness} or None,
            "train_s": self.train_s,
            "decide_us": self.decide_us,
            "n_train_removed": self.n_train_removed,
            "notes": list(self.notes),
        }
        return {name: to_json_value(value) for name, value in report.items()}

    def sheets(self) -> Iterator[Sheet]:
        """Yield the tables for people."""
        drawn_by = "query" if self.n_groups is None else f"group ({self.n_groups} groups)"
        caption = f"{self.n_queries} queries; 95 % bootstrap intervals by {drawn_by}. "
        caption += f"Best single: {self.best_single_model}."
        yield Sheet(
            f"{self.router} on {self.dataset}",
            ("choice", "quality", "95 %", "USD per 1,000", "95 %"),
            [(name, *cells(self.quality.get(name)), *cells(self.cost_usd_per_1k.get(name))) for name in POLICIES],
            caption,
        )
        if self.two_model is not None:
            yield _two_model_sheet(self.two_model)
        yield Sheet("more", ("figure", "value", "95 %"), list(self._more()))
        if self.ceiling is not None:
            yield _ceiling_sheet(self.ceiling)
        if self.reliability:
            yield _reliability_sheet(self.reliability)
        if self.robustness:
            yield _robustness_sheet(self.robustness)

    def _more(self) -> Iterator[tuple[object, ...]]:
        yield ("quality gain over best single", *cells(self.gain_over_best_single))
        if self.costs is not None:
            yield ("AIQ", *cells(self.costs.aiq))
            yield ("AIQ of single models", *cells(self.costs.aiq_single_models))
            yield ("AIQ by luck: estimates shuffled", *cells(self.costs.aiq_shuffled))
            yield ("cost of 98 % of the best single, in parts of its cost", *cells(self.costs.near_best_ratio))
            yield ("the same by single models", *cells(self.costs.near_best_ratio_single_models))
            yield ("the same by luck: estimates shuffled", *cells(self.costs.near_best_ratio_shuffled))
            yield ("PerfGain: best point over the best single", *cells(self.costs.perf_gain))
            yield ("CostSave at the best single's quality", *cells(self.costs.cost_save))
            yield ("ParetoDist to the joint front with the single models", self.costs.pareto_dist, None)
        for name, figure in self.arena.items():
            yield (name, *cells(figure))
        yield ("calibration error (ECE)", self.ece, None)
        yield ("Brier score loss", self.brier, None)
        yield ("training, s", self.train_s, None)
        yield ("one decision, µs", self.decide_us, None)


def _two_model_sheet(view: TwoModel) -> Sheet:
    names = ("apgr", "apgr_length", "apgr_random", "apgr_oracle", "gain_over_length", "cpt50", "cpt80")
    return Sheet(
        f"two models: {view.weak} → {view.strong}",
        ("figure", "value", "95 %"),
        [(name, *cells(getattr(view, name))) for name in names],
        f"{view.n_queries} queries on which both were observed. random: the luck of an order drawn blindly.",
    )


def _ceiling_sheet(found: Ceiling) -> Sheet:
    names = ("best_single", "class_map", "others_know", "oracle", "permuted_oracle", "luck", "reachable")
    return Sheet(
        "how much could be reached",
        ("figure", "value", "95 %"),
        [(name, *cells(getattr(found, name))) for name in names],
        f"{found.n_domains} kinds of queries. reachable: the share of the oracle's gain that others_know reaches.",
    )


def _reliability_sheet(bins: Sequence[Bin]) -> Sheet:
    """Show every bin or, where they are many, the dishonest ones, the fullest first."""
    shown = bins
    if len(bins) > MOST_BINS:
        shown = sorted((b for b in bins if not b.honest), key=lambda b: -b.n_queries)[:MOST_BINS]
    honest = sum(b.honest for b in bins)
    return Sheet(
        "reliability",
        ("model", "bin", "queries", "predicted", "observed", "95 %", "honest"),
        [
            (b.model, f"{b.low:.2f} to {b.high:.2f}", b.n_queries, b.predicted, *cells(b.observed), _yes(b.honest))
            for b in shown
        ],
        f"{honest} of {len(bins)} bins are honest: the interval of what was observed holds what was predicted.",
    )


def _robustness_sheet(shaken: Sequence[Shaken]) -> Sheet:
    return Sheet(
        "robustness to other typing",
        ("noise", "decisions kept", "95 %", "quality lost", "95 %"),
        [(each.noise, *cells(each.kept), *cells(each.regret)) for each in shaken],
        "A constant router keeps every decision: read it beside the gain over the best single model.",
    )


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _fields(value: DataclassInstance) -> dict[str, object]:
    """Return the fields of a figure, curves left out."""
    found = {f.name: getattr(value, f.name) for f in fields(value)}
    return {name: part for name, part in found.items() if not isinstance(part, Line)}


def cells(figure: Interval | None) -> tuple[object, object]:
    """Return a figure and its interval as two cells of a table."""
    if figure is None or math.isnan(figure.value):
        return None, None
    return f"{figure.value:.4g}", f"[{figure.low:.4g}, {figure.high:.4g}]"


def to_json_value(value: object) -> object:
    """Return a value of a report as JSON has it: an interval as three numbers, NaN as null."""
    if isinstance(value, Interval):
        return None if math.isnan(value.value) else [to_json_value(part) for part in value]
    if isinstance(value, Mapping):
        return {key: to_json_value(part) for key, part in value.items()}
    if isinstance(value, list):
        return [to_json_value(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value
