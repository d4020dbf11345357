"""The tool calls of an answer: does the request allow them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query, content_text
from switchpoint.verifiers.faults import calls_of, verdict
from switchpoint.verifiers.schemas import Unchecked, broken_keyword, installed, read_json

FAILED = ("error", "exception", "traceback", "failed", "failure", "invalid")
"""A tool's result that begins with one of these words reports a failure."""


class ToolCall(NamedTuple):
    """A call as it came: `said` are its arguments, a text that should be JSON; None where that part is missing."""

    name: str | None
    said: str | None
    function: bool = True

    @property
    def identity(self) -> tuple[str | None, str | None]:
        """What two identical calls share, however their arguments are written."""
        try:
            return self.name, json.dumps(read_json(self.said or "{}"), sort_keys=True)
        except (ValueError, RecursionError, Unchecked):
            return self.name, self.said


async def tool_calls(query: Query, answer: Answer) -> Verdict:
    """Score 1 if every tool call is one that the request allows, 0 if one is not.

    A call must name a tool of the request, its arguments must be JSON and obey the tool's schema, and it must not
    repeat a call that failed earlier in the conversation. A text without calls is right unless `tool_choice` demands
    a call. NaN where a tool's schema cannot be read. Free.
    """
    try:
        return verdict(tool_fault(query, answer))
    except Unchecked as cause:
        return Verdict(score=math.nan, detail=str(cause))


def tool_fault(query: Query, answer: Answer) -> str | None:
    """Say what is wrong with the tool calls of an answer, or with having none. Raises Unchecked."""
    calls = [_call(raw) for raw in calls_of(answer)]
    fault = _choice_fault(query, calls)
    if fault is not None or not calls:
        return fault
    tools, failed = dict(_tools(query)), set(_failed(query.messages))
    return next((found for call in calls if (found := _call_fault(call, tools, failed)) is not None), None)


def _choice_fault(query: Query, calls: Sequence[ToolCall]) -> str | None:
    choice = query.parameters.get("tool_choice")
    named = _field(_field(choice, "function"), "name")
    if not calls:
        return "no tool call where one is required" if choice == "required" or named else None
    if choice == "none":
        return "a tool call where none is allowed"
    if named and any(call.name != named for call in calls):
        return "another tool than the one demanded"
    if query.parameters.get("parallel_tool_calls") is False and len(calls) > 1:
        return "several tool calls where one is allowed"
    return None


def _call_fault(call: ToolCall, tools: Mapping[str, object], failed: set[tuple[str | None, str | None]]) -> str | None:
    if call.name is None or call.name not in tools:
        return "a tool that the request does not have"
    if call.identity in failed:
        return "repeats a tool call that failed before"
    return _arguments_fault(call, tools[call.name]) if call.function else None


def _arguments_fault(call: ToolCall, schema: object) -> str | None:
    try:
        arguments = read_json(call.said or "{}")
    except ValueError:
        return "tool arguments that are not JSON"
    if not isinstance(arguments, dict):
        return "tool arguments that are not an object"
    keyword = broken_keyword(arguments, schema) if schema is not None and installed() else None
    return None if keyword is None else f"tool arguments break the schema: {keyword}"


def _tools(query: Query) -> Iterator[tuple[str, object]]:
    """Yield the name of each tool of the request, and the schema of its arguments; None where it has none."""
    tools = query.parameters.get("tools")
    for tool in tools if isinstance(tools, Sequence) else ():
        described = _field(tool, "function") or _field(tool, "custom")
        name = _field(described, "name")
        if isinstance(name, str):
            yield name, _field(described, "parameters")


def _failed(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str | None, str | None]]:
    """Yield the identity of each call of the conversation whose result reports a failure."""
    made: dict[object, ToolCall] = {}
    for message in messages:
        calls = message.get("tool_calls")
        for raw in calls if isinstance(calls, Sequence) else ():
            if isinstance(id := _field(raw, "id"), str):
                made[id] = _call(raw)
        id = message.get("tool_call_id")
        if isinstance(id, str) and id in made and _reports_failure(content_text(message.get("content"))):
            yield made[id].identity


def _reports_failure(result: str) -> bool:
    """Whether a tool's result says that it failed, in words or in a field of JSON."""
    if result.lstrip(" [({<*#").casefold().startswith(FAILED):
        return True
    try:
        value = read_json(result)
    except (ValueError, Unchecked):
        return False
    return bool(_field(value, "error") or _field(value, "is_error") or _field(value, "isError"))


def _call(raw: object) -> ToolCall:
    described, function = _field(raw, "function"), _field(raw, "type") != "custom"
    described = described if function else _field(raw, "custom")
    name, said = _field(described, "name"), _field(described, "arguments" if function else "input")
    # Some servers send the arguments as an object already.
    said = json.dumps(said) if isinstance(said, Mapping) else said
    return ToolCall(name if isinstance(name, str) else None, said if isinstance(said, str) else None, function)


def _field(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None
