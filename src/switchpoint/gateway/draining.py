"""Draining: between the signal to stop and the end, the server says so and still serves."""

from __future__ import annotations

import math
import time
from types import FrameType

import uvicorn

DRAINING = "draining"
"""The key of a request's `state` that is true once the server was asked to stop."""


class DrainingServer(uvicorn.Server):
    """A server that goes on accepting for a while after the first signal to stop; the second one ends that while.

    linger_s : how long; whoever sends requests here needs that time to learn, by asking /health/ready, that he must not
        any more. 0 stops accepting at once.
    """

    def __init__(self, config: uvicorn.Config, linger_s: float = 0.0) -> None:
        super().__init__(config)
        self._linger_s = linger_s
        self._stop_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain, or stop."""
        first = math.isinf(self._stop_at)
        self.lifespan.state[DRAINING] = True  # a copy of it is in the scope of each request
        self._stop_at = time.monotonic() + self._linger_s
        if not first or self._linger_s == 0:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Do what the server does ten times a second; return whether it is time to stop."""
        return await super().on_tick(counter) or time.monotonic() >= self._stop_at
