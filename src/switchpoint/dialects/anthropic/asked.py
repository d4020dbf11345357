"""Reading a caller's request: Anthropic's Messages in, the body of a chat completion out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from switchpoint.core.errors import RequestError
from switchpoint.dialects.anthropic.fields import an_object, objects, one_of, refuse, rest, text
from switchpoint.dialects.anthropic.turns import read_system, read_turns
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import extended, extension

HIDDEN = frozenset({"cache_control", "thinking", "betas"})
"""Fields that say nothing to other vendors: kept beside the request, for one that knows them."""

BESIDE = HIDDEN | {"metadata"}  # which tells sessions apart too, so it also stays where it is

REFUSED: Mapping[str, str] = {
    "n": "A message is one answer.",
    "logprobs": "A message has no place for log-probabilities.",
    "mcp_servers": "Tools that the vendor runs are not carried.",
    "container": "Tools that the vendor runs are not carried.",
    "thread": "Nothing is kept here: send the whole conversation.",
}

TIERS: Mapping[str, str] = {"auto": "auto", "standard_only": "default"}
CHOICES: Mapping[str, str] = {"auto": "auto", "any": "required", "none": "none"}
EFFORTS: Mapping[str, str] = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}

BUDGETS: tuple[tuple[int, str], ...] = ((4_096, "low"), (16_384, "medium"))
"""A budget of thinking up to so many tokens, as an effort; more is "high"."""


def read_request(body: Json) -> Json:
    """Return the body of the chat completion; raises RequestError, which names the field that cannot be carried."""
    for name, why in REFUSED.items():
        if body.get(name) is not None:
            refuse(name, why)
    chat: Json = {name: body[name] for name in body if name not in READERS and name not in HIDDEN}
    for name, read in READERS.items():
        if body.get(name) is not None:
            chat |= read(body[name])
    if "messages" in body:
        chat["messages"] = [*read_system(body.get("system")), *read_turns(body["messages"])]
    chat |= _effort(body)
    return extended(chat, {**extension(chat), **_beside(body)})


def _beside(body: Json) -> Json:
    fields = {name: body[name] for name in body if name in BESIDE and body[name] is not None}
    config = body.get("output_config")
    if isinstance(config, Mapping) and config.get("effort") is not None:
        fields["effort"] = config["effort"]
    return fields


def _effort(body: Json) -> Json:
    """Return how hard to think in the words of chat completions; a stated effort wins over a budget of tokens."""
    config = body.get("output_config")
    stated = config.get("effort") if isinstance(config, Mapping) else None
    if stated is not None:
        return {"reasoning_effort": one_of(EFFORTS, stated, "output_config.effort")}
    thinking = body.get("thinking")
    if not isinstance(thinking, Mapping) or thinking.get("type") != "enabled":
        return {}
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int):
        raise RequestError("'thinking.budget_tokens' must be a whole number.", "thinking.budget_tokens")
    return {"reasoning_effort": next((effort for most, effort in BUDGETS if budget <= most), "high")}


# Parameters


def _stop(value: object) -> Json:
    return {"stop": value}


def _tier(value: object) -> Json:
    return {"service_tier": one_of(TIERS, value, "service_tier")}


def _choice(value: object) -> Json:
    choice = an_object(value, "tool_choice")
    parallel = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") is True else {}
    if choice.get("type") == "tool":
        named = {"type": "function", "function": {"name": text(choice, "name", "tool_choice")}}
        return {"tool_choice": named, **parallel}
    return {"tool_choice": one_of(CHOICES, choice.get("type"), "tool_choice.type"), **parallel}


def _config(value: object) -> Json:
    config = an_object(value, "output_config")
    for name in config:
        if name not in ("effort", "format"):
            refuse(f"output_config.{name}", "Known: effort, format.")
    return _format(config["format"]) if config.get("format") is not None else {}


def _format(value: object) -> Json:
    asked = an_object(value, "output_config.format")
    if asked.get("type") != "json_schema":
        refuse("output_config.format.type", "Only 'json_schema' is.")
    schema = an_object(asked.get("schema"), "output_config.format.schema")
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    }


def _tools(value: object) -> Json:
    return {"tools": [_tool(tool, f"tools[{number}]") for number, tool in enumerate(objects(value, "tools"))]}


def _tool(tool: Json, where: str) -> Json:
    if tool.get("type") not in (None, "custom"):
        refuse(where, f"It is the tool {tool['type']!r}, which the vendor defines; define its name and input_schema.")
    function: Json = {"name": text(tool, "name", where)}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = an_object(tool.get("input_schema"), f"{where}.input_schema")
    if tool.get("strict") is not None:
        function["strict"] = tool["strict"]
    return extended({"type": "function", "function": function}, rest(tool, _TOOL))


_TOOL = ("type", "name", "description", "input_schema", "strict")

READERS: Mapping[str, Callable[[object], Json]] = {
    "messages": lambda _: {},
    "system": lambda _: {},
    "stop_sequences": _stop,
    "service_tier": _tier,
    "tool_choice": _choice,
    "output_config": _config,
    "output_format": _format,
    "tools": _tools,
}
"""Fields that chat completions call otherwise."""
