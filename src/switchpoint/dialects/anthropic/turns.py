"""Reading the turns of a caller's request: Anthropic's messages and their blocks in, messages of a chat out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from switchpoint.core.errors import RequestError
from switchpoint.dialects.anthropic.fields import an_object, objects, refuse, rest, text
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.extensions import APART, THINKING, extended


def read_system(value: object) -> list[Json]:
    """Return the system prompt as a message; none where there is none."""
    if value is None or value == "" or value == []:
        return []
    return [{"role": "system", "content": _parts(value, "system")}]


def read_turns(value: object) -> list[Json]:
    """Return the turns as messages; raises RequestError, which names the block that cannot be carried."""
    turns = objects(value, "messages")
    return [message for number, turn in enumerate(turns) for message in _turn(turn, f"messages[{number}]")]


def _turn(turn: Json, where: str) -> list[Json]:
    role, content = turn.get("role"), turn.get("content")
    if role == "assistant":
        return [_assistant(content, where)]
    if role == "system":
        return [{"role": "system", "content": _parts(content, f"{where}.content")}]
    if role != "user":
        raise RequestError(f"'{where}.role' must be 'user', 'assistant' or 'system'.", f"{where}.role")
    return _user(content, f"{where}.content")


def _user(content: object, where: str) -> list[Json]:
    """Return the results of tools, one message each, in their order, and after them the rest of what the user says."""
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    blocks = list(enumerate(objects(content, where)))
    results = [_result(block, f"{where}[{number}]") for number, block in blocks if block.get("type") == "tool_result"]
    others = [_part(block, f"{where}[{number}]") for number, block in blocks if block.get("type") != "tool_result"]
    if others or not results:
        results.append({"role": "user", "content": _joined(others)})
    return results


def _result(block: Json, where: str) -> Json:
    content = "" if block.get("content") is None else _parts(block["content"], f"{where}.content")
    message = {"role": "tool", "tool_call_id": text(block, "tool_use_id", where), "content": content}
    beside = rest(block, ("type", "tool_use_id", "content"))
    if not isinstance(content, str) and any(part["type"] != "text" for part in content):
        beside[APART] = True
    return extended(message, beside)


def _assistant(content: object, where: str) -> Json:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    where = f"{where}.content"
    texts: list[Json] = []
    calls: list[Json] = []
    thoughts: list[Json] = []
    kinds: list[str] = []
    for number, block in enumerate(objects(content, where)):
        place = f"{where}[{number}]"
        kinds.append(str(block.get("type")))
        if block.get("type") == "tool_use":
            calls.append(_call(block, place))
        elif block.get("type") in ("thinking", "redacted_thinking"):
            thoughts.append(block)
        else:
            texts.append(_part(block, place))
    message: Json = {"role": "assistant", "content": _joined(texts) if texts else None}
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message[THINKING] = thoughts
    return extended(message, {} if kinds == in_order(kinds) else {"order": kinds})


def in_order(kinds: Iterable[str]) -> list[str]:
    """Return kinds of blocks as they usually stand in a turn: thinking, what is said, calls of tools."""
    ranks = {"thinking": 0, "redacted_thinking": 0, "tool_use": 2}
    return sorted(kinds, key=lambda kind: ranks.get(kind, 1))


def _call(block: Json, where: str) -> Json:
    function = {
        "name": text(block, "name", where),
        "arguments": encode(an_object(block.get("input", {}), f"{where}.input")).decode(),
    }
    call = {"id": text(block, "id", where), "type": "function", "function": function}
    return extended(call, rest(block, ("type", "id", "name", "input")))


def _parts(content: object, where: str) -> str | list[Json]:
    if isinstance(content, str):
        return content
    return _joined([_part(block, f"{where}[{number}]") for number, block in enumerate(objects(content, where))])


def _joined(parts: list[Json]) -> str | list[Json]:
    """Return parts as content: a single plain text is a string, which every server takes."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return str(parts[0]["text"])
    return parts


def _part(block: Json, where: str) -> Json:
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in PARTS:
        refuse(where, f"It is a block of type {kind!r}; carried are {', '.join((*PARTS, *TURNS))}.")
    return PARTS[kind](block, where)


def _text_part(block: Json, where: str) -> Json:
    return extended({"type": "text", "text": text(block, "text", where)}, rest(block, ("type", "text")))


def _image(block: Json, where: str) -> Json:
    source = an_object(block.get("source"), f"{where}.source")
    if source.get("type") == "base64":
        url = _data_url(source, f"{where}.source")
    elif source.get("type") == "url":
        url = text(source, "url", f"{where}.source")
    else:
        refuse(f"{where}.source", f"It is of type {source.get('type')!r}; send 'base64' or 'url'.")
    return extended({"type": "image_url", "image_url": {"url": url}}, rest(block, ("type", "source")))


def _document(block: Json, where: str) -> Json:
    source = an_object(block.get("source"), f"{where}.source")
    if source.get("type") == "base64":
        data = _data_url(source, f"{where}.source")
    elif source.get("type") == "text":
        data = f"data:text/plain;base64,{b64encode(text(source, 'data', f'{where}.source').encode()).decode()}"
    else:
        refuse(f"{where}.source", f"It is of type {source.get('type')!r}; send 'base64' or 'text'.")
    if isinstance(block.get("citations"), Mapping) and block["citations"].get("enabled"):
        refuse(f"{where}.citations", "Answers are carried without citations.")
    file = {"filename": block.get("title") or "document", "file_data": data}
    return extended({"type": "file", "file": file}, rest(block, ("type", "source", "citations")))


def _data_url(source: Json, where: str) -> str:
    return f"data:{text(source, 'media_type', where)};base64,{text(source, 'data', where)}"


PARTS: Mapping[Any, Callable[[Json, str], Json]] = {"text": _text_part, "image": _image, "document": _document}
"""Blocks of content that are parts of a message."""

TURNS = ("tool_use", "tool_result", "thinking", "redacted_thinking")
"""Blocks that are a message of their own, or a field of one."""
