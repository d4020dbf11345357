"""The response of a streamed answer: its events, and a heartbeat wherever there is nothing to send for long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from starlette.types import Send

from switchpoint.gateway.errors import Header

_HEAD: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
)


class EventStream:
    """Sends one streamed response; while it is entered, no `heartbeat_s` pass without a byte.

    heartbeat_s : 0 is never. waiting : a heartbeat. early : headers of a response that a heartbeat has to begin, before
        any event.
    begun : whether anything was sent; until then an error can still be an HTTP error.

    A heartbeat never touches the answer that is being waited for, so it cannot cancel it. An answer without long
    silences costs one timer, which never rings.
    """

    def __init__(self, send: Send, heartbeat_s: float, waiting: bytes, early: Sequence[Header]) -> None:
        self.begun = False
        self._send, self._heartbeat_s = send, heartbeat_s
        self._waiting, self._early = waiting, early
        self._sending = False
        self._turn = asyncio.Lock()  # one message at a time: events and heartbeats come from two tasks
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._heartbeat_s > 0:
            self._timer = asyncio.get_running_loop().call_later(self._heartbeat_s, self._ring)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._beating is not None:
            self._beating.cancel()

    async def begin(self, told: Sequence[Header]) -> None:
        """Send the headers, unless a heartbeat has already begun the response with the early ones."""
        async with self._turn:
            await self._begin(told)

    async def event(self, data: bytes) -> None:
        """Send an event of a response that was begun."""
        message = {"type": "http.response.body", "body": data, "more_body": True}
        if self._beating is None:  # there is nobody to take turns with
            self._sending = True
            await self._send(message)
            self._sending = False
        else:
            async with self._turn:
                await self._send(message)
        self._last = self._clock()

    async def end(self, data: bytes) -> None:
        """Send the last of the response; to be called after leaving it."""
        await self._send({"type": "http.response.body", "body": data})

    async def _begin(self, told: Sequence[Header]) -> None:
        if not self.begun:
            await self._send({"type": "http.response.start", "status": 200, "headers": [*_HEAD, *told]})
            self.begun = True  # only now: a heartbeat may be cancelled while it waits to send

    def _ring(self) -> None:
        self._beating = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            wait_s = self._last + self._heartbeat_s - self._clock()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif self._sending or self._turn.locked():  # an event is on its way to a caller who reads slowly
                self._last = self._clock()
            else:
                async with self._turn:
                    await self._begin(self._early)
                await self.event(self._waiting)
