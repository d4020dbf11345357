"""FakeOpenAI: a real HTTP server on loopback that behaves as the model's name says. A test double for every room.

    with FakeOpenAI({"mini": answering("4"), "big": failing(503)}) as server:
        ...  # call server.base_url; look at server.requests

It runs in a thread with an event loop of its own, so that synchronous tests and other processes can call it too.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

TEXT = "Hello there, friend."
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 4,
    "total_tokens": 16,
    "prompt_tokens_details": {"cached_tokens": 8},
}
LOGPROB = -0.25
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": '{"zone":"UTC"}'}}
ERROR = {"message": "The server is tired.", "type": "server_error", "param": None, "code": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; header names are lower-case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.body.get("model"))

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))


@dataclass(slots=True)
class Exchange:
    """One request and the means to answer it."""

    received: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chunked: bool = False
    over: bool = field(default=False)  # the connection cannot be used again

    async def head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers.items())]
        await self.write("\r\n".join([*lines, "", ""]).encode())

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def json(self, body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        await self.raw(json.dumps(body).encode(), status, {"content-type": "application/json", **(headers or {})})

    async def raw(self, data: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        await self.head(status, {"content-length": str(len(data)), **(headers or {})})
        await self.write(data)

    async def event(self, payload: Any) -> None:
        """Send one event of a stream, which the first one begins; a string is sent as it is."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        await self.chunk(f"data: {text}\n\n".encode())

    async def chunk(self, data: bytes) -> None:
        if not self.chunked:
            await self.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
            self.chunked = True
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def delta(self, finish: str | None = None, logprobs: Any = None, **delta: Any) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        await self.event({**self.frame("chat.completion.chunk"), "choices": [choice], "usage": None})

    async def end(self) -> None:
        await self.write(b"0\r\n\r\n")

    async def hang(self) -> None:
        """Say nothing more until the client goes away."""
        if await self.reader.read(1) == b"":
            raise ConnectionResetError

    def frame(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": self.received.model}


Behaviour = Callable[[Exchange], Awaitable[None]]


def answering(text: str = TEXT, *, usage: Mapping[str, Any] | None = USAGE, finish: str = "stop") -> Behaviour:
    """Answer with this text, in pieces of four characters when streamed; log-probabilities if asked for."""

    async def behave(exchange: Exchange) -> None:
        body = exchange.received.body
        token = {"token": "x", "bytes": None, "logprob": LOGPROB, "top_logprobs": []}
        pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
        asked = body.get("logprobs") is True
        if not exchange.received.streams:
            logprobs = {"content": [token] * len(pieces)} if asked else None
            message = {"role": "assistant", "content": text}
            await exchange.json(_completion(exchange, message, finish, usage, logprobs))
            return
        await exchange.delta(role="assistant", content="")
        for piece in pieces:
            await exchange.delta(content=piece, logprobs={"content": [token]} if asked else None)
        await exchange.delta(finish)
        await _end_stream(exchange, usage)

    return behave


def failing(status: int, message: str = "No.", headers: Mapping[str, str] | None = None, **error: Any) -> Behaviour:
    """Refuse with this status and an error object in OpenAI's form."""

    async def behave(exchange: Exchange) -> None:
        await exchange.json({"error": {**ERROR, "message": message, **error}}, status, headers)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Behave in these ways, one request after the other; the last way stays."""
    left = list(behaviours)

    async def behave(exchange: Exchange) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(exchange)

    return behave


def sending(data: bytes, content_type: str = "application/json") -> Behaviour:
    """Answer 200 with exactly these bytes."""

    async def behave(exchange: Exchange) -> None:
        await exchange.raw(data, headers={"content-type": content_type})

    return behave


async def echo(exchange: Exchange) -> None:
    """Answer with the last message's text."""
    await answering(str(exchange.received.body["messages"][-1]["content"]))(exchange)


async def other_name(exchange: Exchange) -> None:
    """Answer under the name of another model."""
    exchange.received.body["model"] = "somebody-else"
    await answering()(exchange)


async def tool_call(exchange: Exchange) -> None:
    """Answer with a call of a tool, its arguments in two pieces when streamed."""
    if not exchange.received.streams:
        message = {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]}
        await exchange.json(_completion(exchange, message, "tool_calls", USAGE))
        return
    await exchange.delta(role="assistant", content=None)
    first, second = TOOL_CALL["function"]["arguments"][:5], TOOL_CALL["function"]["arguments"][5:]
    function = {**TOOL_CALL["function"], "arguments": first}
    await exchange.delta(tool_calls=[{**TOOL_CALL, "index": 0, "function": function}])
    await exchange.delta(tool_calls=[{"index": 0, "function": {"arguments": second}}])
    await exchange.delta("tool_calls")
    await _end_stream(exchange, USAGE)


async def silent(exchange: Exchange) -> None:
    """Never answer."""
    await exchange.hang()


