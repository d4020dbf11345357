"""FakeAnthropic: a real HTTP server on loopback that speaks Anthropic's Messages, and behaves as the model's name says.

The events have the order and the fields of Anthropic's documented streams, pings and empty first deltas included.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.fake_openai import TEXT, Behaviour, Exchange, FakeOpenAI, failing, hanging_up, sending, silent

Block = dict[str, Any]

USAGE = {"input_tokens": 4, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 5, "output_tokens": 6}
SIGNATURE = "EqQBCgIYAhIM"
CALLS: list[Block] = [
    {"type": "tool_use", "id": "toolu_1", "name": "clock", "input": {"zone": "UTC"}},
    {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
]
THOUGHTS: list[Block] = [
    {"type": "thinking", "thinking": "Two and two.", "signature": SIGNATURE},
    {"type": "redacted_thinking", "data": "aGlkZGVu"},
]


def text(said: str) -> Block:
    return {"type": "text", "text": said}


def answering(*blocks: Block, stop: str = "end_turn", usage: Mapping[str, int] = USAGE, **stopped: Any) -> Behaviour:
    """Answer with these blocks, each in pieces of four characters when streamed."""

    async def behave(exchange: Exchange) -> None:
        if exchange.received.path.endswith("/count_tokens"):
            await exchange.json({"input_tokens": 42})
        elif exchange.received.streams:
            for event in events(exchange.received.model, blocks, usage, {"stop_reason": stop, **stopped}):
                await send(exchange, event)
            await exchange.end()
        else:
            body = message(exchange.received.model, list(blocks), usage)
            await exchange.json({**body, "stop_reason": stop, "stop_sequence": None, **stopped})

    return behave


def message(model: str, content: Sequence[Block], usage: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def events(
    model: str, blocks: Sequence[Block], usage: Mapping[str, int], stopped: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the events of a streamed message."""
    started = {"type": "message_start", "message": message(model, [], {**usage, "output_tokens": 1})}
    pieces = [event for number, block in enumerate(blocks) for event in _block(number, block)]
    ended = {"type": "message_delta", "delta": {"stop_sequence": None, **stopped}}
    return [
        started,
        {"type": "ping"},
        *pieces,
        {**ended, "usage": {"output_tokens": usage["output_tokens"]}},
        {"type": "message_stop"},
    ]


def _block(number: int, block: Block) -> list[dict[str, Any]]:
    kind = block["type"]
    if kind == "text":
        head, deltas = {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in cut(block["text"])]
    elif kind == "tool_use":
        written = json.dumps(block["input"]) if block["input"] else ""
        head = {**block, "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *cut(written)]]
    elif kind == "thinking":
        head = {**block, "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in cut(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        head, deltas = block, []
    return [
        {"type": "content_block_start", "index": number, "content_block": head},
        *({"type": "content_block_delta", "index": number, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": number},
    ]


def cut(whole: str) -> list[str]:
    return [whole[start : start + 4] for start in range(0, len(whole), 4)]


def sse(event: Mapping[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


async def send(exchange: Exchange, event: Mapping[str, Any]) -> None:
    await exchange.chunk(sse(event))


async def _begin(exchange: Exchange) -> None:
    """Send the beginning of an answer."""
    if not exchange.received.streams:
        await exchange.head(200, {"content-type": "application/json", "content-length": "1000"})
        await exchange.write(b'{"content": [')
        return
    for event in events(exchange.received.model, [text("Hell")], USAGE, {})[:-3]:
        await send(exchange, event)


async def stalling(exchange: Exchange) -> None:
    await _begin(exchange)
    await exchange.hang()


async def truncated(exchange: Exchange) -> None:
    await _begin(exchange)
    exchange.over = True


async def unfinished(exchange: Exchange) -> None:
    await _begin(exchange)
    await exchange.end()


async def dripping(exchange: Exchange) -> None:
    while True:
        await _begin(exchange)
        await asyncio.sleep(0.005)


async def undone(exchange: Exchange) -> None:
    """Close the connection after the stop reason, without message_stop."""
    for event in events(exchange.received.model, [text(TEXT)], USAGE, {"stop_reason": "end_turn"})[:-1]:
        await send(exchange, event)
    exchange.over = True


def erring(kind: str, said: str = "The server is tired.") -> Behaviour:
    """Send an error where the answer should be, or after its beginning when streamed."""

    async def behave(exchange: Exchange) -> None:
        error = {"type": "error", "error": {"type": kind, "message": said}}
        if not exchange.received.streams:
            await exchange.json(error)
            return
        await _begin(exchange)
        await send(exchange, error)
        await exchange.end()

    return behave


def refusing(status: int, kind: str, said: str = "No.", headers: Mapping[str, str] | None = None) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        body = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}
        await exchange.json(body, status, headers)

    return behave


async def echo(exchange: Exchange) -> None:
    """Answer with the text of the last turn."""
    content = exchange.received.body["messages"][-1]["content"]
    said = content if isinstance(content, str) else content[-1].get("text", "")
    await answering(text(said))(exchange)


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": answering(text(TEXT)),
    "echo": echo,
    "tools": answering(text("Let me look."), *CALLS, stop="tool_use"),
    "thinks": answering(*THOUGHTS, text(TEXT)),
    "stopped": answering(text(TEXT), stop="stop_sequence", stop_sequence="END"),
    "long": answering(text(TEXT), stop="max_tokens"),
    "declines": answering(text(""), stop="refusal"),
    "pauses": answering(text(TEXT), stop="pause_turn"),
    "searches": answering({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
    "silent": silent,
    "stalls": stalling,
    "drips": dripping,
    "truncated": truncated,
    "unfinished": unfinished,
    "undone": undone,
    "hangs-up": hanging_up,
    "broken-json": sending(b'{"content": [{'),
    "no-content": sending(b'{"type": "message"}'),
    "error-event": erring("api_error"),
    "overloaded-event": erring("overloaded_error"),
    "overloaded": refusing(529, "overloaded_error", "Overloaded"),
    "limited": refusing(429, "rate_limit_error", "Slow down.", {"retry-after": "7"}),
    "fails": refusing(500, "api_error", "The server is tired."),
    "refuses": refusing(400, "invalid_request_error", "Bad request."),
    "nobody": failing(404),
}
"""What each model does unless a test says otherwise; any other model is refused with 404."""


class FakeAnthropic(FakeOpenAI):
    """The server; see `FakeOpenAI`."""

    def __init__(self, behaviours: Mapping[str, Behaviour] | None = None) -> None:
        super().__init__()
        self.behaviours = {**BEHAVIOURS, **(behaviours or {})}

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
