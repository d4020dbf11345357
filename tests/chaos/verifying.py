"""Verifiers that go wrong, named by the configuration of a test."""

from __future__ import annotations

import asyncio

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query


async def hangs(query: Query, answer: Answer) -> float:
    """Never come to a verdict."""
    await asyncio.Event().wait()
    return 1.0


def raises(query: Query, answer: Answer) -> float:
    """Fail on every answer."""
    raise ZeroDivisionError("a secret of the verifier")


def lies(query: Query, answer: Answer) -> float:
    """Return a score that is none."""
    return 7.0
