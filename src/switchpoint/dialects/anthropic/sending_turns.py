"""Writing the turns of a request for an upstream: messages of a chat in, Anthropic's system prompt and turns out."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec

from switchpoint.core.errors import RequestError
from switchpoint.dialects.anthropic.fields import rest
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import APART, THINKING, extension

ROLES = frozenset({"system", "developer"})


def refuse(where: str, why: str = "") -> NoReturn:
    """Raise the error for a field that cannot be carried."""
    raise RequestError(f"cannot be sent {where!r}: Anthropic's Messages have no place for it.{why and ' '}{why}", where)


def write_turns(messages: list[Mapping[str, Any]]) -> Json:
    """Return the system prompt and the turns; results of tools, and what the user says after them, are one turn."""
    head = next((number for number, each in enumerate(messages) if each.get("role") not in ROLES), len(messages))
    system = [block for number in range(head) for block in _said(messages[number], f"messages[{number}]")]
    turns: list[Json] = []
    for number, message in enumerate(messages[head:], head):
        turn = _turn(message, f"messages[{number}]")
        if turn["role"] == "user" and turns and _results(turns[-1]):
            turns[-1]["content"] = [*turns[-1]["content"], *turn["content"]]
        else:
            turns.append(turn)
    return {**({"system": system} if system else {}), "messages": turns}


def _results(turn: Json) -> bool:
    return bool(turn["role"] == "user" and turn["content"] and turn["content"][-1]["type"] == "tool_result")


def _turn(message: Mapping[str, Any], where: str) -> Json:
    role = message.get("role")
    if role == "tool":
        return {"role": "user", "content": [_result(message, where)]}
    if message.get("name") is not None:
        refuse(f"{where}.name")
    if role == "assistant":
        return {"role": "assistant", "content": _assistant(message, where)}
    if role not in ("user", *ROLES):
        refuse(f"{where}.role", f"It is {role!r}.")
    return {"role": "user" if role == "user" else "system", "content": _said(message, where)}


def _result(message: Mapping[str, Any], where: str) -> Json:
    result = {"type": "tool_result", "tool_use_id": message.get("tool_call_id"), **rest(extension(message), (APART,))}
    content = message.get("content")
    if content:
        result["content"] = content if isinstance(content, str) else _said(message, where)
    return result


def _assistant(message: Mapping[str, Any], where: str) -> list[Json]:
    for name in ("function_call", "audio"):
        if message.get(name):
            refuse(f"{where}.{name}")
    said = _said(message, where)
    if message.get("refusal"):
        said.append({"type": "text", "text": message["refusal"]})
    calls = [_call(call, f"{where}.tool_calls[{n}]") for n, call in enumerate(message.get("tool_calls") or ())]
    return _ordered([*_thoughts(message), *said, *calls], extension(message).get("order"))


def _thoughts(message: Mapping[str, Any]) -> list[Json]:
    """Return the blocks of thinking but those without a signature: they are another vendor's, and are not taken."""
    return [block for block in message.get(THINKING) or () if block.get("signature") or block.get("data")]


def _ordered(blocks: list[Json], order: object) -> list[Json]:
    """Return blocks in the order of their kinds that the caller sent, where it was not the usual one."""
    if not isinstance(order, list) or sorted(order) != sorted(block["type"] for block in blocks):
        return blocks
    queues = {kind: [block for block in blocks if block["type"] == kind] for kind in order}
    return [queues[kind].pop(0) for kind in order]


def _call(call: Mapping[str, Any], where: str) -> Json:
    function = call.get("function")
    if not isinstance(function, Mapping):
        refuse(where, "Send calls of functions.")
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}")
    except (msgspec.DecodeError, TypeError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        refuse(f"{where}.function.arguments", "They must be a JSON object.")
    return {
        "type": "tool_use",
        "id": call.get("id"),
        "name": function.get("name"),
        "input": arguments,
        **extension(call),
    }


def _said(message: Mapping[str, Any], where: str) -> list[Json]:
    """Return the content of a message as blocks; an empty text is none, because Anthropic takes no empty block."""
    content = message.get("content")
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_block(part, f"{where}.content[{n}]") for n, part in enumerate(content) if part.get("text") != ""]


def _block(part: Mapping[str, Any], where: str) -> Json:
    kind = part.get("type")
    if kind not in _BLOCKS:
        refuse(where, f"It is a part of type {kind!r}; carried are {', '.join(_BLOCKS)}.")
    block = _BLOCKS[kind](part, where)
    kept = {"cache_control": part["cache_control"]} if part.get("cache_control") else {}
    return {**block, **kept, **extension(part)}


def _text(part: Mapping[str, Any], where: str) -> Json:
    return {"type": "text", "text": part["text"]}


def _image(part: Mapping[str, Any], where: str) -> Json:
    image = part["image_url"]
    if image.get("detail") not in (None, "auto"):
        refuse(f"{where}.image_url.detail")
    url = image["url"]
    if not url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = _data(url, f"{where}.image_url.url")
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _document(part: Mapping[str, Any], where: str) -> Json:
    file = part["file"]
    if not file.get("file_data"):
        refuse(f"{where}.file", "Send its data as file_data.")
    media_type, data = _data(file["file_data"], f"{where}.file.file_data")
    source = {"type": "base64", "media_type": media_type, "data": data}
    if media_type == "text/plain":
        source = {"type": "text", "media_type": media_type, "data": b64decode(data).decode("utf-8", "replace")}
    title = file.get("filename")
    return {"type": "document", "source": source, **({} if title in (None, "document") else {"title": title})}


def _data(url: str, where: str) -> tuple[str, str]:
    head, comma, data = url.removeprefix("data:").partition(",")
    media_type, _, encoding = head.rpartition(";")
    if not comma or encoding != "base64":
        refuse(where, "Send a data URL in base64.")
    return media_type, data


_BLOCKS: Mapping[Any, Callable[[Mapping[str, Any], str], Json]] = {
    "text": _text,
    "image_url": _image,
    "file": _document,
}
