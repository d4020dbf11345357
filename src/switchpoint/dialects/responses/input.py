"""The input of the Responses API, a list of items, as the messages of a chat completion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from switchpoint.core.errors import RequestError
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.responses.sealed import opened
from switchpoint.dialects.responses.shape import each_object, must_be, needed, shaped, without

ROLES = ("user", "assistant", "system", "developer")
OURS = ("type", "id", "status")
"""Fields of an item that only say which one it is; no model reads them."""


def messages(instructions: str | None, said: object) -> list[Json]:
    """Return the messages; raises RequestError, which names the item at fault.

    Reasoning, text and calls of one turn, which are items of their own, are one message of the assistant.
    """
    result: list[Json] = [] if instructions is None else [{"role": "system", "content": instructions}]
    if isinstance(said, str):
        return [*result, {"role": "user", "content": said}]
    if not isinstance(said, list) or not said:
        raise must_be("input", "a string or an array of at least one item", said)
    for place, item in each_object(said, "input"):
        _item(item, place)(result, item, place)
    return result


Take = Callable[[list[Json], Json, str], None]


def _item(item: Json, place: str) -> Take:
    kind = item.get("type", "message" if "role" in item else None)
    take = _ITEMS.get(kind) if isinstance(kind, str) else None
    if take is not None:
        return take
    why = (
        "No responses are kept here: send the item itself."
        if kind == "item_reference"
        else f"Allowed: {', '.join(_ITEMS)}."
    )
    raise RequestError(f"'{place}': items of type {kind!r} are not served. {why}", f"{place}.type")


def _message(result: list[Json], item: Json, place: str) -> None:
    role = item.get("role")
    if role not in ROLES:
        raise RequestError(f"'{place}.role' must be one of {', '.join(ROLES)}. Got {role!r} instead.", f"{place}.role")
    content = item.get("content")
    if not isinstance(content, str):
        content = [part(each, where) for where, each in each_object(content, f"{place}.content")]
    rest = without(item, (*OURS, "role", "content"))
    if role == "assistant":
        message = _turn(result, "content")
        message.update(rest)
        message["content"] = _joined(message["content"], _alone(content))
    else:
        result.append({"role": role, "content": content, **rest})


def _function_call(result: list[Json], item: Json, place: str) -> None:
    function = {"name": needed(item, "name", str, place), "arguments": needed(item, "arguments", str, place)}
    _call(result, item, place, {"type": "function", "function": function})


def _custom_call(result: list[Json], item: Json, place: str) -> None:
    custom = {"name": needed(item, "name", str, place), "input": needed(item, "input", str, place)}
    _call(result, item, place, {"type": "custom", "custom": custom})


def _call(result: list[Json], item: Json, place: str, call: Json) -> None:
    rest = without(item, (*OURS, "call_id", "name", "arguments", "input"))
    made = {"id": needed(item, "call_id", str, place), **call, **rest}
    _turn(result).setdefault("tool_calls", []).append(made)


def _output(result: list[Json], item: Json, place: str) -> None:
    content = item.get("output")
    if not isinstance(content, str):
        content = [part(each, where) for where, each in each_object(content, f"{place}.output")]
    rest = without(item, (*OURS, "call_id", "output"))
    result.append({"role": "tool", "tool_call_id": needed(item, "call_id", str, place), "content": content, **rest})


def _reasoning(result: list[Json], item: Json, place: str) -> None:
    text = _texts(item, "content", place) or _texts(item, "summary", place)
    message = _turn(result, "content" if text else "")  # what is only sealed may have come after the text
    if text:
        message["reasoning_content"] = _joined(message.get("reasoning_content"), text)
    sealed = shaped(item, "encrypted_content", str, f"{place}.encrypted_content")
    if sealed is not None:
        fields = opened(sealed, f"{place}.encrypted_content")
        message.update({name: value for name, value in fields.items() if name not in message})


def _texts(item: Json, name: str, place: str) -> str:
    given = item.get(name)
    parts = [] if given is None else each_object(given, f"{place}.{name}")
    return "\n\n".join(needed(each, "text", str, where) for where, each in parts)


_ITEMS: Mapping[str, Take] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _output,
    "custom_tool_call": _custom_call,
    "custom_tool_call_output": _output,
    "reasoning": _reasoning,
}


def _turn(result: list[Json], adding: str = "") -> Json:
    """Return the message that an item of the assistant belongs to: the last one, unless it is somebody else's.

    adding : a field that begins another message where the last one already has it. Not after a call: servers want its
    output next.
    """
    last = result[-1] if result else {}
    calls = "tool_calls" in last
    if last.get("role") != "assistant" or (not calls and last.get(adding) is not None):
        last = {"role": "assistant", "content": None}
        result.append(last)
    return last


def _joined(first: Any, second: Any) -> Any:
    """Return two contents as one; nearly always there is no first."""
    if first is None:
        return second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_listed(first), *_listed(second)]


def _listed(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _alone(content: Any) -> Any:
    """Return the text alone where a message has no more than one: servers take it everywhere."""
    if isinstance(content, list) and len(content) == 1 and set(content[0]) == {"type", "text"}:
        return content[0]["text"]
    return content


def part(given: Json, place: str) -> Json:
    """Return a part of a message's content; raises RequestError for a kind that cannot be carried."""
    match given.get("type"):
        case "input_text":
            return {**given, "type": "text", "text": needed(given, "text", str, place)}
        case "output_text":
            text = {"type": "text", "text": needed(given, "text", str, place)}
            return {**without(given, ("annotations", "logprobs")), **text}
        case "refusal" | "input_audio":
            return given
        case "input_image":
            return _image(given, place)
        case "input_file":
            return _file(given, place)
    allowed = "input_text, output_text, refusal, input_image, input_file, input_audio"
    raise RequestError(
        f"'{place}': parts of type {given.get('type')!r} are not served. Allowed: {allowed}.", f"{place}.type"
    )


def _image(given: Json, place: str) -> Json:
    if given.get("file_id") is not None:
        raise RequestError(
            f"'{place}.file_id': no files are kept here. Send the image as 'image_url', which may be a data URL.",
            f"{place}.file_id",
        )
    image = {"url": needed(given, "image_url", str, place)}
    if given.get("detail") is not None:
        image["detail"] = given["detail"]
    return {"type": "image_url", "image_url": image, **without(given, ("type", "image_url", "detail", "file_id"))}


def _file(given: Json, place: str) -> Json:
    if given.get("file_url") is not None:
        raise RequestError(
            f"'{place}.file_url': a chat completion takes no address of a file. Send 'file_data'.", f"{place}.file_url"
        )
    names = ("filename", "file_data", "file_id")
    file = {name: given[name] for name in names if given.get(name) is not None}
    return {"type": "file", "file": file, **without(given, ("type", "file_url", *names))}
