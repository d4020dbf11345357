"""Joining: the chunks of a streamed answer become the body that the same answer would have had in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from switchpoint.core.attempt import Answer, Chunk

T = TypeVar("T")
Json = dict[str, Any]

_SAID = ("reasoning_content", "reasoning", "refusal")
"""Fields of a delta, beside its content, that come in pieces of text."""


def joined(chunks: Sequence[Chunk], *, body: bool) -> Answer:
    """Put chunks together. body : whether the message is put together too, for whoever has to look at it."""
    text = "".join(chunk.text for chunk in chunks)
    finish_reason = _last(chunk.finish_reason for chunk in chunks)
    choice = {"index": 0, "message": _message(chunks, text), "finish_reason": finish_reason} if body else None
    return Answer(
        text=text,
        model=_last(chunk.model for chunk in chunks),
        finish_reason=finish_reason,
        usage=_last(chunk.usage for chunk in chunks),
        logprobs=tuple(value for chunk in chunks for value in chunk.logprobs),
        body={"choices": [choice]} if choice else {},
        cached=chunks[0].cached if chunks else False,
    )


def calls_tool(chunk: Chunk) -> bool:
    """Whether a chunk holds any part of a tool call."""
    if b'"tool_calls"' not in chunk.data and b'"function_call"' not in chunk.data:
        return False  # most chunks: not worth decoding
    return any(delta.get("tool_calls") or delta.get("function_call") for delta in _deltas([chunk]))


def _message(chunks: Sequence[Chunk], text: str) -> Json:
    said: dict[str, str] = {}
    calls: dict[int, Json] = {}
    function: Json = {}
    for delta in _deltas(chunks):
        for name in _SAID:
            if isinstance(delta.get(name), str):
                said[name] = said.get(name, "") + delta[name]
        _add_calls(calls, delta.get("tool_calls"))
        _add_function(function, delta.get("function_call"))
    message: Json = {"role": "assistant", "content": text or None if calls or function else text, **said}
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    if function:
        message["function_call"] = function
    return message


def _deltas(chunks: Iterable[Chunk]) -> Iterator[Mapping[str, Any]]:
    """Yield the deltas of the first choice; what is not in OpenAI's form holds none."""
    for chunk in chunks:
        try:
            event = msgspec.json.decode(chunk.data)
        except (ValueError, RecursionError):
            continue
        choices = event.get("choices") if isinstance(event, dict) else None
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and choice.get("index") in (0, None) and isinstance(choice.get("delta"), dict):
                yield choice["delta"]


def _add_calls(calls: dict[int, Json], pieces: object) -> None:
    for piece in pieces if isinstance(pieces, list) else ():
        if not isinstance(piece, dict):
            continue
        call = calls.setdefault(_index(calls, piece), {})
        for name in ("id", "type"):
            if piece.get(name) and name not in call:
                call[name] = piece[name]
        _add_function(call.setdefault("function", {}), piece.get("function"))


def _index(calls: Mapping[int, Json], piece: Json) -> int:
    """Return which call a piece belongs to; some servers send no index, but each call with its own id."""
    index = piece.get("index")
    if isinstance(index, int):
        return index
    known = next((number for number, call in calls.items() if call.get("id") == piece.get("id")), None)
    if known is not None:
        return known
    last = max(calls, default=-1)
    return last + 1 if piece.get("id") or last < 0 else last


def _add_function(function: Json, piece: object) -> None:
    if not isinstance(piece, dict):
        return
    if piece.get("name"):
        function.setdefault("name", piece["name"])
    function["arguments"] = function.get("arguments", "") + _text(piece.get("arguments"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _last(values: Iterable[T | None]) -> T | None:
    found = None
    for value in values:
        found = found if value is None else value
    return found
