"""Callers that go away, over bare sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.chaos.cells import Form
from tests.chaos.gateway import USER, Gateway

PATIENCE_S = 10.0


def asking(model: str, form: Form, request_id: str) -> bytes:
    """Return a request for an answer."""
    body = json.dumps({"model": model, "messages": [USER], "stream": form is Form.STREAMED}).encode()
    return request("/v1/chat/completions", body, request_id)


def request(path: str, body: bytes, request_id: str) -> bytes:
    """Return a whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nX-Request-Id: {request_id}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def connected(gateway: Gateway) -> Iterator[socket.socket]:
    """Give a connection, which is closed at the end of the block."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        yield connection


def wait_for(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> bool:
    """Wait until something is so; False if it does not come to be."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def read_until(connection: socket.socket, sign: bytes) -> bytes:
    """Read until something has come."""
    seen = b""
    while sign not in seen:
        block = connection.recv(65536)
        assert block, f"closed after {seen!r}"
        seen += block
    return seen
