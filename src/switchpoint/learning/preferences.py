"""Preferences out of outcomes: whoever scored higher on a query won it (RouteLLM's golden labels, Ong et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes, Preferences

ROUNDING = 1e-9
"""Two scores this near are equal: 0.3 - 0.2 is not exactly 0.1."""


def preferences_of(
    outcomes: Outcomes, *, tie: float = 0.0, pairs: Sequence[tuple[str, str]] | None = None
) -> Preferences:
    """Make a battle of every pair of models observed on a query: n_models * (n_models - 1) / 2 a query at most.

    tie : scores that differ by no more than this are a tie; in [0, 1).
    pairs : only these (a, b); all of them by default, in the order of the models.

    Battles follow the queries, and the pairs within one. Raises DataError when no query has two models observed,
    UnknownModel for a pair of one that is missing.
    """
    if not 0 <= tie < 1:
        raise DataError(f"The tie band must be in [0, 1), got {tie:g}.")
    chosen = list(combinations(outcomes.models, 2)) if pairs is None else list(pairs)
    a = np.array([outcomes.column(first) for first, _ in chosen], dtype=np.intp)
    b = np.array([outcomes.column(second) for _, second in chosen], dtype=np.intp)
    gap = outcomes.quality[:, a] - outcomes.quality[:, b]  # (n_queries, n_pairs)
    row, pair = np.nonzero(~np.isnan(gap))
    if not len(row):
        raise DataError(f"{outcomes.name}: no query has the scores of two models to compare.")
    gap = gap[row, pair]
    return Preferences(
        queries=tuple(outcomes.queries[i] for i in row.tolist()),
        a=tuple(chosen[i][0] for i in pair.tolist()),
        b=tuple(chosen[i][1] for i in pair.tolist()),
        result=np.where(np.abs(gap) <= tie + ROUNDING, 0.5, np.where(gap > 0, 1.0, 0.0)),
    )
