"""What an upstream does wrong, over real sockets: behaviours of `tests.fake_openai.FakeOpenAI`."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache

from tests.fake_openai import TEXT, Behaviour, Exchange, answering, failing

HUGE = 9 * 1024 * 1024
JSON_HEAD = {"content-type": "application/json", "content-length": "1000"}
STREAM_HEAD = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset, as a machine does that has lost its memory of it."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _begin(exchange: Exchange) -> None:
    """Send the headers, and of a stream the first words, of a whole body its first bytes."""
    if exchange.received.streams:
        await exchange.delta(content="Hel")
    else:
        await exchange.head(200, JSON_HEAD)
        await exchange.write(b'{"choices": [')


async def reset(exchange: Exchange) -> None:
    exchange.over = True
    _reset(exchange.writer)


async def hang_up(exchange: Exchange) -> None:
    exchange.over = True


async def reset_after_headers(exchange: Exchange) -> None:
    await exchange.head(200, STREAM_HEAD if exchange.received.streams else JSON_HEAD)
    await asyncio.sleep(0.05)  # a reset takes what was sent and not yet read with it
    await reset(exchange)


async def reset_in_body(exchange: Exchange) -> None:
    await _begin(exchange)
    await asyncio.sleep(0.05)
    await reset(exchange)


async def not_http(exchange: Exchange) -> None:
    await exchange.write(b"220 mail.example ESMTP\r\n\r\n")
    exchange.over = True


async def silent(exchange: Exchange) -> None:
    await exchange.hang()


async def stall_after_headers(exchange: Exchange) -> None:
    await exchange.head(200, STREAM_HEAD if exchange.received.streams else JSON_HEAD)
    await exchange.hang()


async def stall_after_role(exchange: Exchange) -> None:
    if exchange.received.streams:
        await exchange.delta(role="assistant", content="")
    await exchange.hang()


async def stall_in_body(exchange: Exchange) -> None:
    await _begin(exchange)
    await exchange.hang()


async def stall_before_done(exchange: Exchange) -> None:
    if exchange.received.streams:
        await exchange.delta(content=TEXT)
        await exchange.delta("stop")
    await exchange.hang()


async def comments(exchange: Exchange) -> None:
    """Send heartbeats, so that a connection is never idle, and nothing else."""
    while exchange.received.streams:
        await exchange.chunk(b": still here\n\n")
        await asyncio.sleep(0.05)
    await exchange.hang()


def redirect(status: int) -> Behaviour:
    """Send callers to a path of the same server at which all is well."""

    async def behave(exchange: Exchange) -> None:
        if exchange.received.path.startswith("/well"):
            await answering("Followed.")(exchange)
        else:
            await exchange.raw(b"", status, {"location": "/well/v1/chat/completions"})

    return behave


def html(status: int) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await exchange.raw(b"<html><h1>Bad gateway</h1></html>", status, {"content-type": "text/html"})

    return behave


def empty(status: int) -> Behaviour:
    async def behave(exchange: Exchange) -> None:
        await (exchange.head(204, {}) if status == 204 else exchange.raw(b"", status))

    return behave


def limited_until(wait_s: float) -> Behaviour:
    """Refuse with 429 and the date from which on callers are welcome."""

    async def behave(exchange: Exchange) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=wait_s), usegmt=True)
        await failing(429, headers={"retry-after": date})(exchange)

    return behave


@cache
def bomb() -> bytes:
    """Return 100 MB of zeros in 100 kB; the first call takes a while."""
    return gzip.compress(bytes(100_000_000), compresslevel=6)


async def gzip_bomb(exchange: Exchange) -> None:
    kind = "text/event-stream" if exchange.received.streams else "application/json"
    await exchange.raw(bomb(), 200, {"content-type": kind, "content-encoding": "gzip"})


async def long_length(exchange: Exchange) -> None:
    body = json.dumps({"choices": []}).encode()
    await exchange.head(200, {"content-type": "application/json", "content-length": str(len(body) + 10)})
    await exchange.write(body)
    exchange.over = True


def streamed(behave: Behaviour) -> Behaviour:
    """Behave so in streams alone, and well otherwise."""

    async def either(exchange: Exchange) -> None:
        await (behave if exchange.received.streams else answering())(exchange)

    return either


async def one_body(exchange: Exchange) -> None:
    exchange.received.body["stream"] = False
    await answering()(exchange)


async def huge_event(exchange: Exchange) -> None:
    await exchange.event({"choices": [{"index": 0, "delta": {"content": "x" * HUGE}}]})
    await exchange.end()


async def huge_line(exchange: Exchange) -> None:
    for _ in range(9):
        await exchange.chunk(b"x" * (HUGE // 9))
    await exchange.end()


async def broken_event(exchange: Exchange) -> None:
    await exchange.delta(content="Hel")
    await exchange.event('{"choices": [{')
    await exchange.end()


async def error_event(exchange: Exchange) -> None:
    await exchange.delta(content="Hel")
    await error_first(exchange)


async def error_first(exchange: Exchange) -> None:
    await exchange.event({"error": {"message": "The server is tired.", "type": "server_error"}})
    await exchange.end()


async def only_done(exchange: Exchange) -> None:
    await exchange.event("[DONE]")
    await exchange.end()


async def only_role(exchange: Exchange) -> None:
    await exchange.delta(role="assistant", content="")
    await only_done(exchange)


async def no_finish(exchange: Exchange) -> None:
    await exchange.delta(content="Hel")
    await exchange.end()


async def no_finish_but_done(exchange: Exchange) -> None:
    await exchange.delta(content=TEXT)
    await only_done(exchange)


async def no_done(exchange: Exchange) -> None:
    await exchange.delta(content=TEXT)
    await exchange.delta("stop")
    await exchange.end()


async def after_done(exchange: Exchange) -> None:
    await exchange.delta(content=TEXT)
    await exchange.delta("stop")
    await exchange.event("[DONE]")
    await exchange.delta(content=" And one more thing.")
    await exchange.end()


async def other_name(exchange: Exchange) -> None:
    exchange.received.body["model"] = "somebody-else"
    await answering()(exchange)


async def byte_by_byte(exchange: Exchange) -> None:
    """Send a whole stream, each byte as a chunk of its own."""
    for byte in stream_of(exchange):
        await exchange.chunk(bytes([byte]))
    await exchange.end()


def stream_of(exchange: Exchange) -> bytes:
    """Return the bytes of a stream that is well."""
    return b"".join(b"data: %b\n\n" % event for event in events_of(exchange))


def events_of(exchange: Exchange) -> list[bytes]:
    """Return the payloads of a stream that is well: a role, two words, the finish reason, the usage, the end."""
    deltas = [({"role": "assistant", "content": ""}, None), ({"content": "Hello"}, None), ({"content": " you"}, None)]
    frame = exchange.frame("chat.completion.chunk")
    chunks = [
        {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in [*deltas, ({}, "stop")]
    ]
    usage = {"prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 14}
    events = [json.dumps(each).encode() for each in [*chunks, {**frame, "choices": [], "usage": usage}]]
    return [*events, b"[DONE]"]


def raw(head: bytes, body: bytes = b"") -> Behaviour:
    """Send exactly these bytes and close the connection."""

    async def behave(exchange: Exchange) -> None:
        await exchange.write(head + b"\r\n\r\n" + body)
        exchange.over = True

    return behave


async def old_http(exchange: Exchange) -> None:
    """Answer as HTTP/1.0 does: the end of the connection is the end of the body."""
    if exchange.received.streams:
        await raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream", stream_of(exchange))(exchange)
        return
    message = {"role": "assistant", "content": TEXT}
    usage = {"prompt_tokens": 12, "completion_tokens": 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**exchange.frame("chat.completion"), "choices": [choice], "usage": usage}
    await raw(b"HTTP/1.0 200 OK\r\nContent-Type: application/json", json.dumps(body).encode())(exchange)


async def early_hints(exchange: Exchange) -> None:
    """Send headers before the headers, and then answer."""
    await exchange.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 3)
    await answering()(exchange)


async def hints_for_ever(exchange: Exchange) -> None:
    while True:
        await exchange.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.05)


def then(*events: bytes, words: bool = True) -> Behaviour:
    """Stream a word, and then these payloads; whole answers are the first payload."""

    async def behave(exchange: Exchange) -> None:
        if not exchange.received.streams:
            await exchange.raw(events[0], headers={"content-type": "application/json"})
            return
        if words:
            await exchange.delta(content="Hel")
        for event in events:
            await exchange.chunk(b"data: %b\n\n" % event)
        await exchange.end()

    return behave


def cut(events: int, *, inside: bool) -> Behaviour:
    """Close the connection after so many events of a stream, or in the middle of the next; whole answers alike."""

    async def behave(exchange: Exchange) -> None:
        payloads = [b"data: %b\n\n" % event for event in events_of(exchange)]
        if exchange.received.streams:
            sent = b"".join(payloads[:events]) + (payloads[events][: len(payloads[events]) // 2] if inside else b"")
            await exchange.head(200, STREAM_HEAD)
            if sent:
                await exchange.write(b"%x\r\n%b\r\n" % (len(sent), sent))
        else:
            body = b"".join(payloads)
            await exchange.head(200, {"content-type": "application/json", "content-length": str(len(body))})
            await exchange.write(body[: len(body) * (2 * events + inside) // (2 * len(payloads))])
        exchange.over = True

    return behave
