"""Reading a conversation in OpenAI's form: whose words are in it, and what ties it to the model that spoke last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Message = Mapping[str, Any]

WRAPPERS = ("system-reminder", "environment_details", "environment_context")
"""Elements that coding agents put into user turns; what is inside is not the user's words."""

HELD_PARAMETERS = ("previous_response_id", "conversation", "container", "cached_content", "cachedContent")
"""Fields of a request that name state which only the provider of the last answer holds."""

SIGNED = ("thinking_blocks", "thoughtSignature", "thought_signature", "encrypted_content")
"""Fields of an assistant's message that only the vendor who wrote them can read."""

VENDORS = ("anthropic", "gemini")
"""Objects of fields that only one vendor knows, beside those of OpenAI's form."""

TOOL_RESULTS = frozenset({"tool_result", "function_call_output"})


class Turns(NamedTuple):
    """The user's last words, and the full turn before them; empty where there is none.

    answer : the last words of the assistant between the two.
    """

    last: str
    previous: str = ""
    answer: str = ""


def turns(messages: Sequence[Message]) -> Turns:
    """Find the last user message that has words, and the turn before it.

    Tool results and system text are nobody's words here. Two user messages without an answer between them are one turn,
    of which the later message is taken. Without a user message it is the last message that holds text.
    """
    last: str | None = None
    answer: str | None = None
    asked = False
    for message in reversed(messages):
        role = message.get("role")
        if role == "user":
            asked = True
            words = own_words(content_text(message.get("content")))
            if words and last is None:
                last = words
            elif words and answer is not None and last is not None:
                return Turns(last, words, answer)
        elif role == "assistant" and last is not None and not answer:
            answer = content_text(message.get("content"))
    return Turns(last or "" if asked else _last_text(messages))


def own_words(text: str) -> str:
    """Return a user's text without what agents wrap around it; a wrapper that is never closed is left as it is."""
    if "<" not in text:
        return text
    for name in WRAPPERS:
        text = _without(text, f"<{name}>", f"</{name}>")
    return text


def open_tool_loop(messages: Sequence[Message]) -> Message | None:
    """Return the assistant's message whose tool calls wait for a reply to their results; None where no loop is open.

    A loop is open until the assistant has spoken again, whatever else was said in between.
    """
    spoke = last_answer(messages)
    return spoke if spoke is not None and (spoke.get("tool_calls") or spoke.get("function_call")) else None


def last_answer(messages: Sequence[Message]) -> Message | None:
    """Return the assistant's latest message, or None."""
    return next((message for message in reversed(messages) if message.get("role") == "assistant"), None)


def held_state(messages: Sequence[Message], parameters: Mapping[str, Any]) -> str | None:
    """Return the field that refers to what only one provider holds or can read; None where there is none.

    Of the conversation the assistant's latest message counts: signatures of earlier ones are for nobody to check.
    """
    own = (parameters[vendor] for vendor in VENDORS if isinstance(parameters.get(vendor), Mapping))
    for fields in (parameters, *own):
        for name in HELD_PARAMETERS:
            if fields.get(name) is not None:
                return name
    spoke = last_answer(messages)
    return None if spoke is None else _signature(spoke)


def opening(messages: Sequence[Message]) -> tuple[str, str]:
    """Return the first system text and the user's first words: what a conversation keeps while it grows."""
    system = next((m for m in messages if m.get("role") in ("system", "developer")), None)
    users = (own_words(content_text(m.get("content"))) for m in messages if m.get("role") == "user")
    return content_text(system.get("content")) if system is not None else "", next(filter(None, users), "")


def content_text(content: object) -> str:
    """Return the text of a message's content: a string, or the text parts of a list; anything else has none."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(_text_parts(content))
    return ""


def _text_parts(parts: Sequence[object]) -> Iterator[str]:
    for part in parts:
        text = part if not isinstance(part, Mapping) else None if _is_tool_result(part) else part.get("text")
        if isinstance(text, str):
            yield text


def _is_tool_result(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and kind in TOOL_RESULTS


def _last_text(messages: Sequence[Message]) -> str:
    texts = (content_text(message.get("content")) for message in reversed(messages))
    return next((text for text in texts if text), "")


def _without(text: str, begin: str, end: str) -> str:
    """Return a text without the elements from `begin` to `end`, in one pass; text around them is stripped."""
    at = text.find(begin)
    kept: list[str] = []
    start = 0
    while at >= 0 and (stop := text.find(end, at)) >= 0:
        kept.append(text[start:at])
        start = stop + len(end)
        at = text.find(begin, start)
    return text if not kept else "".join([*kept, text[start:]]).strip()


def _signature(value: object, depth: int = 4) -> str | None:
    """Return the first field of `SIGNED` that an object has, itself or inside of it; at most so deep."""
    if isinstance(value, Mapping):
        found = next((name for name in SIGNED if value.get(name)), None)
        inside: Iterable[object] = value.values()
    elif isinstance(value, list):
        found, inside = None, value
    else:
        return None
    if found is not None or depth == 0:
        return found
    return next((name for part in inside if (name := _signature(part, depth - 1)) is not None), None)
