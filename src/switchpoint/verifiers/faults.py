"""Faults: what is plainly wrong with an answer, in one clause, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query

Fault = Callable[[Query, Answer], str | None]
"""Says in one clause what is wrong, or None. Pure; never quotes the prompt or the answer."""


def verdict(fault: str | None) -> Verdict:
    """Score 1 without a fault, 0 with one; the fault is the detail. Free."""
    return Verdict(score=1.0 if fault is None else 0.0, detail=fault)


def message_of(answer: Answer) -> Mapping[str, Any]:
    """Return the message of the first choice of an answer's body; empty where the body has another shape."""
    choices = answer.body.get("choices")
    first = choices[0] if isinstance(choices, list | tuple) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    return message if isinstance(message, Mapping) else {}


def calls_of(answer: Answer) -> list[object]:
    """Return the tool calls of an answer as they came; empty where there are none."""
    calls = message_of(answer).get("tool_calls")
    return list(calls) if isinstance(calls, list | tuple) else []
