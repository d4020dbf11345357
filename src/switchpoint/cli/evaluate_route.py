"""`switchpoint evaluate --config FILE --route NAME`: the deployed engine on recorded answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.routers import RatedRouter, UtilityRouter
from switchpoint.config.schema import Config
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.layers import RouteFound, route_report, upstream_of
from switchpoint.evaluation.replay import records_of
from switchpoint.learning.datasets import read


def evaluate_route(
    config: Config, route: str, folder: Path, split: Literal["test", "all"], say: Callable[[str], None]
) -> RouteFound:
    """Serve the rows of a folder through a route, every upstream replaced by what was recorded of it.

    A model of the configuration is the dataset's model of the same id. The model to beat is the best on the rows of
    split `train`, where there are any.

    Raises ConfigError for what cannot be replayed: a verifier or router that asks somebody else.
    """
    for asking in _asking(config):
        raise ConfigError(f"{asking} asks somebody of whom nothing is recorded. Leave it out to evaluate the route.")
    outcomes = read(folder, split, models=_known(config, folder), answers=True)
    outcomes = replace(outcomes, queries=tuple(replace(q, allow=frozenset(outcomes.models)) for q in outcomes.queries))
    quiet = config.model_copy(update={"records": config.records.model_copy(update={"enabled": False})})
    with Switchpoint(quiet) as switchpoint:
        upstream = upstream_of(outcomes)
        engine = replace(
            switchpoint.engine,
            catalog=Catalog(replace(model, upstream_model=model.id) for model in switchpoint.catalog),
            upstreams=dict.fromkeys(switchpoint.engine.upstreams, upstream),
        )
        run = partial(engine.run, switchpoint.routes.resolve(route), route=route)
        records = asyncio.run(records_of(run, outcomes))
    return route_report(route, records, outcomes, _best_single(folder, outcomes, say))


def _known(config: Config, folder: Path) -> list[str]:
    recorded = read(folder, "all").models
    known = [model for model in config.models if model in recorded]
    if not known:
        raise DataError(f"{folder}: none of the models {', '.join(config.models)}. It has {', '.join(recorded)}.")
    return known


def _best_single(folder: Path, outcomes: Outcomes, say: Callable[[str], None]) -> str:
    try:
        return best_single(read(folder, "train", models=outcomes.models))
    except DataError:
        say("No rows of split train: the best single model is the best of the measured rows, in hindsight.")
        return best_single(outcomes)


def _asking(config: Config) -> list[str]:
    """Return the places of what fetches something else than answers."""
    verifiers = [f"verifiers.{n}" for n, v in config.verifiers.items() if _set(v, "model") or _set(v, "embeddings")]
    routers = [
        f"routers.{name}"
        for name, router in config.routers.items()
        if isinstance(router, RatedRouter) or (isinstance(router, UtilityRouter) and router.embeddings is not None)
    ]
    return [*verifiers, *routers]


def _set(section: object, key: str) -> bool:
    return getattr(section, key, None) is not None
