"""Leaving a model out: the query as the strategy sees it once a model must not, or cannot, be called any more."""

from __future__ import annotations

from dataclasses import replace

from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import NoEligibleModel, Overloaded
from switchpoint.core.query import EMPTY, Query


def without(model: str, query: Query, catalog: Catalog) -> Query:
    """Return the query with this model out of its reach."""
    allowed = frozenset(catalog.ids) if query.allow is None else query.allow
    return replace(query, allow=allowed - {model})


def overloaded(error: NoEligibleModel, query: Query, catalog: Catalog) -> Overloaded | None:
    """Return what to raise instead where models are kept from the query by their health alone; None where none is.

    That is nothing for the caller to mend: the same request may be served once the first of them is tried again.
    """
    well, tokens = replace(query, health=EMPTY), query.input_tokens
    shut = {
        model: health
        for model, health in query.health.items()
        if health.closed_because is not None
        and model in error.excluded
        and model in catalog
        and catalog[model].exclusion(well, tokens) is None
    }
    if not shut:
        return None
    why = "; ".join(f"{model}: {health.closed_because}" for model, health in shut.items())
    waits = [health.probe_in_s for health in shut.values() if health.probe_in_s is not None]
    return Overloaded(f"No model that could serve this request is well ({why}).", min(waits, default=1.0))
