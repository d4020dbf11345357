"""The messages of a chat completion as Gemini's contents: turns of `user` and `model`, each a list of parts."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.extensions import GEMINI

"""Our extension field: an object on a request, message or tool call, of fields that stand there in Gemini's form."""

UNSIGNED = "skip_thought_signature_validator"
"""What Gemini 3 takes in place of the signature of a call that another model made; without one it refuses the call."""

SYSTEM = ("system", "developer")

FIELDS = frozenset(
    {"annotations", "content", "images", "name", "reasoning", "reasoning_content", "refusal", "role", "tool_call_id"}
    | {"tool_calls", GEMINI}
)
"""Fields of a message that are known; `name` is not sent, nor are `annotations` and `images`, which are of answers."""


def contents(messages: Iterable[Mapping[str, Any]], signs: bool) -> Json:
    """Return `contents` and, where there is any, `systemInstruction`; raises RequestError for what cannot be carried.

    signs : the model asks for signatures of its calls. Turns that follow each other in one role are one.
    """
    turns: list[Json] = []
    told: list[Json] = []
    names: dict[str, str] = {}  # of the functions, by the id of the call
    for number, message in enumerate(messages):
        place, role = f"messages[{number}]", message.get("role")
        _check(message, place)
        if role in SYSTEM:
            told += parts(message.get("content"), place)
        elif role == "assistant":
            _add(turns, "model", _said(message, place, names, signs))
        elif role == "tool":
            _add(turns, "user", [_result(message, place, names)])
        elif role == "user":
            _add(turns, "user", parts(message.get("content"), place))
        else:
            raise RequestError(f"'{place}.role': Gemini knows no role {role!r}.", f"{place}.role")
    return {"contents": turns, **({"systemInstruction": {"parts": told}} if told else {})}


def _check(message: Mapping[str, Any], place: str) -> None:
    for name, value in message.items():
        if name not in FIELDS and value is not None:
            raise RequestError(f"'{place}.{name}': Gemini has nothing for it.", f"{place}.{name}")


def _add(turns: list[Json], role: str, added: list[Json]) -> None:
    if turns and turns[-1]["role"] == role:
        turns[-1]["parts"] += added
    else:
        turns.append({"role": role, "parts": added})


def _said(message: Mapping[str, Any], place: str, names: dict[str, str], signs: bool) -> list[Json]:
    thought = message.get("reasoning_content") or message.get("reasoning")
    said: list[Json] = [{"text": thought, "thought": True}] if isinstance(thought, str) else []
    said += parts(message.get("content"), place)
    if isinstance(message.get("refusal"), str):
        said.append({"text": message["refusal"]})
    calls = [_call(call, f"{place}.tool_calls[{n}]", names) for n, call in enumerate(message.get("tool_calls") or ())]
    if calls and signs and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = UNSIGNED
    own = message.get(GEMINI)
    if isinstance(own, Mapping) and said:
        said[-1] = {**said[-1], **own}
    return said + calls


def _call(call: Mapping[str, Any], place: str, names: dict[str, str]) -> Json:
    function = call.get("function")
    if not isinstance(function, Mapping):
        raise RequestError(f"'{place}': Gemini has calls of functions only.", place)
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "{}", type=dict[str, Any])
    except (ValueError, TypeError):
        where = f"{place}.function.arguments"
        raise RequestError(f"'{where}': Gemini takes a JSON object only.", where) from None
    made: Json = {"name": function.get("name"), "args": arguments}
    if isinstance(call.get("id"), str):
        made["id"] = call["id"]
        names[call["id"]] = str(function.get("name"))
    own = call.get(GEMINI)
    return {"functionCall": made, **(own if isinstance(own, Mapping) else {})}


def _result(message: Mapping[str, Any], place: str, names: Mapping[str, str]) -> Json:
    id = message.get("tool_call_id")
    name = names.get(id) if isinstance(id, str) else None
    if name is None:
        where = f"{place}.tool_call_id"
        raise RequestError(f"'{where}' names no call of an earlier message. Got {id!r}.", where)
    given = parts(message.get("content"), place)
    if not all(set(part) == {"text"} for part in given):
        raise RequestError(f"'{place}.content': Gemini takes the text of a tool's result only.", f"{place}.content")
    return {"functionResponse": {"id": id, "name": name, "response": _object("\n".join(p["text"] for p in given))}}


def _object(text: str) -> Json:
    """Return the object that a text holds; Gemini wants one, so any other text is put into one."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (ValueError, RecursionError):
        return {"result": text}


def parts(content: object, place: str) -> list[Json]:
    """Return the parts of a message's content; raises RequestError for a kind that Gemini does not have."""
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [{"text": content}]
    if not isinstance(content, list):
        raise RequestError(f"'{place}.content' must be a string or an array.", f"{place}.content")
    return [_part(part, f"{place}.content[{number}]") for number, part in enumerate(content)]


def _part(part: Mapping[str, Any], place: str) -> Json:
    kind = part.get("type")
    inner = part.get(kind) if isinstance(kind, str) else None
    match kind:
        case "text" | "refusal" if isinstance(inner, str):
            return {"text": inner}
        case "image_url" if isinstance(inner, Mapping):
            return _media(inner.get("url"), place)
        case "input_audio" if isinstance(inner, Mapping):
            return {"inlineData": {"mimeType": f"audio/{inner.get('format')}", "data": inner.get("data")}}
        case "file" if isinstance(inner, Mapping) and inner.get("file_data") is not None:
            return _media(inner["file_data"], place)
    raise RequestError(f"'{place}': Gemini cannot be given a part of type {kind!r} in this form.", place)


def _media(url: object, place: str) -> Json:
    if not isinstance(url, str):
        raise RequestError(f"'{place}' holds no address.", place)
    if not url.startswith("data:"):
        kind, _ = mimetypes.guess_type(url.partition("?")[0])
        return {"fileData": {"fileUri": url, **({} if kind is None else {"mimeType": kind})}}
    head, comma, data = url.removeprefix("data:").partition(",")
    if not comma or not head.endswith(";base64"):
        raise RequestError(f"'{place}': a data URL must hold base64.", place)
    return {"inlineData": {"mimeType": head.partition(";")[0], "data": data}}
