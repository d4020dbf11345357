"""Requests as bytes on a socket, for what no HTTP client would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

BODY = json.dumps({"model": "acme/ok", "messages": [{"role": "user", "content": "Hi"}]}).encode()


class Response(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> Any:
        return json.loads(self.body)["error"]["code"]


@contextmanager
def connected(url: str, timeout_s: float = 5.0) -> Iterator[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        yield connection


def request(body: bytes = BODY, *lines: bytes, path: bytes = b"/v1/chat/completions", version: bytes = b"1.1") -> bytes:
    """Write a POST; a content-length is added unless a line says how long the body is."""
    said = b"\r\n".join(lines).lower()
    framed = b"content-length" in said or b"transfer-encoding" in said
    length = () if framed else (b"Content-Length: %d" % len(body),)
    first = b"POST %b HTTP/%b" % (path, version)
    return b"\r\n".join([first, b"Host: gateway", *lines, *length, b"", body])


def receive(connection: socket.socket) -> Response | None:
    """Read one response with a content-length; None where the connection was closed instead."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return None
        data += block
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        block = connection.recv(65536)
        if not block:
            break
        body += block
    return Response(int(first.split()[1]), headers, body)


def answer(url: str, data: bytes) -> Response | None:
    """Send bytes over a connection of their own and return the first response."""
    with connected(url) as connection:
        connection.sendall(data)
        return receive(connection)
