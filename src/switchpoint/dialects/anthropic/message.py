"""Writing a caller's answer: a whole `chat.completion` in, one of Anthropic's messages out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from switchpoint.core.errors import BadAnswer
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import THINKING, extension

STOP_REASONS: Mapping[str | None, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""Why it stopped, in Anthropic's words; anything else is the end of a turn."""


def write_message(body: Json) -> Json:
    """Return a `chat.completion` as a message; raises BadAnswer where a tool's arguments are not a JSON object."""
    choice: Mapping[str, Any] = next((each for each in body["choices"] if each.get("index") in (0, None)), {})
    return {
        "id": str(body.get("id") or "msg"),
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _content(choice.get("message") or {}),
        **stop(choice),
        "usage": usage(body.get("usage")),
    }


def unshaped(error: Exception) -> BadAnswer:
    """Make the error for an answer in which something is not what OpenAI's form says; upstreams may send anything."""
    return BadAnswer(f"The answer is not of OpenAI's form ({type(error).__name__}).")


def _content(message: Mapping[str, Any]) -> list[Json]:
    """Return the blocks of an answer: thinking, text, calls of tools."""
    return [*_thoughts(message), *_texts(message), *map(_call, _calls(message))]


def _thoughts(message: Mapping[str, Any]) -> list[Json]:
    if message.get(THINKING):
        return list(message[THINKING])
    thinking = reasoning(message)
    return [{"type": "thinking", "thinking": thinking, "signature": ""}] if thinking else []


def _texts(message: Mapping[str, Any]) -> list[Json]:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [*(part.get("text") for part in parts), message.get("refusal")]
    return [{"type": "text", "text": text} for text in texts if text]


def _calls(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    legacy = message.get("function_call")
    if legacy:  # the form before there were several calls in one answer; it has no id
        return [{"id": f"call_{legacy.get('name')}", "function": legacy}]
    return message.get("tool_calls") or ()


def _call(call: Mapping[str, Any]) -> Json:
    function = call.get("function") or {}
    name = function.get("name")
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise BadAnswer(f"The answer calls the tool {name!r} with arguments that are not a JSON object.")
    return {"type": "tool_use", "id": call.get("id"), "name": name, "input": arguments}


def reasoning(message: Mapping[str, Any]) -> str:
    """Return the reasoning in a message or delta of a vendor that gives it as text."""
    found = message.get("reasoning_content") or message.get("reasoning")
    return found if isinstance(found, str) else ""


def stop(choice: Mapping[str, Any]) -> Json:
    """Return why an answer stopped: in the words of an Anthropic upstream, where it comes from one."""
    matched = choice.get("stop_reason")  # vLLM: the string that stopped it, or the number of a token
    sequence = matched if isinstance(matched, str) and choice.get("finish_reason") == "stop" else None
    reason = "stop_sequence" if sequence is not None else STOP_REASONS.get(choice.get("finish_reason"), "end_turn")
    return {"stop_reason": reason, "stop_sequence": sequence, **extension(choice)}


def usage(body: object) -> Json:
    """Return usage as Anthropic counts it: input_tokens without what was read from or written to the prompt cache.

    Unknown is null, which Anthropic itself never says; so is what an upstream counts in a shape of its own.
    """
    details = _object(body, "prompt_tokens_details")
    read, written = _count(details, "cached_tokens"), _count(details, "cache_write_tokens")
    prompt = _count(body, "prompt_tokens")
    counts: Json = {
        "input_tokens": None if prompt is None else max(0, prompt - (read or 0) - (written or 0)),
        "output_tokens": _count(body, "completion_tokens"),
    }
    if read is not None:
        counts["cache_read_input_tokens"] = read
    if written is not None:
        counts["cache_creation_input_tokens"] = written
    thought = _count(_object(body, "completion_tokens_details"), "reasoning_tokens")
    if thought is not None:
        counts["output_tokens_details"] = {"thinking_tokens": thought}
    return counts


def _object(body: object, name: str) -> Mapping[str, Any]:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _count(body: object, name: str) -> int | None:
    value = body.get(name) if isinstance(body, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
