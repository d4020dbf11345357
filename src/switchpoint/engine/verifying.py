"""Verifying: asking one verifier, so that whatever it does becomes a verdict."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import Query


async def verdict(
    verifiers: Mapping[str, Verifier], name: str, query: Query, answer: Answer, within_s: float
) -> Verdict:
    """Return what the named verifier says of an answer; never raises.

    One that raises, is not done within its time or returns anything else than a verdict scores NaN, which nobody
    accepts, and what it cost is unknown. So is a cost that is not an amount of money.
    """
    box = asyncio.timeout(within_s)
    try:
        async with box:
            said = await verifiers[name](query, answer)
    except Exception as error:
        return _silent(name, "timed out" if box.expired() else type(error).__name__)
    if not isinstance(said, Verdict):
        return _silent(name, f"returned a {type(said).__name__}, which is not a verdict")
    return _sensible(replace(said, verifier=name))


def _silent(name: str, detail: str) -> Verdict:
    return Verdict(score=math.nan, cost_usd=None, verifier=name, detail=detail)


def _sensible(said: Verdict) -> Verdict:
    if not (isinstance(said.cost_usd, Decimal) and said.cost_usd.is_finite() and said.cost_usd >= 0):
        said = replace(said, cost_usd=None)
    if isinstance(said.score, int | float) and 0.0 <= said.score <= 1.0:
        return said
    return replace(said, score=math.nan, detail=said.detail or "a score that is not in [0, 1]")
