"""Watch: the clock of one call. It waits for things, and says which time limit was passed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from switchpoint.core.errors import UpstreamError
from switchpoint.upstreams.failures import Failures

T = TypeVar("T")

FINISH_S = 2.0
"""How long the end of a stream may be missing once the answer is complete; usage still comes, and some send no end."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of a whole body, decompressed: a small one that unfolds to more is no answer, and would fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long each stage of a call may take, in seconds; `math.inf` is no limit.

    connect_s : until the connection stands; the connector measures it.
    first_byte_s : from the start of the call until the first byte of the body.
    idle_s : for each read after that one.
    total_s : from the start of the call to the end of the answer.
    """

    connect_s: float
    first_byte_s: float = math.inf
    idle_s: float = math.inf
    total_s: float


class Watch:
    """Keeps the limits of one call, which starts when the watch is made; to be closed at its end.

    One timer serves all the waiting of a call: it is set at most once for each kind of limit, and when it rings early
    it sets itself again. A timeout for each read of a stream would cost as much as the rest of the reading.

    responded : whether the upstream has begun to answer: a connection that fails before that is no connection.
    """

    def __init__(self, failures: Failures, limits: Limits) -> None:
        self.responded = self._begun = False
        self._failures = failures
        self._limits = limits
        self._idle_s = limits.idle_s
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._end = self._start + limits.total_s
        self._until, self._limit = self._end, ("total", limits.total_s)
        self._lower(self._start + limits.first_byte_s, ("first byte", limits.first_byte_s))
        self._waiting: asyncio.Task[object] | None = None
        self._late = False
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, what: Awaitable[T], broken: Callable[[Exception], UpstreamError] | None = None) -> T:
        """Await within the limits.

        broken : makes the error for a connection that fails meanwhile; by default that depends on `responded`.
        """
        task = self._waiting = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        self._set()
        try:
            return await what
        except asyncio.CancelledError:
            if not self._late or task.uncancel() > cancelling:
                raise  # somebody else wants the task to end
            raise self._failures.late(*self._limit) from None
        except aiohttp.ConnectionTimeoutError:
            raise self._failures.late("connect", self._limits.connect_s) from None
        except aiohttp.ClientResponseError:
            raise self._failures.broken("answered with something that is not HTTP.") from None
        except (aiohttp.ClientError, OSError) as error:
            broken = broken or (self._failures.cut if self.responded else self._failures.unreachable)
            raise broken(error) from None
        finally:
            self._waiting = None

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the bytes of a body that have come, waiting for some; nothing at its end.

        The limit of idleness counts from this read on, not from the last byte: a caller who reads slowly does not make
        the upstream idle.
        """
        if self._begun:
            self._until, self._limit = self._end, ("total", self._limits.total_s)
            self._lower(self._loop.time() + self._idle_s, ("idle", self._idle_s))
        block = await self.wait(response.content.readany(), self._failures.cut)
        self._begun = True
        return block

    def finish(self) -> None:
        """Wait `FINISH_S` for each further read at most: all that was asked for has come, only the end is missing."""
        self._idle_s = min(self._idle_s, FINISH_S)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _lower(self, until: float, limit: tuple[str, float]) -> None:
        if until < self._until:
            self._until, self._limit = until, limit

    def _set(self) -> None:
        """Have the timer ring by the present limit at the latest."""
        if self._timer is not None and self._timer.when() <= self._until:
            return
        self.close()
        if self._until < math.inf:
            self._timer = self._loop.call_at(self._until, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return  # nobody waits: the next wait sets the timer
        if self._loop.time() < self._until:
            self._set()
        else:
            self._late = True
            self._waiting.cancel()


async def read_body(response: aiohttp.ClientResponse, failures: Failures) -> bytes:
    """Return a whole body; raises BadAnswer for one that is longer than any answer."""
    parts: list[bytes] = []
    size = 0
    while part := await response.content.readany():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise failures.broken(f"answered with more than {MAX_BODY_BYTES} bytes.")
    return b"".join(parts)
