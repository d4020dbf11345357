"""Verifiers that need nothing but the answer: what is plainly wrong, and how sure the model was of its words."""

from __future__ import annotations

import math

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query
from switchpoint.verifiers.faults import Fault, calls_of, verdict
from switchpoint.verifiers.json_schema import json_fault
from switchpoint.verifiers.language import language_fault
from switchpoint.verifiers.refusal import refusal_fault
from switchpoint.verifiers.repetition import loop_fault
from switchpoint.verifiers.schemas import Unchecked
from switchpoint.verifiers.tool_calls import tool_fault


async def checks(query: Query, answer: Answer) -> Verdict:
    """Score 1 if nothing is plainly wrong, 0 with the first fault of `FAULTS` as the detail.

    Free. What cannot be checked (a schema that cannot be read, or the libraries for schemas are not installed) is
    passed over: ask for the verifier of that name where it must be checked.
    """
    return verdict(next((found for fault in FAULTS if (found := _found(fault, query, answer)) is not None), None))


async def confidence(query: Query, answer: Answer) -> Verdict:
    """Score the geometric mean of the probabilities that the model gave to its own tokens.

    NaN, which no threshold accepts, where the upstream gives no log-probabilities. Free: they come with the answer.

    Source: the average-probability rule that Gupta et al. (2024) compare their quantile rules with.
    """
    if not answer.logprobs:
        return Verdict(score=math.nan)
    return Verdict(score=math.exp(sum(answer.logprobs) / len(answer.logprobs)))


def unfinished_fault(query: Query, answer: Answer) -> str | None:
    """Say so where the answer was cut off at the limit of tokens, or withheld."""
    if answer.finish_reason == "length":
        return "cut off at the limit of tokens"
    return "withheld by a filter of content" if answer.finish_reason == "content_filter" else None


def empty_fault(query: Query, answer: Answer) -> str | None:
    """Say so where there is neither text nor a tool call."""
    return "empty" if not answer.text.strip() and not calls_of(answer) else None


FAULTS: tuple[Fault, ...] = (
    unfinished_fault,
    refusal_fault,
    empty_fault,
    tool_fault,
    json_fault,
    loop_fault,
    language_fault,
)
"""What `checks` looks for, in this order."""


def _found(fault: Fault, query: Query, answer: Answer) -> str | None:
    try:
        return fault(query, answer)
    except Unchecked:
        return None
