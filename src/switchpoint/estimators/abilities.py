"""Abilities: where a model stands between the weak and the strong model that the bundled router knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from switchpoint.core.model import TIERS, Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.estimators.logistic import solve

UNKNOWN = 0.5
MIN_OUTCOMES = 5
ABILITY_RIDGE = 4.0
"""A prior of one half around the starting ability; and of one around a shift of 0."""
SHIFT_RIDGE = 1.0
NOMINAL_TOKENS = 500
"""Prices are compared on a request of this length."""

KNOWN: Mapping[str, float] = MappingProxyType(
    {
        "mixtral-8x7b": 0.0,
        "mixtral-8x7b-instruct": 0.0,
        "mixtral-8x7b-instruct-v0.1": 0.0,
        "mixtral-8x7b-chat": 0.0,
        "open-mixtral-8x7b": 0.0,
        "gpt-4-1106": 1.0,
        "gpt-4-1106-preview": 1.0,
    }
)
"""Names, without the vendor's prefix, of the two models whose outcomes the bundled router was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """A model's quality as seen from the two anchors: ``logit = (1 - value) · weak + value · strong + shift``.

    value : 0 is the weak anchor, 1 the strong one; beyond them only where outcomes say so.
    source : where it comes from: "tier", "known model", "outcomes", "price" or "unknown".
    """

    model: str
    value: float
    shift: float = 0.0
    source: str


def known_ability(name: str) -> float | None:
    """Return the ability of an anchor under any of its names, None for every other model."""
    return KNOWN.get(name.rpartition("/")[2].lower())


def stated_abilities(models: Sequence[Model]) -> tuple[Ability, ...]:
    """Say what is known without outcomes: a stated tier, else the model's name, else its price among the others'."""
    prices = _price_positions(models)
    return tuple(_stated(model, price) for model, price in zip(models, prices, strict=True))


def fit_ability(prior: Ability, anchors: FloatArray, quality: FloatArray) -> Ability:
    """Move an ability towards what its outcomes say: maximum likelihood, shrunk to the prior and to no shift.

    anchors : calibrated logits of the weak and the strong anchor on the queries, shape (n_queries, 2).
    quality : shape (n_queries,), NaN left out. With fewer than `MIN_OUTCOMES` the prior stands.
    """
    observed = ~np.isnan(quality)
    if observed.sum() < MIN_OUTCOMES:
        return prior
    weak, strong = anchors[observed].astype(np.float64).T
    x = np.column_stack([strong - weak, np.ones(len(weak))])
    start = weak + prior.value * (strong - weak)
    move, shift = solve(x, quality[observed], ridge=np.array([ABILITY_RIDGE, SHIFT_RIDGE]), offset=start)
    return Ability(model=prior.model, value=prior.value + float(move), shift=float(shift), source="outcomes")


def fit_abilities(priors: Sequence[Ability], anchors: FloatArray, outcomes: Outcomes) -> tuple[Ability, ...]:
    """Fit every model that has a column of outcomes; the others keep their prior."""
    return tuple(
        fit_ability(prior, anchors, outcomes.quality[:, outcomes.column(prior.model)])
        if prior.model in outcomes.models
        else prior
        for prior in priors
    )


def _stated(model: Model, price: float | None) -> Ability:
    if model.tier is not None:
        return Ability(model=model.id, value=TIERS[model.tier], source="tier")
    for name in (model.upstream_model, model.id):
        if (value := known_ability(name)) is not None:
            return Ability(model=model.id, value=value, source="known model")
    if price is not None:
        return Ability(model=model.id, value=price, source="price")
    return Ability(model=model.id, value=UNKNOWN, source="unknown")


def _price_positions(models: Sequence[Model]) -> list[float | None]:
    """Position of each expected price between the cheapest (0) and the dearest (1), on a logarithmic scale.

    A free model stands at 0; None where there is no price, or nothing to compare it with.
    """
    costs = [model.expected_cost_usd(NOMINAL_TOKENS) for model in models]
    logs = [math.log(cost) for cost in costs if cost is not None and cost > 0]
    if not logs or len({cost for cost in costs if cost is not None}) < 2:
        return [None] * len(models)
    low, high = min(logs), max(logs)
    return [None if cost is None else _position(cost, low, high) for cost in costs]


def _position(cost: float, low: float, high: float) -> float:
    if cost <= 0:
        return 0.0
    return (math.log(cost) - low) / (high - low) if high > low else 1.0
