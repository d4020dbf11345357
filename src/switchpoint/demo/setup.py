"""What the demo does before its traffic: learn from the training half, tune, write the configuration down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.demo.configuration import toml
from switchpoint.estimators.artifact import write
from switchpoint.estimators.heads import TextHeads
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.operating import Target
from switchpoint.learning.datasets import read
from switchpoint.learning.tune import Tuned, tune

Say = Callable[[str], None]

GOALS = (1.0, 0.99, 0.97, 0.95)
"""Quality to reach, in parts of the best single model's, at the lowest cost; the first that can be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A trained and tuned router.

    models : candidates in the order of their training quality. strong : the best of them, weak : the least.
    test : what was kept apart; its outcomes grade the traffic.
    """

    config: Path
    models: tuple[str, ...]
    weak: str
    strong: str
    train: Outcomes
    test: Outcomes
    tuned: Tuned


def prepare(data: Path, out: Path, upstreams: Mapping[str, Any], models: Mapping[str, Any], say: Say) -> Setup:
    """Train on the training rows of a dataset, tune out of fold, and write `switchpoint.toml` into `out`.

    upstreams, models : sections of the configuration. Raises DataError, ConfigError.
    """
    train = read(data, "train", list(models))
    strong, weak = best_single(train), train.models[int(np.nanargmin(train.mean_quality()))]
    tuned = _tuned(data, train, weak, strong)
    say(f"Trained on {len(train)} queries of {train.name}; the best single model there is {strong}.")
    write(
        TextHeads().fit(train),
        out / "router",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_on=[{"dataset": train.name, "split": "train", "rows": len(train)}],
    )
    point = tuned.point
    pair = {} if point.pair is None else {"weak": point.pair.weak, "strong": point.pair.strong}
    configuration = {
        "upstreams": upstreams,
        "models": models,
        "routers": {"learned": {"kind": "utility", "artifact": "router", point.setting: point.value, **pair}},
        "engine": {"default_model": strong, "baseline_model": strong},
        "records": {"path": "records.sqlite"},
        "gateway": {"auto": "learned"},
    }
    config = out / "switchpoint.toml"
    config.write_text(toml(configuration))
    order = np.argsort(train.mean_quality())
    return Setup(
        config=config,
        models=tuple(train.models[i] for i in order),
        weak=weak,
        strong=strong,
        train=train,
        test=read(data, "test", list(models)),
        tuned=tuned,
    )


def candidates(data: Path) -> Sequence[str]:
    """Return the models of a dataset to route between: all if their costs are known, else the best and the weakest."""
    train = read(data, "train")
    if not np.isnan(train.mean_cost_usd()).any():
        return train.models
    quality = train.mean_quality()
    return [train.models[int(np.nanargmin(quality))], train.models[int(np.nanargmax(quality))]]


def _tuned(data: Path, train: Outcomes, weak: str, strong: str) -> Tuned:
    two = len(train.models) == 2
    for goal in GOALS:
        try:
            return tune(
                [data],
                Target(quality=goal),
                models=train.models,
                weak=weak if two else None,
                strong=strong if two else None,
            )
        except ConfigError:
            continue
    raise ConfigError(f"{data}: no setting of the router keeps {GOALS[-1]:.0%} of {strong}'s quality. Use {strong}.")
