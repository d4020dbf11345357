"""Tools and the choice of one, in Gemini's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json

MODES = {"none": "NONE", "auto": "AUTO", "required": "ANY"}


def tools(chat: Mapping[str, Any]) -> Json:
    """Return `tools` and `toolConfig`, where there are any; raises RequestError for what Gemini does not have.

    With a strict function Gemini keeps to the schemas of all of them (VALIDATED; ANY always does).
    """
    given = chat.get("tools") or ()
    declared = [_declaration(tool, f"tools[{number}]") for number, tool in enumerate(given)]
    if not declared:
        return {}
    strict = any(tool["function"].get("strict") is True for tool in given)
    config = _choice(chat.get("tool_choice"), strict)
    body: Json = {"tools": [{"functionDeclarations": declared}]}
    return body if config is None else {**body, "toolConfig": {"functionCallingConfig": config}}


def _declaration(tool: Mapping[str, Any], place: str) -> Json:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        raise RequestError(f"'{place}': Gemini takes functions only. Got {tool.get('type')!r}.", f"{place}.type")
    declared = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    if function.get("parameters") is not None:
        declared["parametersJsonSchema"] = function["parameters"]
    return declared


def _choice(choice: Any, strict: bool) -> Json | None:
    if choice is None or isinstance(choice, str):
        mode = MODES.get(choice or "auto")
        if mode is None:
            raise RequestError(f"'tool_choice' must be one of {', '.join(MODES)}. Got {choice!r}.", "tool_choice")
        if mode == "AUTO":
            return {"mode": "VALIDATED"} if strict else None
        return {"mode": mode}
    kind = choice.get("type")
    if kind == "function":
        return {"mode": "ANY", "allowedFunctionNames": [_name(choice)]}
    if kind == "allowed_tools":
        inner = choice.get("allowed_tools") or {}
        mode = "ANY" if inner.get("mode") == "required" else "VALIDATED"  # AUTO takes no names
        return {"mode": mode, "allowedFunctionNames": [_name(tool) for tool in inner.get("tools") or ()]}
    raise RequestError(f"Gemini has no tool_choice of type {kind!r}.", "tool_choice.type")


def _name(choice: Mapping[str, Any]) -> str:
    return str((choice.get("function") or {}).get("name"))
