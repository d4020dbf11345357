"""Limits of input: what one request may hold, looked at before anything reads it in depth, at a cost that is linear."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from switchpoint.core.errors import RequestError, UnsupportedMedia

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """What one request may hold at most.

    max_depth : arrays and objects inside each other. max_messages, max_tools, max_parts : of one conversation, parts
    counted over all messages. max_answers : `n`. max_name_chars : of the model, of a tool, of whoever says a message.
    """

    max_depth: int = 100
    max_messages: int = 10_000
    max_tools: int = 1_000
    max_parts: int = 10_000
    max_answers: int = 128
    max_name_chars: int = 256


LIMITS = InputLimits()


def check_depth(body: object, data: bytes, max_depth: int) -> None:
    """Raise RequestError where what `data` was decoded to is nested deeper than `max_depth`.

    Few brackets cannot be nested deeply, and to count them costs next to nothing; else the body is walked level by
    level, which nothing in it can make recurse.
    """
    if data.count(b"{") + data.count(b"[") <= max_depth:
        return
    level: list[Any] = [body] if isinstance(body, dict | list) else []
    for _ in range(max_depth):
        level = [
            value
            for holder in level
            for value in (holder.values() if isinstance(holder, dict) else holder)
            if type(value) is dict or type(value) is list
        ]
        if not level:
            return
    raise RequestError(f"The body is nested too deeply: more than {max_depth} levels. Send it flatter.")


def check_size(chat: Mapping[str, Any], limits: InputLimits) -> None:
    """Raise RequestError, which names the field, where a chat completion holds more than it may."""
    messages, tools = _listed(chat, "messages"), _listed(chat, "tools")
    _at_most(len(messages), limits.max_messages, "messages", "messages")
    _at_most(len(tools), limits.max_tools, "tools", "tools")
    _at_most(len(_listed(chat, "functions")), limits.max_tools, "functions", "functions")
    _at_most(sum(map(_parts, messages)), limits.max_parts, "parts of content", "messages")
    answers = chat.get("n")
    if isinstance(answers, int):
        _at_most(answers, limits.max_answers, "answers", "n")
    _check_names(chat, messages, tools, limits.max_name_chars)


def check_encoding(headers: list[tuple[bytes, bytes]]) -> None:
    """Raise UnsupportedMedia for a compressed body: a small one could unpack to any size."""
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise UnsupportedMedia("The body is compressed (Content-Encoding). Send it as it is.")


def _check_names(chat: Mapping[str, Any], messages: list[Any], tools: list[Any], most: int) -> None:
    _short(chat.get("model"), most, "model")
    for number, message in enumerate(messages):
        if isinstance(message, dict) and "name" in message:
            _short(message["name"], most, f"messages[{number}].name")
    for number, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict):
            _short(function.get("name"), most, f"tools[{number}].function.name")


def _listed(chat: Mapping[str, Any], name: str) -> list[Any]:
    value = chat.get(name)
    return value if isinstance(value, list) else []


def _parts(message: object) -> int:
    content = message.get("content") if isinstance(message, dict) else None
    return len(content) if isinstance(content, list) else 0


def _at_most(count: int, most: int, what: str, param: str) -> None:
    if count > most:
        raise RequestError(f"{param!r} holds {count} {what}; at most {most} are taken. Send fewer.", param)


def _short(name: object, most: int, param: str) -> None:
    if isinstance(name, str) and len(name) > most:
        raise RequestError(f"{param!r} is {len(name)} characters long; a name has at most {most}.", param)
