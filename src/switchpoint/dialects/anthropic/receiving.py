"""Reading what an upstream answers: Anthropic's messages and events in, chat completions and chunks out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.extensions import THINKING, extended

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Why it stopped, in OpenAI's words; anything else is "stop". Anthropic's own word stays beside it."""


class Unreadable(Exception):
    """Something in an answer that chat completions have no form for."""


def read_message(message: Mapping[str, Any], created: int) -> Json:
    """Return a message as a `chat.completion`; raises Unreadable for a block that chat completions have no form for.

    created : seconds since the epoch, which Anthropic does not tell.
    """
    answer: Json = {"role": "assistant", "content": None}
    texts: list[str] = []
    calls: list[Json] = []
    thoughts: list[Json] = []
    for block in message["content"]:
        kind = block.get("type")
        if kind == "text":
            texts.append(block["text"])
        elif kind == "tool_use":
            calls.append(_call(block, encode(block["input"]).decode()))
        elif kind in ("thinking", "redacted_thinking"):
            thoughts.append(block)
        else:
            raise Unreadable(f"a block of type {kind!r}")
    if texts:
        answer["content"] = "".join(texts)
    if calls:
        answer["tool_calls"] = calls
    if thoughts:
        answer["reasoning_content"] = "".join(block.get("thinking", "") for block in thoughts)
        answer[THINKING] = thoughts
    return {
        "id": message.get("id"),
        "object": "chat.completion",
        "created": created,
        "model": message.get("model"),
        "choices": [{"index": 0, "message": answer, **finish(message)}],
        "usage": usage(message.get("usage") or {}),
    }


def _call(block: Mapping[str, Any], arguments: str) -> Json:
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments},
    }


def finish(stopped: Mapping[str, Any]) -> Json:
    """Return why an answer stopped; of a plain end there is nothing more to say than OpenAI's word."""
    reason = stopped.get("stop_reason")
    said = {name: stopped[name] for name in ("stop_reason", "stop_sequence", "stop_details") if stopped.get(name)}
    plain = reason in ("end_turn", "max_tokens", "tool_use", None) and len(said) <= 1
    return extended({"finish_reason": FINISH_REASONS.get(reason or "", "stop")}, {} if plain else said)


def usage(used: Mapping[str, Any]) -> Json:
    """Return usage as OpenAI counts it: prompt_tokens with what was read from and written to the prompt cache.

    What was written is `cache_write_tokens` of the details, OpenRouter's name. Unknown is null.
    """
    read, written = used.get("cache_read_input_tokens"), used.get("cache_creation_input_tokens")
    fresh, output = used.get("input_tokens"), used.get("output_tokens")
    prompt = None if fresh is None else fresh + (read or 0) + (written or 0)
    body: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": None if prompt is None or output is None else prompt + output,
    }
    cache = (("cached_tokens", read), ("cache_write_tokens", written))
    details = {name: count for name, count in cache if count is not None}
    if details:
        body["prompt_tokens_details"] = details
    thought = (used.get("output_tokens_details") or {}).get("thinking_tokens")
    if thought is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": thought}
    return body


class Pieces:
    """Turns the events of one stream into `chat.completion.chunk`s.

    ended : message_stop has come. An event of a type that is not known says nothing, as Anthropic asks of its clients.
    """

    def __init__(self, created: int) -> None:
        self.ended = False
        self._frame: Json = {"object": "chat.completion.chunk", "created": created}
        self._used: Json = {}
        self._calls: dict[int, tuple[int, bool]] = {}  # by the number of a block: that of its call, whether it was told

    def read(self, event: Mapping[str, Any]) -> list[Json]:
        """Return the chunks of an event; raises Unreadable."""
        kind = event.get("type")
        if kind == "content_block_delta":
            return self._delta(event["index"], event["delta"])
        if kind == "content_block_start":
            return self._block(event["index"], event["content_block"])
        if kind == "message_start":
            return self._start(event["message"])
        if kind == "message_delta":
            self._used |= {name: value for name, value in (event.get("usage") or {}).items() if value is not None}
            return self._finish(event["delta"])
        self.ended = self.ended or kind == "message_stop"
        return []

    def _start(self, message: Mapping[str, Any]) -> list[Json]:
        self._frame |= {"id": message.get("id"), "model": message.get("model")}
        self._used |= message.get("usage") or {}
        return [self._chunk({"role": "assistant", "content": ""})]

    def _finish(self, stopped: Mapping[str, Any]) -> list[Json]:
        if not stopped.get("stop_reason"):
            return []
        # The usage comes with the reason: should the connection break now, the bill is known.
        return [self._chunk({}, **finish(stopped)), {**self._frame, "choices": [], "usage": usage(self._used)}]

    def _block(self, number: int, block: Mapping[str, Any]) -> list[Json]:
        kind = block.get("type")
        if kind == "tool_use":
            self._calls[number] = len(self._calls), bool(block.get("input"))
            arguments = encode(block["input"]).decode() if block.get("input") else ""
            return [self._chunk({"tool_calls": [{"index": self._calls[number][0], **_call(block, arguments)}]})]
        if kind == "redacted_thinking":
            return [self._chunk({THINKING: [{"index": number, **block}]})]
        if kind not in ("text", "thinking"):
            raise Unreadable(f"a block of type {kind!r}")
        said = {name: block[name] for name in ("text", "thinking") if block.get(name)}
        return [piece for name in said for piece in self._delta(number, {"type": f"{name}_delta", name: said[name]})]

    def _delta(self, number: int, delta: Mapping[str, Any]) -> list[Json]:
        kind = delta.get("type")
        if kind == "text_delta":
            return [self._chunk({"content": delta["text"]})]
        if kind == "input_json_delta":
            piece = {"index": self._calls[number][0], "function": {"arguments": delta["partial_json"]}}
            return [self._chunk({"tool_calls": [piece]})] if delta["partial_json"] else []
        if kind == "thinking_delta":
            block = {"index": number, "type": "thinking", "thinking": delta["thinking"]}
            return [self._chunk({"reasoning_content": delta["thinking"], THINKING: [block]})]
        if kind == "signature_delta":
            block = {"index": number, "type": "thinking", "signature": delta["signature"]}
            return [self._chunk({THINKING: [block]})]
        raise Unreadable(f"a piece of type {kind!r}")

    def _chunk(self, delta: Json, finish_reason: str | None = None, **beside: Any) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, **beside}
        return {**self._frame, "choices": [choice]}
