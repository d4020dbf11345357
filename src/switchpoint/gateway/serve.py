"""Serving the application: in the foreground until a signal comes, or in a thread for as long as a block runs."""

from __future__ import annotations

import gc
import math
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from switchpoint.core.errors import ConfigError
from switchpoint.gateway.arriving import ARRIVAL, ArrivalLimits, arriving
from switchpoint.gateway.draining import DrainingServer

GRACE_S = 30
"""How long answers in progress may take to end once the server is asked to stop; then they are cancelled."""


SWITCH_S = 0.001
"""How long the event loop may keep the interpreter from the threads that write records, and they from it."""

GC_THRESHOLDS = (10_000, 20, 20)
"""A request makes some hundred objects and hardly any cycle: looking for cycles every 700 objects takes 7 % of it."""


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    ready: Callable[[str], None] | None = None,
    close: Callable[[], None] | None = None,
    linger_s: float = 0.0,
    grace_s: float = GRACE_S,
    limits: ArrivalLimits = ARRIVAL,
) -> None:
    """Serve until SIGINT or SIGTERM; then drain, and return.

    Draining: /health answers 503 at once, requests are taken for `linger_s` more, then none; answers in progress have
    `grace_s` to end before they are cancelled, which their records say.

    port : 0 takes any that is free.
    ready : called with the address, such as `http://127.0.0.1:8080`, once it takes connections.
    limits : of the head of a request, and of the time that one may take to come.
    close : called at the very end, however serving ended: the place to write what is not written yet.
    Raises ConfigError when the address cannot be listened on. To be called from the main thread.
    """
    try:
        with listening_on(host, port) as listener:
            server = DrainingServer(_config(app, math.ceil(grace_s), limits), linger_s)
            # The server raises the signal that ended it once more when all is done: by then there is nothing to stop.
            previous = signal.signal(signal.SIGTERM, _ignore), signal.signal(signal.SIGINT, _ignore)
            try:
                gc.collect()
                gc.freeze()  # what was loaded to serve is never garbage: later collections need not look at it
                gc.set_threshold(*GC_THRESHOLDS)
                sys.setswitchinterval(SWITCH_S)
                if ready is not None:
                    ready(address_of(listener))
                server.run(sockets=[listener])
            finally:
                signal.signal(signal.SIGTERM, previous[0])
                signal.signal(signal.SIGINT, previous[1])
    finally:
        if close is not None:
            close()


@contextmanager
def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0, limits: ArrivalLimits = ARRIVAL) -> Iterator[str]:
    """Serve in a thread while the block runs; gives the address. For tests, notebooks and demonstrations."""
    with listening_on(host, port) as listener:
        server = uvicorn.Server(_config(app, 1, limits))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="switchpoint-gateway")
        thread.start()
        try:
            yield address_of(listener)
        finally:
            server.should_exit = True
            thread.join()


def _config(app: ASGIApp, grace_s: int, limits: ArrivalLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=arriving(limits),
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,  # nothing here looks at the address of the caller
        timeout_graceful_shutdown=grace_s,
        log_config=None,  # what the server logs goes where everything else does: its tracebacks may quote a prompt
    )


@contextmanager
def listening_on(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address while the block runs; raises ConfigError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"gateway: cannot listen on {host}:{port} ({error}). Choose another host or port; port 0 takes a free one."
        ) from None
    with listener:
        yield listener


def address_of(listener: socket.socket) -> str:
    """Return the URL of what is served on a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _ignore(number: int, frame: FrameType | None) -> None:
    """Do nothing."""
