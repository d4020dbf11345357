"""Reading a request of the Responses API: every field of it becomes one of a chat completion, or is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.input import messages
from switchpoint.dialects.responses.shape import each_object, only, shaped
from switchpoint.dialects.responses.tools import tool, tool_choice

SAME = frozenset(
    {
        "metadata", "model", "moderation", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "safety_identifier", "service_tier", "stream", "temperature", "top_p", "user",
    }
)  # fmt: skip
"""Fields that mean the same in a chat completion; they go on as they are, like every field that is not known here."""

READ = frozenset(
    {
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "reasoning",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
    }
)
"""Fields that a chat completion has under another name or in another form."""


class Refusal(NamedTuple):
    """A field that cannot be carried: why, and which values of it ask for nothing."""

    why: str
    harmless: tuple[object, ...] = ()


_NO_STATE = "No responses are kept here. Send the whole conversation as 'input'."
_BUILT_IN = "Tools that the provider runs are not served. Leave it out."

REFUSED: Mapping[str, Refusal] = {
    "access_programs": Refusal("A chat completion has no such field. Leave it out."),
    "background": Refusal("Answers are given while the request is open. Send false or leave it out.", (False,)),
    "background_options": Refusal("Answers are given while the request is open. Leave it out."),
    "context_management": Refusal("The conversation is not shortened here. Shorten 'input' yourself.", ([],)),
    "conversation": Refusal(_NO_STATE),
    "image": Refusal("A chat completion has no such field. Leave it out."),
    "max_tool_calls": Refusal(_BUILT_IN),
    "previous_response_id": Refusal(_NO_STATE),
    "prompt": Refusal("Prompt templates are kept by a provider. Send the text itself as 'input'."),
    "store": Refusal("No responses are kept here. Send false or leave it out.", (False,)),
    "stream_options": Refusal(
        "Deltas are not padded here. Send include_obfuscation false or leave it out.",
        ({}, {"include_obfuscation": False}),
    ),
    "truncation": Refusal("The conversation is not shortened here. Shorten 'input' yourself.", ("disabled",)),
}
"""Fields of the Responses API that are refused unless they ask for nothing."""

ELSEWHERE: Mapping[str, str] = {
    "audio": "nothing: answers are text",
    "function_call": "'tool_choice'",
    "functions": "'tools'",
    "logprobs": "'include' with 'message.output_text.logprobs'",
    "max_completion_tokens": "'max_output_tokens'",
    "max_tokens": "'max_output_tokens'",
    "messages": "'input'",
    "modalities": "nothing: answers are text",
    "n": "nothing: a response is one answer",
    "reasoning_effort": "'reasoning.effort'",
    "response_format": "'text.format'",
    "verbosity": "'text.verbosity'",
}
"""Fields of chat completions that have another name here, and what to send instead."""

LOGPROBS = "message.output_text.logprobs"
INCLUDABLE = frozenset({LOGPROBS, "reasoning.encrypted_content"})
"""What `include` may hold. Reasoning always comes with all that a later turn needs."""


def chat_request(body: Json) -> Json:
    """Return the body of the chat completion; raises RequestError, which names the field at fault."""
    _check(body)
    chat = {name: value for name, value in body.items() if name not in READ and name not in REFUSED}
    chat["messages"] = messages(shaped(body, "instructions", str), body.get("input"))
    for made in (_limits(body), _text(body), _reasoning(body), _tools(body)):
        chat.update(made)
    return chat


def wants_logprobs(body: Json) -> bool:
    """Whether a request that was read asks for log-probabilities."""
    return LOGPROBS in (body.get("include") or ()) or body.get("top_logprobs") is not None


def _check(body: Json) -> None:
    for name, (why, harmless) in REFUSED.items():
        value = body.get(name)
        if value is not None and value not in harmless:
            raise RequestError(f"{name!r} cannot be served. {why}", name)
    for name, instead in ELSEWHERE.items():
        if name in body:
            raise RequestError(f"{name!r} is a field of chat completions. Send {instead} instead.", name)
    for number, name in enumerate(shaped(body, "include", list) or ()):
        if not isinstance(name, str) or name not in INCLUDABLE:
            allowed = ", ".join(sorted(INCLUDABLE))
            raise RequestError(f"'include' cannot hold {name!r} here. Allowed: {allowed}.", f"include[{number}]")


def _limits(body: Json) -> Json:
    made: Json = {}
    if body.get("max_output_tokens") is not None:
        made["max_completion_tokens"] = body["max_output_tokens"]
    if wants_logprobs(body):
        made["logprobs"] = True
    if body.get("top_logprobs") is not None:
        made["top_logprobs"] = body["top_logprobs"]
    return made


def _text(body: Json) -> Json:
    text = shaped(body, "text", dict) or {}
    only(text, {"format", "verbosity"}, "text")
    made: Json = {} if text.get("verbosity") is None else {"verbosity": text["verbosity"]}
    form = dict(shaped(text, "format", dict, "text.format") or {"type": "text"})
    kind = form.pop("type", None)
    if kind == "json_schema":
        made["response_format"] = {"type": kind, "json_schema": form}
    elif kind == "json_object":
        made["response_format"] = {"type": kind, **form}
    elif kind != "text":
        allowed = "'text', 'json_schema' or 'json_object'"
        raise RequestError(f"'text.format.type' must be {allowed}. Got {kind!r} instead.", "text.format.type")
    return made


def _reasoning(body: Json) -> Json:
    reasoning = shaped(body, "reasoning", dict) or {}
    only(reasoning, {"effort", "summary", "generate_summary"}, "reasoning", harmless=("auto", "standard"))
    return {} if reasoning.get("effort") is None else {"reasoning_effort": reasoning["effort"]}


def _tools(body: Json) -> Json:
    made: dict[str, Any] = {}
    if body.get("tools") is not None:
        made["tools"] = [tool(given, place) for place, given in each_object(body["tools"], "tools")]
    if body.get("tool_choice") is not None:
        made["tool_choice"] = tool_choice(body["tool_choice"])
    return made
