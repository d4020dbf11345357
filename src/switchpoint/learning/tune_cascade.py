"""Train, tune and certify a cascade on recorded answers; every figure is out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.cascades.plan import VERIFIER
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import FloatArray
from switchpoint.estimators.artifact import write
from switchpoint.evaluation.bootstrap import intervals, mean_of, ratio_of
from switchpoint.evaluation.certificate import TUNING_SHARE, Certificate, Ladder, Promise
from switchpoint.evaluation.certificate import certify as certified
from switchpoint.evaluation.operating import OperatingPoint, Swept, Target, meet
from switchpoint.evaluation.report import Sheet, cells
from switchpoint.learning.cascades import Say, Trained, train_cascade
from switchpoint.learning.datasets import Folder, Split, read_many

SHOWN = 9
"""Points of the curve that a table shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A trained cascade on disk, and what it did out of fold."""

    data: str
    digest: str
    trained: Trained

    def sheet(self) -> Sheet:
        """Return some operating points between always the first model and the last, for people."""
        played, rows, plan = self.trained.held_out, self.trained.outcomes, self.trained.plan
        cost, quality = played.mean_cost_usd(rows), played.mean_quality(rows)
        strong = rows.column(plan.strong)
        points = np.unique(np.linspace(0, len(played) - 1, SHOWN).round().astype(int))
        unit = "USD per 1,000" if plan.priced else "calls of the strong model"
        scale = 1_000.0 if plan.priced else 1.0
        table: list[Sequence[object]] = [
            (
                f"{played.willingness_usd[p]:.4g}",
                f"{quality[p]:.4f}",
                f"{cost[p] * scale:.4g}",
                f"{played.called[:, p, strong].mean():.2f}",
            )
            for p in points
        ]
        best = rows.mean_quality()[strong], rows.mean_cost_usd()[strong] * scale
        table.append((f"always {plan.strong}", f"{best[0]:.4f}", f"{best[1]:.4g}", "1.00"))
        verdict = "better than mixing single models" if self.trained.worth else "not proven better than mixing"
        caption = f"{len(rows)} queries, out of fold. Operating point: {plan.willingness_usd:.4g}, {verdict}."
        return Sheet(f"cascade of {', '.join(plan.models)}", ("willingness", "quality", unit, "strong"), table, caption)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        plan, rows, played = self.trained.plan, self.trained.outcomes, self.trained.held_out
        return {
            "data": self.data,
            "artifact": self.digest,
            "n_queries": len(rows),
            "models": list(plan.models),
            "scored": [m for m, yes in zip(plan.models, plan.program.scored, strict=True) if yes],
            "options": list(plan.reading.options),
            "priced": plan.priced,
            "strong": plan.strong,
            "willingness_usd": plan.willingness_usd,
            "worth": self.trained.worth,
            "curve": {
                "willingness_usd": played.willingness_usd.tolist(),
                "quality": played.mean_quality(rows).tolist(),
                "cost_usd": played.mean_cost_usd(rows).tolist(),
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The operating point of a cascade that meets a target, judged out of fold."""

    dataset: str
    target: str
    point: OperatingPoint
    priced: bool

    @property
    def toml(self) -> str:
        """The lines for switchpoint.toml."""
        return toml_lines(self.point.value)

    def sheet(self) -> Sheet:
        """Return the table for people."""
        point = self.point
        return Sheet(
            f"cascade on {self.dataset}, target {self.target}",
            ("figure", "value", "95 %"),
            [
                ("willingness_usd", point.value, None),
                ("share of queries that reach the strong model", point.share, None),
                ("quality", *cells(point.quality)),
                (f"in parts of {point.best_single_model}", *cells(point.quality_ratio)),
                ("USD per 1,000", *cells(point.cost_usd_per_1k)),
            ],
            f"{point.n_queries} queries, judged out of fold; 95 % bootstrap intervals by query.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        point = self.point
        return {
            "router": "cascade",
            "dataset": self.dataset,
            "n_queries": point.n_queries,
            "target": self.target,
            "willingness_usd": point.value,
            "strong_share": point.share,
            "best_single_model": point.best_single_model,
            "quality": list(point.quality),
            "quality_of_best_single": list(point.quality_ratio),
            "cost_usd_per_1k": point.cost_usd_per_1k and list(point.cost_usd_per_1k),
            "out_of_fold": True,
            "toml": self.toml,
        }


def save_cascade(
    data: Sequence[Folder],
    out: Folder,
    *,
    created: str,
    models: Sequence[str] | None = None,
    split: Split = "train",
    say: Say = lambda text: None,
) -> Saved:
    """Train the recommended cascade on recorded answers and write it, its verifier beside it where it has one."""
    outcomes = read_many(data, split, models, say=say, answers=True)
    trained = train_cascade(outcomes, say=say)
    parts = {} if trained.scorer is None else {VERIFIER: trained.scorer.verifier}
    trained_on: list[Mapping[str, Any]] = [{"dataset": outcomes.name, "split": split, "rows": len(trained.outcomes)}]
    digest = write(trained.plan, Path(out), created=created, trained_on=trained_on, parts=parts)
    return Saved(data=outcomes.name, digest=digest, trained=trained)


def tune_cascade(
    data: Sequence[Folder],
    target: Target,
    *,
    split: Split = "train",
    models: Sequence[str] | None = None,
    say: Say = lambda text: None,
) -> Tuned:
    """Find the willingness at which a cascade trained on these answers meets the target; raises ConfigError."""
    trained = train_cascade(read_many(data, split, models, say=say, answers=True), say=say)
    played, rows, plan = trained.held_out, trained.outcomes, trained.plan
    strong = rows.column(plan.strong)
    quality, cost = played.quality(rows), played.cost_usd(rows)
    lead = quality - rows.quality[:, [strong]]
    reached = played.called[:, :, strong].mean(axis=0)
    swept = Swept(
        value=played.willingness_usd,
        share=reached,
        quality=quality.mean(axis=0),
        cost_usd=played.mean_cost_usd(rows) if plan.priced else np.full(len(played), np.nan),
        error=lead.std(axis=0) / np.sqrt(len(rows)),
    )
    best = rows.quality[:, strong]
    at = meet(swept, target, float(best.mean()))
    found = intervals(
        {
            "quality": mean_of(quality[:, at]),
            "ratio": ratio_of(quality[:, at], best),
            "usd": mean_of(cost[:, at] * 1e3),
        },
        len(rows),
    )
    point = OperatingPoint(
        setting="willingness_usd",
        value=float(played.willingness_usd[at]),
        pair=None,
        n_queries=len(rows),
        best_single_model=plan.strong,
        share=float(reached[at]),
        quality=found["quality"],
        quality_ratio=found["ratio"],
        cost_usd_per_1k=found["usd"] if plan.priced else None,
    )
    return Tuned(dataset=rows.name, target=str(target), point=point, priced=plan.priced)


def certify_cascade(
    data: Sequence[Folder],
    promise: Promise,
    *,
    split: Split = "train",
    models: Sequence[str] | None = None,
    say: Say = lambda text: None,
) -> Certificate:
    """Find the cheapest willingness whose loss of quality against the strong model is certified on held-out rows."""
    trained = train_cascade(read_many(data, split, models, say=say, answers=True), say=say)
    draws = np.array([query.draw for query in trained.outcomes.queries])
    tuning = draws.argsort(kind="stable").argsort() < TUNING_SHARE * len(draws)
    return certified(ladder_of(trained), tuning, promise, trained.plan.strong)


def ladder_of(trained: Trained) -> Ladder:
    """Return the operating points of a cascade on its held-out rows; without prices cost is in calls of the strong."""
    played, rows, plan = trained.held_out, trained.outcomes, trained.plan
    strong = rows.column(plan.strong)
    cost: FloatArray = played.cost_usd(rows) if plan.priced else played.called[:, :, strong].astype(float)
    return Ladder(
        setting="willingness_usd",
        values=played.willingness_usd,
        loss=rows.quality[:, [strong]] - played.quality(rows),
        cost=cost,
        baseline_cost=rows.cost_usd[:, strong] if plan.priced else np.ones(len(rows)),
        in_usd=plan.priced,
    )


def toml_lines(willingness_usd: float) -> str:
    """Return the section of a trained cascade."""
    lines = ["[cascades.trained]", 'kind = "trained"', 'artifact = "CASCADE"  # of `switchpoint train cascade`']
    return "\n".join([*lines, f"willingness_usd = {willingness_usd!r}"])


def refuse(given: Mapping[str, object]) -> None:
    """Raise ConfigError for options that a cascade has no use for."""
    for name in (name for name, value in given.items() if value is not None):
        raise ConfigError(f"{name} does not go with --router cascade, which learns who is asked and in which order.")
