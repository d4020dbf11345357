"""Extension fields: what chat completions have no field for, kept beside what they have, until a vendor that knows it.

`anthropic` : an object on a request, message, part, tool or tool call, of fields that stand there in Anthropic's form.
`gemini` : likewise, in Gemini's.
`thinking_blocks` : on an assistant's message or delta, Anthropic's blocks of thinking, with their signatures.

No other vendor can read them, and some refuse what they do not know, so `without` takes them off on the way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ANTHROPIC = "anthropic"
GEMINI = "gemini"
THINKING = "thinking_blocks"

APART = "shown_apart"
"""Of a tool's result with images: only Anthropic takes them there, so others are shown them in a message after it."""

EXTENSIONS = frozenset({ANTHROPIC, THINKING, GEMINI})
MARKS = tuple(f'"{name}"'.encode() for name in EXTENSIONS)

Json = dict[str, Any]


def extension(value: Mapping[str, Any]) -> Json:
    """Return the fields of Anthropic's that stand beside a value."""
    found = value.get(ANTHROPIC)
    return dict(found) if isinstance(found, Mapping) else {}


def extended(value: Json, fields: Mapping[str, Any]) -> Json:
    """Return a value with fields of Anthropic's beside it, where there are any."""
    return {**value, ANTHROPIC: dict(fields)} if fields else value


def without(body: Mapping[str, Any], names: frozenset[str] = EXTENSIONS) -> Json:
    """Return a request without extension fields of these names, and without what stands in Anthropic's too.

    That a tool's result is an error is said in its text instead, and its images are the user's, after all results.
    """
    own = extension(body)
    plain = {name: value for name, value in _bare(body, names).items() if name not in own}
    plain["messages"] = list(_messages(body["messages"], names))
    if isinstance(body.get("tools"), list):
        plain["tools"] = _all_bare(body["tools"], names)
    return plain


def _messages(messages: Iterable[Mapping[str, Any]], names: frozenset[str]) -> Iterator[Json]:
    shown: list[Any] = []
    for message in messages:
        if shown and message.get("role") != "tool":
            yield {"role": "user", "content": shown}
            shown = []
        plain = _message(message, names)
        if extension(message).get(APART) is True and isinstance(plain.get("content"), list):
            shown += [part for part in plain["content"] if part["type"] != "text"]
            plain["content"] = [part for part in plain["content"] if part["type"] == "text"] or "Shown below."
        yield plain
    if shown:
        yield {"role": "user", "content": shown}


def _message(message: Mapping[str, Any], names: frozenset[str]) -> Json:
    plain = _bare(message, names)
    for name in ("content", "tool_calls"):
        if isinstance(plain.get(name), list):
            plain[name] = _all_bare(plain[name], names)
    if extension(message).get("is_error") is True:
        plain["content"] = _as_error(plain.get("content"))
    return plain


def _as_error(content: Any) -> Any:
    if isinstance(content, list):
        return [{"type": "text", "text": "Error:"}, *content]
    return f"Error: {content or ''}".rstrip()


def _bare(value: Mapping[str, Any], names: frozenset[str]) -> Json:
    return {name: inner for name, inner in value.items() if name not in names}


def _all_bare(values: list[Any], names: frozenset[str]) -> list[Any]:
    return [_bare(value, names) if isinstance(value, Mapping) else value for value in values]
