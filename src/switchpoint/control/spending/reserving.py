"""Reserving: the least and the most that a request may cost, known before it starts; and what it cost in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds, worst_case
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import NoEligibleModel
from switchpoint.core.model import Model, Usage
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import TOKENS_PER_BYTE, Query
from switchpoint.core.record import Record

LONGEST_S = 600.0
"""How long a call of a model that is paid by time may take, where the request has no deadline."""

TEMPLATE_TOKENS = 1_000
"""What a vendor may put around a conversation, such as the instructions of its tools."""

NO_PRICE = "its price is unknown, so no budget can be kept with it"


class Range(NamedTuple):
    """What a request may cost, and who may answer it: among `allow` (see `Query`), the models whose price is known."""

    least_usd: float
    most_usd: float
    allow: frozenset[str] | None


class Reserving:
    """Says what requests may cost.

    The most is the worst case of a strategy that knows its own, else one call of the dearest model; and once more such
    a call, so that one that failed and is billed all the same can be made again.

    resolve : returns the strategy of a name.
    """

    def __init__(self, catalog: Catalog, resolve: Callable[[str], Strategy]) -> None:
        self._catalog, self._resolve = catalog, resolve

    def range(self, route: str, query: Query, allow: frozenset[str] | None) -> Range:
        """Return what a query may cost on a route among these models, None for all.

        Raises NoEligibleModel where no model has a known price.
        """
        strategy = self._resolve(route)
        models = self._models(strategy, allow)
        calls = _calls(models, query)
        if not calls:
            raise NoEligibleModel({model.id: NO_PRICE for model in models})
        least_usd, dearest_usd = min(calls.values()), max(calls.values())
        worst_usd = _worst_usd(strategy, query)
        most_usd = dearest_usd + (dearest_usd if worst_usd is None else max(worst_usd, dearest_usd))
        if query.max_cost_usd is not None:
            most_usd = max(least_usd, min(most_usd, query.max_cost_usd))
        return Range(least_usd, most_usd, allow if len(calls) == len(models) else frozenset(calls))

    def booked_usd(self, record: Record | None, query: Query, reserved_usd: float) -> float:
        """Return what to book for a request: its bill; where that is unknown what it may have cost, never nothing.

        reserved_usd : what was set aside, the most that an unknown bill can come to. Nothing for one that never ran.
        """
        if record is None:
            return 0.0
        cost_usd = record.cost_usd
        if cost_usd is not None:
            return float(cost_usd)
        if record.preparation_usd is None:
            return reserved_usd
        parts = [self._attempt_usd(attempt, query) for attempt in record.attempts]
        known = [part for part in parts if part is not None]
        return min(reserved_usd, sum(known)) if len(known) == len(parts) else reserved_usd

    def overstated(self, record: Record, query: Query) -> list[str]:
        """Return the models whose upstream states more tokens than their call can have taken; each call that does.

        More output than the cap that was sent, or more input than the request has bytes: no tokenizer makes more of it.
        """
        return [
            attempt.decision.model
            for attempt in record.attempts
            if attempt.answer is not None
            and attempt.answer.usage is not None
            and attempt.decision.model in self._catalog
            and _overstates(attempt.answer.usage, self._catalog[attempt.decision.model], query)
        ]

    def _attempt_usd(self, attempt: Attempt, query: Query) -> float | None:
        if attempt.bill_usd is not None:
            return float(attempt.bill_usd)
        if attempt.verify_cost_usd is None or attempt.decision.model not in self._catalog:
            return None
        most_usd = call_usd(self._catalog[attempt.decision.model], query, query.input_tokens)
        return None if most_usd is None else most_usd + float(attempt.verify_cost_usd)

    def _models(self, strategy: Strategy, allow: frozenset[str] | None) -> Sequence[Model]:
        """Return the models that may be called: one, where the strategy is named after it."""
        if strategy.name in self._catalog:
            return (self._catalog[strategy.name],)
        return [model for model in self._catalog if allow is None or model.id in allow]


def _overstates(usage: Usage, model: Model, query: Query) -> bool:
    cap = model.output_limit(query)
    if cap is not None and usage.output_tokens is not None and usage.output_tokens > cap:
        return True
    if usage.input_tokens is None:
        return False
    return usage.input_tokens > model.input_limit(query.input_tokens) / TOKENS_PER_BYTE + TEMPLATE_TOKENS


def _calls(models: Iterable[Model], query: Query) -> dict[str, float]:
    """Return what one call of each model takes at most; without those of unknown price."""
    tokens = query.input_tokens
    priced = ((model.id, call_usd(model, query, tokens)) for model in models)
    return {model: usd for model, usd in priced if usd is not None}


def call_usd(model: Model, query: Query, input_tokens: int) -> float | None:
    """Return what one call takes at most, or is expected to where its answer has no known cap; None is unknown."""
    if model.usd_per_hour is not None:
        return worst_case(model, query, LONGEST_S if query.deadline_s is None else None).cost_usd
    return model.reserve_usd(query, input_tokens)


def _worst_usd(strategy: Strategy, query: Query) -> float | None:
    """Return the worst case of a strategy, or of the one that it wraps; None where none knows it."""
    inner: object | None = strategy
    while inner is not None:
        # Not isinstance: a check against a protocol takes longer than all the rest of an admission.
        worst: Callable[[Query], Bounds] | None = getattr(inner, "worst_case", None)
        if worst is not None:
            return worst(query).cost_usd
        inner = getattr(inner, "strategy", None)
    return None