async def stalling(exchange: Exchange) -> None:
    """Send the beginning of an answer and nothing more."""
    if exchange.received.streams:
        await exchange.delta(content="Hel")
    else:
        await exchange.head(200, {"content-type": "application/json", "content-length": "1000"})
        await exchange.write(b'{"choices": [')
    await exchange.hang()


async def dripping(exchange: Exchange) -> None:
    """Send a little, again and again, without end."""
    while True:
        await exchange.delta(content="x")
        await asyncio.sleep(0.005)


async def truncated(exchange: Exchange) -> None:
    """Close the connection in the middle of an answer."""
    if exchange.received.streams:
        await exchange.delta(content="Hel")
    else:
        await exchange.head(200, {"content-type": "application/json", "content-length": "1000"})
        await exchange.write(b'{"choices": [')
    exchange.over = True


async def unfinished(exchange: Exchange) -> None:
    """End a stream properly, but without a finish reason or [DONE]."""
    await exchange.delta(content="Hel")
    await exchange.end()


async def undone(exchange: Exchange) -> None:
    """Close the connection after the finish reason, without [DONE]."""
    await exchange.delta(content=TEXT)
    await exchange.delta("stop")
    exchange.over = True


async def lingering(exchange: Exchange) -> None:
    """Say [DONE], and end the stream a moment later."""
    await exchange.delta(content=TEXT)
    await exchange.event("[DONE]")
    await asyncio.sleep(0.01)
    await exchange.end()


async def empty_stream(exchange: Exchange) -> None:
    """Send a stream that consists of its end."""
    await exchange.event("[DONE]")
    await exchange.end()


def erring(**error: Any) -> Behaviour:
    """Answer 200 and put an error where the answer should be, or after its first piece when streamed."""

    async def behave(exchange: Exchange) -> None:
        body = {"error": {**ERROR, **error}}
        if not exchange.received.streams:
            await exchange.json(body)
            return
        await exchange.delta(content="Hel")
        await exchange.event(body)
        await exchange.end()

    return behave


async def hanging_up(exchange: Exchange) -> None:
    """Close the connection instead of answering."""
    exchange.over = True


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": answering(),
    "echo": echo,
    "other-name": other_name,
    "tools": tool_call,
    "silent": silent,
    "stalls": stalling,
    "drips": dripping,
    "truncated": truncated,
    "unfinished": unfinished,
    "undone": undone,
    "lingers": lingering,
    "empty-stream": empty_stream,
    "hangs-up": hanging_up,
    "broken-json": sending(b'{"choices": [{'),
    "no-choices": sending(b'{"choices": []}'),
    "error-event": erring(),
    "limited": failing(429, "Slow down.", {"retry-after": "7"}),
    "fails": failing(500, "The server is tired."),
    "refuses": failing(400, "Bad request.", type="invalid_request_error"),
}
"""What each model does unless a test says otherwise; any other model is refused with 404."""


class FakeOpenAI:
    """The server.

    requests : every request received; connections : how many were opened.
    disconnected : set once a client has gone away in the middle of an answer.
    """

    def __init__(self, behaviours: Mapping[str, Behaviour] | None = None) -> None:
        self.behaviours = {**BEHAVIOURS, **(behaviours or {})}
        self.requests: list[Received] = []
        self.connections = 0
        self.disconnected = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = threading.Condition()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def wait_for_requests(self, count: int, timeout_s: float = 5.0) -> bool:
        """Wait in a thread of one's own until so many requests have come; False if they have not."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.requests) >= count, timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def _shut(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (received := await _receive(reader)) is not None:
                self._record(received)
                exchange = Exchange(received, reader, writer)
                await self._answer(exchange)
                if exchange.over:
                    break
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _record(self, received: Received) -> None:
        with self._arrived:
            self.requests.append(received)
            self._arrived.notify_all()

    async def _answer(self, exchange: Exchange) -> None:
        unknown = failing(404, "The model does not exist.", code="model_not_found")
        try:
            await self.behaviours.get(exchange.received.model, unknown)(exchange)
        except OSError:
            exchange.over = True
            self.disconnected.set()


async def _receive(reader: asyncio.StreamReader) -> Received | None:
    """Read one request; None when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (EOFError, OSError):
        return None
    return Received(path=first.split(" ")[1], headers=headers, body=json.loads(body or b"{}"))


def _completion(
    exchange: Exchange, message: Any, finish: str, usage: Mapping[str, Any] | None, logprobs: Any = None
) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": logprobs}
    return {**exchange.frame("chat.completion"), "choices": [choice], "usage": usage}


async def _end_stream(exchange: Exchange, usage: Mapping[str, Any] | None) -> None:
    if (exchange.received.body.get("stream_options") or {}).get("include_usage"):
        await exchange.event({**exchange.frame("chat.completion.chunk"), "choices": [], "usage": usage})
    await exchange.event("[DONE]")
    await exchange.end()
