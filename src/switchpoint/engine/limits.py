"""Limits: what a run may still spend. Nothing is called that could take it over the caller's limit."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.query import Query


def spent_usd(query: Query, attempts: Iterable[Attempt], catalog: Catalog) -> float:
    """Return what a run has spent: the preparation, every call and every verdict.

    A call whose bill is unknown counts by its expected cost; what has no expectation counts nothing.
    """
    spent = _known(query.preparation_usd)
    for attempt in attempts:
        cost_usd = attempt.cost_usd
        spent += _expected(catalog[attempt.decision.model], query) if cost_usd is None else float(cost_usd)
        spent += sum(_known(verdict.cost_usd) for verdict in attempt.verdicts)
    return spent


def over_limit(model: Model, query: Query, spent: float) -> str | None:
    """Say so where a call could take the run over `query.max_cost_usd`; None where it may be made.

    What the call could cost is its `reserve_usd`: the most, or where its answer has no known cap, what is expected.
    """
    if query.max_cost_usd is None:
        return None
    reserve = model.reserve_usd(query, query.input_tokens)
    if reserve is None or spent + reserve <= query.max_cost_usd:
        return None
    return f"may cost {reserve:.6f} USD beside {spent:.6f} already spent, over the limit of {query.max_cost_usd:.6f}"


def _expected(model: Model, query: Query) -> float:
    expected = model.expected_cost_usd(query.input_tokens)
    return 0.0 if expected is None else expected


def _known(amount: Decimal | None) -> float:
    return 0.0 if amount is None else float(amount)
