"""Evaluation: everything measured of one router on one dataset, for people, for programs and for plots."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.family import Costs
from switchpoint.evaluation.two_model import Line, TwoModel

POLICIES = ("router", "best_single", "cheapest", "random", "length", "oracle")
"""What is compared: the router's own choice with every baseline."""


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
    ece, brier : of the predicted qualities; None where the router's numbers are not meant as probabilities.
    train_s : time to fit; None where nothing was fitted. decide_us : median time of one decision, one at a time.
    n_train_removed : training rows whose text stands in the test and that were left out.
    notes : what a reader must know to read the figures.
    """

    router: str
    dataset: str
    n_queries: int
    models: tuple[str, ...]
    quality: Mapping[str, Interval | None]
    best_single_model: str | None
    cost_usd_per_1k: Mapping[str, Interval | None]
    gain_over_best_single: Interval | None
    shares: Mapping[str, float]
    two_model: TwoModel | None
    costs: Costs | None
    ece: float | None
    brier: float | None
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
            "models": list(self.models),
            "quality": {
                **{name: self.quality.get(name) for name in POLICIES},
                "best_single_model": self.best_single_model,
            },
            "cost_usd_per_1k": {name: self.cost_usd_per_1k.get(name) for name in POLICIES},
            "gain_over_best_single": self.gain_over_best_single,
            "shares": dict(self.shares),
            "two_model": None if self.two_model is None else _figures(self.two_model),
            "aiq": costs and costs.aiq.value,
            "aiq_single_models": costs and costs.aiq_single_models.value,
            "cost_ratio_at_98pct_of_best": costs and costs.near_best_ratio.value,
            "cost_ratio_single_models": costs and costs.near_best_ratio_single_models.value,
            "intervals": costs and {"aiq": costs.aiq, "cost_ratio_at_98pct_of_best": costs.near_best_ratio},
            "ece": self.ece,
            "brier": self.brier,
            "train_s": self.train_s,
            "decide_us": self.decide_us,
            "n_train_removed": self.n_train_removed,
            "notes": list(self.notes),
        }
        return {name: _json(value) for name, value in report.items()}

    def sheets(self) -> Iterator[Sheet]:
        """Yield the tables for people."""
        caption = f"{self.n_queries} queries; 95 % bootstrap intervals by query. Best single: {self.best_single_model}."
        yield Sheet(
            f"{self.router} on {self.dataset}",
            ("choice", "quality", "95 %", "USD per 1,000", "95 %"),
            [(name, *cells(self.quality.get(name)), *cells(self.cost_usd_per_1k.get(name))) for name in POLICIES],
            caption,
        )
        if self.two_model is not None:
            yield _two_model_sheet(self.two_model)
        yield Sheet("more", ("figure", "value", "95 %"), list(self._more()))

    def _more(self) -> Iterator[tuple[object, ...]]:
        yield ("quality gain over best single", *cells(self.gain_over_best_single))
        if self.costs is not None:
            yield ("AIQ", *cells(self.costs.aiq))
            yield ("AIQ of single models", *cells(self.costs.aiq_single_models))
            yield ("cost of 98 % of the best single, in parts of its cost", *cells(self.costs.near_best_ratio))
            yield ("the same by single models", *cells(self.costs.near_best_ratio_single_models))
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


def _figures(view: TwoModel) -> dict[str, object]:
    return {f.name: getattr(view, f.name) for f in fields(view) if not isinstance(getattr(view, f.name), Line)}


def cells(figure: Interval | None) -> tuple[object, object]:
    """Return a figure and its interval as two cells of a table."""
    if figure is None or math.isnan(figure.value):
        return None, None
    return f"{figure.value:.4g}", f"[{figure.low:.4g}, {figure.high:.4g}]"


def _json(value: object) -> object:
    if isinstance(value, Interval):
        return None if math.isnan(value.value) else [_json(part) for part in value]
    if isinstance(value, Mapping):
        return {key: _json(part) for key, part in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
