"""The caller's end of a connection: the body that comes from it, and whether it is still there."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Receive

from switchpoint.core.errors import RequestError, RequestTooLarge


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the body of a request.

    Raises RequestTooLarge as soon as more than `max_bytes` have come, and RequestError when the caller goes away before
    the end. The rest of a body that is too large is left to the server, which drops it as it comes.
    """
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestError("The connection was closed before the end of the body.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise RequestTooLarge(f"The body of the request is larger than {max_bytes} bytes. Send a smaller one.")
        if not message.get("more_body", False):
            return b"".join(parts)


PATIENCE_S = 0.05
"""From when on it is looked whether the caller is still there: an answer that comes sooner is not worth a task."""


class Attended:
    """Cancels what runs inside it when the caller goes away, and then ends quietly with `gone` set.

    Needed because servers do not fail when asked to send to a caller who has left: without it every abandoned answer
    would be generated, and paid for, to its end. Leave it before sending the last of the response: a finished response
    looks like a caller who left.
    """

    def __init__(self, receive: Receive) -> None:
        self.gone = False
        self._receive = receive
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if not self.gone or kind is not asyncio.CancelledError:
            return False
        return self._task.uncancel() == 0  # else somebody else, such as the server's end, wants the task to stop too

    def _look(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()
