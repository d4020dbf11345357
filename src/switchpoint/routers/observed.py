"""Observed: what was seen of the models lately, put beside what an artifact learned of their latency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from switchpoint.core.query import FloatArray, Query


def with_observed(latency_s: FloatArray, models: Sequence[str], queries: Sequence[Query]) -> FloatArray:
    """Return the expected seconds, shape (n_queries, n_models), with the averages of `Query.health` in them.

    The mean of both where both are known: what was learned knows the query, what was seen knows the hour. Of a model
    of which only one is known that one; NaN where neither is.
    """
    if not any(query.health for query in queries):
        return latency_s
    seen = np.array([[_latency_s(query, model) for model in models] for query in queries], dtype=np.float64)
    both = (latency_s + seen) / 2
    return np.where(np.isnan(seen), latency_s, np.where(np.isnan(latency_s), seen, both))


def _latency_s(query: Query, model: str) -> float:
    health = query.health.get(model)
    return np.nan if health is None or health.latency_s is None else health.latency_s
