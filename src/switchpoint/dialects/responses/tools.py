"""Tools and the choice of one: the Responses API has them flat, chat completions in an object of their kind."""

from __future__ import annotations

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.shape import each_object, must_be, needed, only, without

KINDS = ("function", "custom")
"""Tools that the caller runs; the provider's own (web_search, file_search, mcp, …) are refused."""

FIELDS = {
    "function": {"type", "name", "description", "parameters", "strict"},
    "custom": {"type", "name", "description", "format"},
}
CHOICES = ("none", "auto", "required")


def tool(given: Json, place: str) -> Json:
    """Return a tool in the form of chat completions; raises RequestError for one that the provider would run."""
    kind = _kind(given, place, "Send function and custom tools, and run the others yourself.")
    needed(given, "name", str, place)
    only(given, FIELDS[kind], place, harmless=(False, ["direct"]))
    inner = {name: given[name] for name in given if name in FIELDS[kind] - {"type"}}
    if inner.get("strict", False) is None:
        del inner["strict"]
    if kind == "custom" and isinstance(inner.get("format"), dict):
        inner["format"] = _format(inner["format"])
    return {"type": kind, kind: inner}


def tool_choice(given: object) -> object:
    """Return the choice of a tool in the form of chat completions; raises RequestError."""
    if isinstance(given, str) and given in CHOICES:
        return given
    if not isinstance(given, dict):
        raise must_be("tool_choice", f"one of {', '.join(CHOICES)} or an object", given)
    if given.get("type") != "allowed_tools":
        return _named(given, "tool_choice")
    tools = [_named(each, place) for place, each in each_object(given.get("tools"), "tool_choice.tools")]
    return {"type": "allowed_tools", "allowed_tools": {**without(given, ("type",)), "tools": tools}}


def _named(given: Json, place: str) -> Json:
    kind = _kind(given, place, "Choose a function or a custom tool by its name.")
    return {"type": kind, kind: without(given, ("type",))}


def _kind(given: Json, place: str, advice: str) -> str:
    kind = given.get("type")
    if kind not in KINDS:
        raise RequestError(f"'{place}': tools of type {kind!r} are not served. {advice}", f"{place}.type")
    return str(kind)


def _format(given: Json) -> Json:
    """A grammar is flat in the Responses API."""
    if given.get("type") != "grammar":
        return given
    return {"type": "grammar", "grammar": without(given, ("type",))}
