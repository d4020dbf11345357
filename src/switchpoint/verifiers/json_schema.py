"""The JSON that a request's `response_format` asks for: is the answer that."""

from __future__ import annotations

import math
from collections.abc import Mapping

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query
from switchpoint.verifiers.faults import calls_of, verdict
from switchpoint.verifiers.schemas import Unchecked, broken_keyword, installed, read_json


async def json_schema(query: Query, answer: Answer) -> Verdict:
    """Score 1 if the answer is the JSON that was asked for, 0 if not; 1 where none was asked for.

    NaN where nothing can be said: the schema cannot be read, or the answer is too long. Free.
    """
    try:
        return verdict(json_fault(query, answer))
    except Unchecked as cause:
        return Verdict(score=math.nan, detail=str(cause))


def json_fault(query: Query, answer: Answer) -> str | None:
    """Say what is wrong with the JSON; an answer of tool calls needs none. Raises Unchecked.

    Without the libraries for schemas it checks no more than that the answer is JSON.
    """
    wanted = query.parameters.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind not in ("json_object", "json_schema") or calls_of(answer):
        return None
    try:
        value = read_json(answer.text)
    except ValueError:
        return "not the JSON asked for"
    if kind == "json_object":
        return None if isinstance(value, dict) else "JSON, but not an object"
    schema = _schema(wanted)
    keyword = broken_keyword(value, schema) if schema is not None and installed() else None
    return None if keyword is None else f"the JSON breaks the schema: {keyword}"


def _schema(wanted: object) -> object:
    described = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return described.get("schema") if isinstance(described, Mapping) else None
