"""The load generator: raw connections that call in turn (closed loop), or at a constant rate (open loop)."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httptools
import numpy as np

WORDS = re.findall(r"\w+", "The quick model routes each question to one that can answer it well for less money")
NUMBER = b"00000000"


@dataclass
class Result:
    """What one run saw. seconds : of every call, from its due time to the end of its answer; firsts : to its first byte
    of body. failed : calls whose status was not 200, or whose connection broke."""

    seconds: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    failed: int = 0
    took_s: float = 0.0

    @property
    def per_s(self) -> float:
        return len(self.seconds) / self.took_s

    def ms(self, quantile: float, of: str = "seconds") -> float:
        values = getattr(self, of)
        return float(np.quantile(values, quantile)) * 1000 if values else float("nan")


def requests(host: str, path: str, model: str, size: int, stream: bool, headers: str = "") -> Iterator[bytes]:
    """Yield requests of about `size` bytes of prompt, no two of them alike; asking again costs the caller little."""
    rng = np.random.default_rng(0)
    templates = []
    for _ in range(64):
        words = rng.choice(WORDS, size // 5)
        text = (NUMBER.decode() + " " + " ".join(words))[:size]
        tail = ',"stream":true' if stream else ""
        body = f'{{"model":"{model}","messages":[{{"role":"user","content":"{text}"}}]{tail}}}'.encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer sk-none\r\n{headers}content-length: {len(body)}\r\n\r\n"
        ).encode()
        templates.append((head + body).partition(NUMBER))
    number = 0
    while True:
        before, _, after = templates[number % len(templates)]
        number += 1
        yield before + b"%08d" % (number % 100_000_000) + after


class Caller(asyncio.Protocol):
    """One connection, with one call in progress at most."""

    def __init__(self, done: Callable[[Caller, float, float, float, int], None]) -> None:
        self.done, self.transport, self.busy = done, None, False

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    def call(self, request: bytes, due: float) -> None:
        self.busy, self.due, self.first = True, due, 0.0
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if not self.first:
            self.first = time.perf_counter()

    def on_message_complete(self) -> None:
        status = self.parser.get_status_code()
        self.busy = False
        self.parser = httptools.HttpResponseParser(self)
        self.done(self, self.due, self.first, time.perf_counter(), status)

    def connection_lost(self, exception) -> None:
        if self.busy:
            self.busy = False
            self.done(self, self.due, self.first, time.perf_counter(), 0)


async def closed(port: int, source: Iterator[bytes], connections: int, seconds: float) -> Result:
    """Keep every connection busy for so long, or until there is nothing left to call."""
    result, stop = Result(), time.perf_counter() + seconds
    ended = asyncio.Event()
    going = connections

    def done(caller: Caller, due: float, first: float, now: float, status: int) -> None:
        nonlocal going
        note(result, due, first, now, status)
        request = next(source, None) if now < stop and not caller.transport.is_closing() else None
        if request is not None:
            caller.call(request, now)
            return
        going -= 1
        if not going:
            ended.set()

    callers = await connect(port, connections, done)
    start = time.perf_counter()
    for caller in callers:
        caller.call(next(source), start)
    await asyncio.wait_for(ended.wait(), None if seconds == math.inf else seconds + 60)
    result.took_s = time.perf_counter() - start
    close(callers)
    return result


async def opened(port: int, source: Iterator[bytes], rate: float, seconds: float, connections: int = 256) -> Result:
    """Call at a constant rate for so long; a call that finds every connection busy waits, and its clock runs."""
    result, waiting, idle = Result(), deque[float](), deque[Caller]()
    loop, total = asyncio.get_running_loop(), int(rate * seconds)
    ended = asyncio.Event()
    left = total

    def done(caller: Caller, due: float, first: float, now: float, status: int) -> None:
        nonlocal left
        note(result, due, first, now, status)
        left -= 1
        if not left:
            ended.set()
        if waiting:
            caller.call(next(source), waiting.popleft())
        else:
            idle.append(caller)

    callers = await connect(port, connections, done)
    idle.extend(callers)
    start, sent = time.perf_counter() + 0.05, 0

    def tick() -> None:
        nonlocal sent
        while sent < total and (due := start + sent / rate) <= time.perf_counter():
            sent += 1
            if idle:
                idle.pop().call(next(source), due)
            else:
                waiting.append(due)
        if sent < total:
            loop.call_later(max(0.0, start + sent / rate - time.perf_counter()), tick)

    tick()
    await asyncio.wait_for(ended.wait(), seconds * 3 + 60)
    result.took_s = time.perf_counter() - start
    close(callers)
    return result


def note(result: Result, due: float, first: float, now: float, status: int) -> None:
    if status == 200:
        result.seconds.append(now - due)
        result.firsts.append(first - due)
    else:
        result.failed += 1


async def connect(port: int, connections: int, done) -> list[Caller]:
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Caller(done), "127.0.0.1", port))[1] for _ in range(connections)]


def close(callers: list[Caller]) -> None:
    for caller in callers:
        caller.transport.close()
