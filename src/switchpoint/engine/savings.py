"""Savings: what the baseline model would have cost in place of the answer that was given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from switchpoint.core.attempt import Attempt
from switchpoint.core.model import Model


def baseline_cost_usd(baseline: Model, attempts: Sequence[Attempt], accepted: Attempt) -> Decimal | None:
    """Return its own bill, else the answer's tokens at its prices, else its estimate; None is unknown."""
    if accepted.decision.model == baseline.id:
        return accepted.cost_usd
    usage = accepted.answer.usage if accepted.answer else None
    at_its_prices = None if usage is None else baseline.cost_usd(replace(usage, cost_usd=None))
    if at_its_prices is not None:
        return at_its_prices
    estimate = attempts[0].decision.cost_usd.get(baseline.id, math.nan)
    return None if math.isnan(estimate) else Decimal(repr(estimate))
