"""Listening: a second application on a socket of its own, for as long as the first one is served."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from switchpoint.gateway.arriving import arriving
from switchpoint.gateway.serve import address_of, listening_on

GRACE_S = 1
"""How long a page in progress may take to end: the main listener is drained before, for much longer."""


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the main one."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def opened(host: str, port: int) -> Iterator[tuple[socket.socket, str]]:
    """Listen on an address, and give its socket and its URL; raises ConfigError where that cannot be."""
    with listening_on(host, port) as listener:
        yield listener, address_of(listener)


@asynccontextmanager
async def listening(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve on a socket that listens already, on this event loop, while the block runs."""
    config = uvicorn.Config(
        app,
        http=arriving(),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="switchpoint-management")
    try:
        yield
    finally:
        server.should_exit = True
        await task
