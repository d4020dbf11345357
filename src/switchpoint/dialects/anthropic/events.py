"""The events of a streamed message, written from the chunks of a chat completion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from switchpoint.core.attempt import Chunk
from switchpoint.dialects.anthropic.errors import write_error
from switchpoint.dialects.anthropic.message import reasoning, stop, unshaped, usage
from switchpoint.dialects.dialect import Json
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.extensions import THINKING

_DECODER = msgspec.json.Decoder(dict[str, Any])
_COUNTED: Json = {"input_tokens": 0, "output_tokens": 0}


def event(body: Json) -> bytes:
    """Return one event; its name is its type."""
    return b"event: %b\ndata: %b\n\n" % (body["type"].encode(), encode(body))


class Events:
    """Writes one streamed message; see `Writer`.

    Blocks do not overlap: one ends where a piece of another kind, or of another call, comes. Counts of tokens are
    cumulative: the first event has counted nothing, the last but one all.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._begun = False
        self._block: tuple[object, ...] | None = None  # the kind and number of the block that is open
        self._blocks = 0
        self._calls: dict[object, tuple[object, int]] = {}  # by the index of a call: its id, the number of its block
        self._choice: Mapping[str, Any] = {}
        self._usage: Mapping[str, Any] | None = None

    def event(self, chunk: Chunk) -> bytes:
        """Return the events of a chunk; raises BadAnswer for one whose pieces have not OpenAI's shape."""
        try:
            return self._event(_DECODER.decode(chunk.data))
        except (AttributeError, TypeError, KeyError) as error:
            raise unshaped(error) from None

    def _event(self, body: Json) -> bytes:
        self._usage = body.get("usage") or self._usage
        events = [] if self._begun else [self._start(body)]
        for choice in body.get("choices") or ():
            if choice.get("index") in (0, None):
                events += self._pieces(choice.get("delta") or {})
                if choice.get("finish_reason") is not None:
                    self._choice = choice
        return b"".join(map(event, events))

    def end(self, story: Mapping[str, Any] | None) -> bytes:
        """Return why it stopped, what it used, and the end, which holds the story."""
        told = {} if story is None else {"switchpoint": story}
        delta: Json = {"type": "message_delta", "delta": stop(self._choice), "usage": usage(self._usage)}
        return b"".join(map(event, [*self._stop(), delta, {"type": "message_stop", **told}]))

    def error(self, told: Mapping[str, Any]) -> bytes:
        """Return the event of an error."""
        return event(write_error(told, None))

    def _start(self, body: Json) -> Json:
        self._begun = True
        message: Json = {"id": str(body.get("id") or "msg"), "type": "message", "role": "assistant"}
        message |= {"model": self._model, "content": [], "stop_reason": None, "stop_sequence": None}
        return {"type": "message_start", "message": {**message, "usage": _COUNTED}}

    def _pieces(self, delta: Mapping[str, Any]) -> Iterator[Json]:
        yield from self._thinking(delta)
        for text in (delta.get("content"), delta.get("refusal")):
            if text:
                yield from self._open(("text",), {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": text})
        for call in delta.get("tool_calls") or ():
            yield from self._call(call)

    def _thinking(self, delta: Mapping[str, Any]) -> Iterator[Json]:
        blocks = delta.get(THINKING)
        text = reasoning(delta)
        if blocks is None and text:
            blocks = [{"type": "thinking", "thinking": text}]
        for block in blocks or ():
            key = (block.get("type"), block.get("index"))
            if block.get("type") == "redacted_thinking":
                yield from self._open(key, {"type": "redacted_thinking", "data": block.get("data")})
                continue
            yield from self._open(key, {"type": "thinking", "thinking": "", "signature": ""})
            for kind, name in (("thinking_delta", "thinking"), ("signature_delta", "signature")):
                if block.get(name):
                    yield self._delta({"type": kind, name: block[name]})

    def _call(self, call: Mapping[str, Any]) -> Iterator[Json]:
        """Write a piece of a call; one with another id under the same index is another call, as some servers count."""
        function, index, id = call.get("function") or {}, call.get("index"), call.get("id")
        known = self._calls.get(index)
        if known is None or (id is not None and id != known[0]):
            head: Json = {"type": "tool_use", "id": id, "name": function.get("name"), "input": {}}
            yield from self._open(("tool_use", index, id), head)
            self._calls[index] = known = id, self._blocks - 1
        if function.get("arguments"):
            yield self._delta({"type": "input_json_delta", "partial_json": function["arguments"]}, known[1])

    def _open(self, block: tuple[object, ...], head: Json) -> Iterator[Json]:
        if block == self._block:
            return
        yield from self._stop()
        yield {"type": "content_block_start", "index": self._blocks, "content_block": head}
        self._block, self._blocks = block, self._blocks + 1

    def _delta(self, delta: Json, number: int | None = None) -> Json:
        index = self._blocks - 1 if number is None else number
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def _stop(self) -> Iterator[Json]:
        if self._block is not None:
            self._block = None
            yield {"type": "content_block_stop", "index": self._blocks - 1}
