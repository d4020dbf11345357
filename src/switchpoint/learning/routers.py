"""Routers by the names of the command line: how each is made from training outcomes and a catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.model import TIERS, Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray
from switchpoint.estimators.learned import METHODS
from switchpoint.estimators.length import PromptLength
from switchpoint.estimators.mean import MeanQuality
from switchpoint.evaluation import baselines

Make = Callable[[Outcomes | None, Sequence[Model]], Estimator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a router is made.

    make : from training outcomes whose columns are the models, None where there are none, and the models.
    learns : whether it is fitted on the outcomes, and so cannot do without them.
    probabilities : whether what it predicts is meant as a probability.
    tunable : whether its operating point can be set in the configuration.
    """

    make: Make
    summary: str
    learns: bool = False
    probabilities: bool = False
    tunable: bool = False


def make_router(name: str, train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    """Make a router by name; raises ConfigError for an unknown one, or one that must learn and has nothing to."""
    found = recipe(name)
    if found.learns and train is None:
        raise ConfigError(f"Router {name!r} learns from outcomes: give it training data, or use 'bundled'.")
    return found.make(None if train is None else train.of([model.id for model in models]), models)


def recipe(name: str) -> Recipe:
    """Return the recipe of a name; raises ConfigError, which names the nearest one."""
    if name not in ROUTERS:
        raise ConfigError(f"Unknown router {name!r}.{nearest(name, ROUTERS)} Known: {', '.join(ROUTERS)}.")
    return ROUTERS[name]


def options(names: Sequence[str], weak: str | None = None, strong: str | None = None) -> tuple[Model, ...]:
    """Make catalog entries for models of a dataset; the pair, where named, carries its tiers."""
    tiers = {weak: "weak", strong: "strong"}
    return tuple(Model(id=name, upstream="replay", upstream_model=name, tier=tiers.get(name)) for name in names)


def _learned(method: str) -> Make:
    """Return how a router of one of the learned methods is made."""

    def make(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
        from switchpoint.estimators.learned import Learned

        assert train is not None
        return Learned(method).fit(train)

    return make


def _encoder(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    from switchpoint.estimators.bert import BertFiles
    from switchpoint.learning.encoder import Settings, fine_tune

    assert train is not None
    return fine_tune(train, BertFiles.installed(), Settings()).encoder


def _default(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    from switchpoint.estimators.heads import TextHeads

    assert train is not None
    return TextHeads().fit(train)


def _bundled(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    from switchpoint.estimators.bundled import Bundled

    # A stated tier is taken at its word; outcomes place a model only where nothing is stated of any.
    stated = any(model.tier is not None for model in models)
    return Bundled.load().bind(models, None if stated else train)


def _length(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    return PromptLength(_ids(models), _tiers(models)) if train is None else PromptLength().fit(train)


def _random(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    return baselines.ByDraw(_ids(models))


def _best(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    return MeanQuality(_ids(models), _tiers(models) if train is None else train.mean_quality())


def _cheapest(train: Outcomes | None, models: Sequence[Model]) -> Estimator:
    """Prefer the cheapest on record or, where a cost is unknown, the one that is stated to be weak."""
    known = None if train is None else baselines.cheapest(train.models, train.mean_cost_usd())
    stated = next((model.id for model in models if model.tier == "weak"), None)
    if known is None and stated is None:
        raise ConfigError("Which model is the cheapest is unknown: give training data with costs, or weak and strong.")
    return MeanQuality(_ids(models), np.array([float(m.id == (known or stated)) for m in models]))


def _ids(models: Sequence[Model]) -> tuple[str, ...]:
    return tuple(model.id for model in models)


def _tiers(models: Sequence[Model]) -> FloatArray:
    """Return stated abilities, shape (n_models,); a model of which nothing is stated is a middling one."""
    return np.array([TIERS[model.tier or "mid"] for model in models])


ROUTERS: Mapping[str, Recipe] = {
    "default": Recipe(
        make=_default,
        learns=True,
        probabilities=True,
        tunable=True,
        summary="the recommended one: trained on your outcomes",
    ),
    "bundled": Recipe(make=_bundled, probabilities=True, tunable=True, summary="ships with it; needs no outcomes"),
    "length": Recipe(make=_length, summary="the longer the prompt, the stronger the model"),
    "random": Recipe(make=_random, summary="any model, by the query's own draw"),
    "cheapest": Recipe(make=_cheapest, summary="always the cheapest model"),
    "best": Recipe(make=_best, probabilities=True, summary="always the best single model"),
    **{
        name: Recipe(
            make=_learned(name),
            learns=True,
            probabilities=method.calibration != "none",
            tunable=True,
            summary=method.summary,
        )
        for name, method in METHODS.items()
    },
    "encoder": Recipe(
        make=_encoder,
        learns=True,
        probabilities=True,
        tunable=True,
        summary="a fine-tuned sentence encoder; minutes to train, needs torch",
    ),
}
"""Every router that can be evaluated by name."""
