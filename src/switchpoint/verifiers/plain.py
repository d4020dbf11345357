"""Verifiers that need nothing but the answer. One line each in the room's table makes them available by name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query

REFUSAL = re.compile(
    r"^\W*(i'?m sorry|i am sorry|sorry,|i can(no|')t|i cannot|i'?m unable|i am unable|as an ai\b)", re.IGNORECASE
)


async def checks(query: Query, answer: Answer) -> Verdict:
    """Score 1 if nothing is plainly wrong, 0 if the answer is empty, cut off, a refusal, or not the JSON asked for.

    Free: it reads the answer only. An answer made of tool calls needs no text.
    """
    calls = _tool_calls(answer)
    if answer.finish_reason == "length" or (not answer.text.strip() and not calls):
        return Verdict(score=0.0)
    if REFUSAL.match(answer.text) or (_wants_json(query) and not calls and not _is_json(answer.text)):
        return Verdict(score=0.0)
    return Verdict(score=1.0)


async def confidence(query: Query, answer: Answer) -> Verdict:
    """Score the geometric mean of the probabilities that the model gave to its own tokens.

    NaN, which no threshold accepts, where the upstream gives no log-probabilities. Free: they come with the answer.

    Source: the average-probability rule that Gupta et al. (2024) compare their quantile rules with.
    """
    if not answer.logprobs:
        return Verdict(score=math.nan)
    return Verdict(score=math.exp(sum(answer.logprobs) / len(answer.logprobs)))


def _tool_calls(answer: Answer) -> object:
    choices = answer.body.get("choices") or [{}]
    return (choices[0].get("message") or {}).get("tool_calls")


def _wants_json(query: Query) -> bool:
    wanted: Mapping[str, Any] = query.parameters.get("response_format") or {}
    return wanted.get("type") in ("json_object", "json_schema")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
