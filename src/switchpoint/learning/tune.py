"""Tune: choose the operating point of a router on recorded outcomes, and say how to write it down."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.bout import expected_cost_usd
from switchpoint.evaluation.operating import OperatingPoint, Target, operating_point
from switchpoint.evaluation.replay import estimates
from switchpoint.evaluation.report import Sheet, cells
from switchpoint.evaluation.two_model import Pair, pair_of
from switchpoint.learning.datasets import Folder, Split, read_many
from switchpoint.learning.routers import make_router, options, recipe

FOLDS = 5
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """The operating point found.

    name : of the router in the configuration. artifact : its folder; None for the bundled one, or one yet to be saved.
    out_of_fold : whether it was judged on rows that it was not trained on.
    """

    name: str
    dataset: str
    target: str
    point: OperatingPoint
    artifact: str | None
    out_of_fold: bool

    @property
    def toml(self) -> str:
        """The lines for switchpoint.toml."""
        point = self.point
        default = point.best_single_model
        return toml_lines(self.name, point.setting, point.value, point.pair, default, self.artifact, self.out_of_fold)

    def sheet(self) -> Sheet:
        """Return the table for people."""
        point = self.point
        judged = "out of fold" if self.out_of_fold else "as it is"
        return Sheet(
            f"{self.name} on {self.dataset}, target {self.target}",
            ("figure", "value", "95 %"),
            [
                (point.setting, point.value, None),
                ("share of strong calls", point.share, None),
                ("quality", *cells(point.quality)),
                (f"in parts of {point.best_single_model}", *cells(point.quality_ratio)),
                ("USD per 1,000", *cells(point.cost_usd_per_1k)),
            ],
            f"{point.n_queries} queries, judged {judged}; 95 % bootstrap intervals by query.",
        )

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; an infinite willingness is the string "inf", which TOML writes without quotes."""
        point = self.point
        return {
            "router": self.name,
            "dataset": self.dataset,
            "n_queries": point.n_queries,
            "target": self.target,
            point.setting: point.value if math.isfinite(point.value) else "inf",
            "weak": point.pair and point.pair.weak,
            "strong": point.pair and point.pair.strong,
            "strong_share": point.share,
            "best_single_model": point.best_single_model,
            "quality": list(point.quality),
            "quality_of_best_single": list(point.quality_ratio),
            "cost_usd_per_1k": point.cost_usd_per_1k and list(point.cost_usd_per_1k),
            "out_of_fold": self.out_of_fold,
            "toml": self.toml,
        }


def tune(
    data: Sequence[Folder],
    target: Target,
    *,
    router: str = "default",
    artifact: Folder | None = None,
    split: Split = "train",
    models: Sequence[str] | None = None,
    weak: str | None = None,
    strong: str | None = None,
    say: Say = lambda text: None,
) -> Tuned:
    """Find the setting of a router by name, or of an artifact, that meets the target on these outcomes.

    A router that learns is judged out of fold: each fifth of the queries by what was trained on the others. An
    artifact is judged as it is; on the rows that it was trained on that flatters it.

    Raises ConfigError for a target that cannot be met, DataError and UnknownModel as reading does, ArtifactError.
    """
    found = judge(data, router, artifact, split, models, weak, strong, say)
    outcomes = found.outcomes
    point = operating_point(
        estimates(found.prediction, outcomes, expected_cost_usd(outcomes, outcomes.queries)),
        outcomes,
        target,
        best_single=best_single(outcomes),
        pair=found.pair,
    )
    return Tuned(
        name=router if artifact is None else Path(artifact).name,
        dataset=outcomes.name,
        target=str(target),
        point=point,
        artifact=None if artifact is None else str(artifact),
        out_of_fold=found.out_of_fold,
    )


class Judged(NamedTuple):
    """Outcomes with what a router predicts for them."""

    outcomes: Outcomes
    prediction: Prediction
    pair: Pair | None
    out_of_fold: bool


