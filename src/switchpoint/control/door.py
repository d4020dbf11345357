"""Door: so many requests at once and no more; a bounded queue before it, first come first served."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from switchpoint.core.errors import ConfigError, Overloaded


class Door:
    """Lets requests in one by one; everything it does happens on one event loop, without locks.

    max_concurrent : how many are inside at most, 1 or more. max_queue : how many may wait, 0 or more; whoever comes
    when that many wait is refused at once. queue_timeout_s : how long one waits at most, 0 or more.

    Who is refused has never been inside: `leave` is called once for each `enter` that returned, and for no other.
    Raises ConfigError for numbers outside their ranges.
    """

    def __init__(self, max_concurrent: int, max_queue: int, queue_timeout_s: float) -> None:
        if max_concurrent < 1 or max_queue < 0 or not 0 <= queue_timeout_s < math.inf:
            raise ConfigError(
                "A door needs max_concurrent of 1 or more, max_queue and a finite queue_timeout_s of 0 or more. "
                f"Got {max_concurrent!r}, {max_queue!r} and {queue_timeout_s!r}."
            )
        self.max_concurrent = max_concurrent
        self.max_queue = max_queue
        self.queue_timeout_s = queue_timeout_s
        self.inside = 0
        self.refused = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        return len(self._queue)

    async def enter(self) -> None:
        """Come in, waiting in the queue if need be; raises Overloaded where there is no room in time."""
        if self.inside < self.max_concurrent and not self._queue:
            self.inside += 1
        elif len(self._queue) >= self.max_queue:
            raise self._refusal(
                f"{self.inside} requests are in progress and {len(self._queue)} wait, which is all that is taken. "
                "Try again later."
            )
        else:
            await self._wait()

    def leave(self) -> None:
        """Make room for the next in the queue."""
        self.inside -= 1
        while self._queue and self.inside < self.max_concurrent:
            self._queue.popleft().set_result(None)
            self.inside += 1  # on behalf of who waited: nobody can slip in before he wakes

    async def _wait(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            # Shielded, so that whoever is cancelled leaves the queue himself, below, and not half a step later.
            async with asyncio.timeout(self.queue_timeout_s):
                await asyncio.shield(turn)
        except TimeoutError:
            if not turn.done():  # else his turn came in the same moment, and he is inside
                self._give_up(turn)
                raise self._refusal(
                    f"No room within {self.queue_timeout_s:g} s: {self.inside} requests are in progress. "
                    "Try again later."
                ) from None
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn.done():
            self.leave()
        else:
            self._queue.remove(turn)

    def _refusal(self, message: str) -> Overloaded:
        self.refused += 1
        return Overloaded(message)
