"""Writing the request for an upstream: the body of a chat completion in, one of Anthropic's Messages out.

What Anthropic's form cannot carry is refused by name: the call of this model fails, and another may be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from switchpoint.dialects.anthropic.asked import CHOICES, TIERS
from switchpoint.dialects.anthropic.fields import rest
from switchpoint.dialects.anthropic.sending_turns import refuse, write_turns
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import EXTENSIONS, extension

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({},),
    "seed": (),
    "store": (False,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "web_search_options": (),
}
"""Fields that cannot be carried, with the values that say nothing, as null does."""

_CHOICES = {chat: own for own, chat in CHOICES.items()}
_TIERS = {chat: own for own, chat in TIERS.items()}
_EFFORTS: Mapping[str, str] = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}


def write_request(chat: Mapping[str, Any], max_tokens: int, own_effort: bool = False) -> Json:
    """Return the body of the request; raises RequestError, which names the field that cannot be carried.

    max_tokens : asked for where the request says nothing, because Anthropic wants a number.
    own_effort : whether the effort is the model's own setting, and so wins over the caller's thinking.
    """
    beside = extension(chat)
    effort = beside.pop("effort", None)
    if own_effort:
        beside.pop("thinking", None)
    body: Json = {**beside, **rest(chat, (*_FIELDS, *NEUTRAL, "messages", "stream_options", *EXTENSIONS))}
    for name, neutral in NEUTRAL.items():
        if chat.get(name) is not None and chat[name] not in neutral:
            refuse(name)
    body["max_tokens"] = _first(chat.get("max_completion_tokens"), chat.get("max_tokens"), max_tokens)
    for name, write in _FIELDS.items():
        if chat.get(name) is not None:
            body |= write(chat)
    if own_effort or (effort is None and "thinking" not in body):
        effort = chat.get("reasoning_effort")
        body |= _thinking(effort)
        effort = _EFFORTS.get(effort) if isinstance(effort, str) else None
    if effort is not None:
        body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    return {**body, **write_turns(chat["messages"])}


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


# Parameters


def _thinking(effort: object) -> Json:
    if effort is None:
        return {}
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    if effort not in _EFFORTS:
        refuse("reasoning_effort", f"Known: none, {', '.join(_EFFORTS)}.")
    return {"thinking": {"type": "adaptive"}}


def _stop(chat: Mapping[str, Any]) -> Json:
    stop = chat["stop"]
    return {"stop_sequences": [stop] if isinstance(stop, str) else stop}


def _tier(chat: Mapping[str, Any]) -> Json:
    if chat["service_tier"] not in _TIERS:
        refuse(f"service_tier {chat['service_tier']!r}")
    return {"service_tier": _TIERS[chat["service_tier"]]}


def _user(chat: Mapping[str, Any]) -> Json:
    return {"metadata": {**(chat.get("metadata") or {}), "user_id": chat["user"]}}


def _format(chat: Mapping[str, Any]) -> Json:
    asked = chat["response_format"]
    if asked.get("type") == "text":
        return {}
    if asked.get("type") != "json_schema":
        refuse(f"response_format {asked.get('type')!r}", "Send a json_schema.")
    wanted = {"type": "json_schema", "schema": asked["json_schema"].get("schema", {})}
    return {"output_config": {**(chat.get("output_config") or {}), "format": wanted}}


def _choice(chat: Mapping[str, Any]) -> Json:
    choice = chat["tool_choice"]
    if isinstance(choice, str) and choice in _CHOICES:
        return {"tool_choice": {"type": _CHOICES[choice], **_alone(chat)}}
    if not isinstance(choice, Mapping) or choice.get("type") != "function":
        refuse("tool_choice", "Known: auto, required, none, a function.")
    return {"tool_choice": {"type": "tool", "name": choice["function"]["name"], **_alone(chat)}}


def _alone(chat: Mapping[str, Any]) -> Json:
    alone = chat.get("parallel_tool_calls") is False and chat.get("tool_choice") != "none"
    return {"disable_parallel_tool_use": True} if alone else {}


def _parallel(chat: Mapping[str, Any]) -> Json:
    if chat["parallel_tool_calls"] is not False or chat.get("tool_choice") is not None or not chat.get("tools"):
        return {}
    return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


def _tools(chat: Mapping[str, Any]) -> Json:
    return {"tools": [_tool(tool, f"tools[{number}]") for number, tool in enumerate(chat["tools"])]}


def _tool(tool: Mapping[str, Any], where: str) -> Json:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        refuse(where, "Send tools of type 'function'.")
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"input_schema": schema, **rest(function, ("parameters",)), **extension(tool)}


_FIELDS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    "max_tokens": lambda chat: {},
    "max_completion_tokens": lambda chat: {},
    "reasoning_effort": lambda chat: {},
    "stop": _stop,
    "service_tier": _tier,
    "user": _user,
    "response_format": _format,
    "tools": _tools,
    "tool_choice": _choice,
    "parallel_tool_calls": _parallel,
}
"""Fields that Anthropic calls otherwise; every other one is passed on as it is."""
