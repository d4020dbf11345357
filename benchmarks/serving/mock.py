"""The upstream of every system: `python -m benchmarks.serving.mock PORT`; a stream is 21 events, 1 ms apart."""

from __future__ import annotations

import asyncio
import json
import re
import sys

import uvloop

WORDS = 20
GAP_S = 0.001
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
STREAM = re.compile(rb'"stream": ?true')
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
SAME = {"id": "chatcmpl-1", "created": 1700000000, "model": "local"}
USAGE = {"prompt_tokens": 250, "completion_tokens": 100, "total_tokens": 350}


def whole() -> bytes:
    message = {"role": "assistant", "content": "An answer of some words. " * 18}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**SAME, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    return HEAD % len(body) + body


def events() -> list[bytes]:
    same = {**SAME, "object": "chat.completion.chunk"}
    deltas = [{"role": "assistant", "content": ""}, *({"content": f" word{n}"} for n in range(WORDS - 2))]
    chunks = [{**same, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**same, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    usage = {**same, "choices": [], "usage": USAGE}
    said = [b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n" for chunk in chunks]
    said.append(b"data: " + json.dumps(usage, separators=(",", ":")).encode() + b"\n\ndata: [DONE]\n\n")
    return [b"%x\r\n%b\r\n" % (len(event), event) for event in said]


WHOLE, EVENTS = whole(), events()


class Answering(asyncio.Protocol):
    def connection_made(self, transport) -> None:
        self.transport, self.parts, self.length, self.needed = transport, [], 0, 0

    def data_received(self, data: bytes) -> None:
        self.parts.append(data)
        self.length += len(data)
        if self.length < self.needed:
            return
        buffer = b"".join(self.parts)
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(buffer, 0, end)
            self.needed = end + 4 + (int(found[1]) if found else 0)
            if len(buffer) < self.needed:
                break
            self.answer(buffer[: self.needed])
            buffer, self.needed = buffer[self.needed :], 0
        self.parts, self.length = [buffer] if buffer else [], len(buffer)

    def answer(self, request: bytes) -> None:
        if STREAM.search(request, max(0, len(request) - 4096)) or STREAM.search(request, 0, 4096):
            self.transport.write(STREAM_HEAD)
            self.say(0)
        else:
            self.transport.write(WHOLE)

    def say(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(EVENTS[number])
        if number + 1 < len(EVENTS):
            asyncio.get_running_loop().call_later(GAP_S, self.say, number + 1)
        else:
            self.transport.write(b"0\r\n\r\n")


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
