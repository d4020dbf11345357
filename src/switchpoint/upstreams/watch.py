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
    """Keeps the limits of one call, which starts when the watch is made."""

    def __init__(self, failures: Failures, limits: Limits) -> None:
        self._failures = failures
        self._limits = limits
        self._now = asyncio.get_running_loop().time
        self._start = self._now()
        self._begun = False

    async def wait(self, what: Awaitable[T], broken: Callable[[Exception], UpstreamError]) -> T:
        """Await within the limits; `broken` makes the error for a connection that fails meanwhile."""
        at, stage, limit_s = self._next_limit()
        try:
            async with asyncio.timeout_at(at):
                return await what
        except aiohttp.ConnectionTimeoutError:
            raise self._failures.late("connect", self._limits.connect_s) from None
        except TimeoutError:
            raise self._failures.late(stage, limit_s) from None
        except aiohttp.ClientResponseError:
            raise self._failures.broken("answered with something that is not HTTP.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise broken(error) from None

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the bytes of a body that have come, waiting for some; nothing at its end."""
        block = await self.wait(response.content.readany(), self._failures.cut)
        self._begun = True
        return block

    def _next_limit(self) -> tuple[float, str, float]:
        limits = self._limits
        total = (self._start + limits.total_s, "total", limits.total_s)
        if self._begun:
            # From this read on, not from the last byte: a caller who reads slowly does not make the upstream idle.
            return min(total, (self._now() + limits.idle_s, "idle", limits.idle_s))
        return min(total, (self._start + limits.first_byte_s, "first byte", limits.first_byte_s))
