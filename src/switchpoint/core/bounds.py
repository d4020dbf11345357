"""Bounds: what a call, or a whole strategy, can take at most. Computed before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from switchpoint.core.model import Model
from switchpoint.core.query import Query

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that may be spent; None is no bound known, which makes every sum with it unknown.

    input_tokens : from the estimate of the query's length, so it is as good as that.
    latency_s : seconds of calls made one after another.
    cost_usd : at list prices.
    """

    calls: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    latency_s: float | None = 0.0
    cost_usd: float | None = 0.0

    def __add__(self, other: Bounds) -> Bounds:
        """Return the bounds of one after the other."""
        return Bounds(
            calls=self.calls + other.calls,
            input_tokens=_sum(self.input_tokens, other.input_tokens),
            output_tokens=_sum(self.output_tokens, other.output_tokens),
            latency_s=_sum(self.latency_s, other.latency_s),
            cost_usd=_sum(self.cost_usd, other.cost_usd),
        )

    def within(self, query: Query) -> Bounds:
        """Return these bounds of a run of the query, which never goes on past its deadline."""
        known = [seconds for seconds in (self.latency_s, query.deadline_s) if seconds is not None]
        return replace(self, latency_s=min(known, default=None))


@runtime_checkable
class Bounded(Protocol):
    """A strategy that can say beforehand what it may take at most, its verifiers and retries aside."""

    def worst_case(self, query: Query) -> Bounds:
        """Return the bounds of a run of this query."""
        ...


def worst_case(model: Model, query: Query, deadline_s: float | None = None) -> Bounds:
    """Return what one call of a model for a query takes at most.

    deadline_s : a limit on this call beside the query's own deadline.
    Output is the smallest cap that holds: of the request, or the longest answer that the model writes. A model that is
    paid by time is bounded by its deadline.
    """
    input_tokens, output_tokens = query.input_tokens, model.output_limit(query)
    seconds = min((s for s in (query.deadline_s, deadline_s) if s is not None), default=None)
    return Bounds(
        calls=1,
        input_tokens=model.input_limit(input_tokens),
        output_tokens=output_tokens,
        latency_s=seconds,
        cost_usd=_cost_usd(model, query, input_tokens, output_tokens, seconds),
    )


def in_turn(models: Iterable[Model], query: Query) -> Bounds:
    """Return what calling each of these models once, one after another, takes at most."""
    return sum((worst_case(model, query) for model in models), Bounds()).within(query)


def affordable(models: Iterable[Model], query: Query) -> list[Model]:
    """Return the models that may take the query and that one run can pay for together, in this order.

    A model whose reserve (see `Model.reserve_usd`) would take the sum over `query.max_cost_usd` is left out; one of
    unknown price takes nothing off the limit.
    """
    tokens, reserved_usd, kept = query.input_tokens, 0.0, []
    for model in models:
        if model.exclusion(query, tokens) is not None:
            continue
        # Nobody reads what is reserved unless there is a limit, and this runs for every decision.
        reserve_usd = None if query.max_cost_usd is None else model.reserve_usd(query, tokens)
        if query.max_cost_usd is not None and reserve_usd is not None:
            if reserved_usd + reserve_usd > query.max_cost_usd:
                continue
            reserved_usd += reserve_usd
        kept.append(model)
    return kept


def _cost_usd(
    model: Model, query: Query, input_tokens: int, output_tokens: int | None, seconds: float | None
) -> float | None:
    if model.usd_per_hour is not None:
        cost = model.cost_usd(None, seconds)
        return None if cost is None else float(cost)
    return None if output_tokens is None else model.reserve_usd(query, input_tokens)


def _sum(one: Number | None, other: Number | None) -> Number | None:
    return None if one is None or other is None else one + other