def judge(
    data: Sequence[Folder],
    router: str,
    artifact: Folder | None,
    split: Split,
    models: Sequence[str] | None,
    weak: str | None,
    strong: str | None,
    say: Say,
) -> Judged:
    """Read the outcomes and predict for them: out of fold where the router learns, as it is for an artifact."""
    if artifact is None and not recipe(router).tunable:
        raise ConfigError(f"Router {router!r} cannot be tuned. Tune an artifact, 'default' or 'bundled'.")
    outcomes = read_many(data, split, models, say=say)
    estimator = None if artifact is None else _artifact(Path(artifact))
    if estimator is not None and models is None:
        outcomes = outcomes.of([model for model in outcomes.models if model in estimator.models_])
    pair = pair_of(outcomes.models, outcomes.mean_quality(), weak, strong)
    out_of_fold = estimator is None and recipe(router).learns
    if out_of_fold:
        prediction = _out_of_fold(router, outcomes, say)
    else:
        prediction = _predict(estimator or make_router(router, None, options(outcomes.models, *(pair or ()))), outcomes)
    return Judged(outcomes, prediction, pair, out_of_fold)


def toml_lines(
    name: str, setting: str, value: float, pair: Pair | None, default: str, artifact: str | None, out_of_fold: bool
) -> str:
    """Return the section of switchpoint.toml for a router at a setting.

    default : the model of queries on unknown ground, which only a willingness has.
    """
    key = name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
    lines = [f"[routers.{key}]", 'kind = "utility"', f"{setting} = {_number(value)}"]
    if pair is not None:
        lines += [f"{role} = {json.dumps(model)}" for role, model in pair._asdict().items()]
    else:
        lines += [f"# It counts on engine.default_model = {json.dumps(default)}."]
    if artifact is not None:
        lines += [f"artifact = {json.dumps(artifact)}"]
    elif out_of_fold:
        lines += ["# artifact = the folder that `switchpoint train` wrote from the same outcomes"]
    return "\n".join(lines)


def folds(outcomes: Outcomes, n_folds: int = FOLDS) -> list[IntArray]:
    """Split the rows by each query's own draw into folds that are never empty, always the same."""
    if len(outcomes) < n_folds:
        raise ConfigError(f"{outcomes.name}: {n_folds} folds need at least {n_folds} queries. Got {len(outcomes)}.")
    order = np.argsort([query.draw for query in outcomes.queries], kind="stable")
    return [np.sort(fold) for fold in np.array_split(order, n_folds)]


def _out_of_fold(router: str, outcomes: Outcomes, say: Say) -> Prediction:
    mean, novelty = np.full(outcomes.quality.shape, np.nan), np.full(len(outcomes), np.nan)
    proven: FloatArray | None = None
    for number, held_out in enumerate(folds(outcomes), start=1):
        say(f"Training without part {number} of {FOLDS} …")
        rest = np.setdiff1d(np.arange(len(outcomes)), held_out)
        estimator = make_router(router, outcomes.take(rest), options(outcomes.models))
        made = _predict(estimator, outcomes.take(held_out))
        mean[held_out] = made.mean
        if made.novelty is not None:
            novelty[held_out] = made.novelty
        if made.proven is not None:
            proven = np.full(mean.shape, np.nan) if proven is None else proven
            proven[held_out] = made.proven
    return Prediction(mean=mean, novelty=novelty, proven=proven)


def _artifact(folder: Path) -> Estimator:
    from switchpoint.estimators.artifact import load_estimator

    return load_estimator(folder)


def _predict(estimator: Estimator, outcomes: Outcomes) -> Prediction:
    """Predict for the outcomes' queries, columns in their order."""
    missing = [model for model in outcomes.models if model not in estimator.models_]
    if missing:
        raise ConfigError(f"The router knows nothing of {', '.join(missing)}. Choose models it knows.")
    made = estimator.predict(outcomes.queries)
    columns = [estimator.models_.index(model) for model in outcomes.models]
    proven = None if made.proven is None else made.proven[:, columns]
    return Prediction(mean=made.mean[:, columns], novelty=made.novelty, proven=proven)


def _number(value: float) -> str:
    return "inf" if math.isinf(value) else repr(value)
