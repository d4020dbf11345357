"""A caller's contract: the lowest quality that will do. Applied after a policy, whose choice it takes the place of."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from switchpoint.core.estimate import Estimates
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.routers.policies import CheapestAbove


def keep_contracts(
    queries: Sequence[Query], estimates: Estimates, columns: IntArray, propensities: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Return the choices, with that of every query which demands a quality replaced by what keeps to it.

    That is the cheapest eligible model whose estimated quality reaches `Query.min_quality`, else the best one; see
    `CheapestAbove`. Where no quality is estimated the policy's choice stands. Nothing is drawn: its probability is 1.
    """
    demanding = [row for row, query in enumerate(queries) if query.min_quality is not None]
    if not demanding:
        return columns, propensities
    columns, propensities = columns.copy(), propensities.copy()
    for row in demanding:
        floor, one = queries[row].min_quality, row_of(estimates, row)
        if floor is not None and not np.isnan(one.quality[one.eligible]).all():
            columns[row], propensities[row] = CheapestAbove(floor)(one)[0][0], 1.0
    return columns, propensities


def row_of(estimates: Estimates, row: int) -> Estimates:
    """Return the estimates of one query alone."""
    one = slice(row, row + 1)
    return Estimates(
        models=estimates.models,
        quality=estimates.quality[one],
        cost_usd=estimates.cost_usd[one],
        eligible=estimates.eligible[one],
        draw=estimates.draw[one],
    )


def shortfall(floor: float | None, quality: Sequence[float], eligible: Sequence[bool], chosen: int) -> str | None:
    """Say in one clause how a choice misses what the caller demands; None where he demands nothing, or it does not."""
    if floor is None or quality[chosen] >= floor:
        return None
    if math.isnan(quality[chosen]):
        return f"its quality is not estimated, so the demanded {floor:g} is not checked"
    others = any(may and value >= floor for may, value in zip(eligible, quality, strict=True))
    none = "" if others else ", which no model is estimated to reach"
    return f"quality {quality[chosen]:.2f} is below the demanded {floor:g}{none}"
