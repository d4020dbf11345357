"""What only a bare socket can do: bodies that do not end, callers that vanish, connections that are used again."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.conftest import MAX_BODY_BYTES, USER, Gateway
from tests.gateway.test_streams import wait_for

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
BODY = json.dumps({"model": "acme/ok", "messages": [USER]}).encode()


@contextmanager
def connected(gateway: Gateway) -> Iterator[socket.socket]:
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        yield connection


def read_response(connection: socket.socket) -> tuple[int, bytes]:
    """Read one response with a content-length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split()[1]), body


def test_a_body_without_an_end_is_refused_while_it_comes(gateway: Gateway):
    piece = b"%x\r\n%b\r\n" % (50_000, b" " * 50_000)

    with connected(gateway) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + piece * (MAX_BODY_BYTES // 50_000 + 1))
        status, body = read_response(connection)

    assert status == 413
    assert json.loads(body)["error"]["code"] == "request_too_large"


def test_a_body_may_come_in_pieces(gateway: Gateway):
    with connected(gateway) as connection:
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY))
        for start in range(0, len(BODY), 7):
            connection.sendall(BODY[start : start + 7])
            time.sleep(0.001)
        status, _ = read_response(connection)

    assert status == 200


def test_a_caller_who_vanishes_in_the_middle_of_the_body_leaves_nothing_behind(gateway: Gateway):
    with connected(gateway) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + BODY)

    assert gateway.http.get("/health").status_code == 200
    assert gateway.records == [] and gateway.upstream.requests == []


def test_a_connection_serves_one_request_after_the_other(gateway: Gateway):
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

    with connected(gateway) as connection:
        statuses = []
        for _ in range(3):
            connection.sendall(request)
            statuses.append(read_response(connection)[0])

    assert statuses == [200, 200, 200]
    assert [record.outcome for record in gateway.records] == ["answered"] * 3


def test_requests_sent_ahead_of_their_answers_are_all_answered(gateway: Gateway):
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY

    with connected(gateway) as connection:
        connection.sendall(request * 2 + request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))
        seen = b""
        while data := connection.recv(65536):
            seen += data

    assert seen.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_vanishes_while_an_answer_is_held_ends_the_call_within_a_second(gateway: Gateway, stream: bool):
    model = "held" if stream else "held-whole"
    with connected(gateway) as connection:
        connection.sendall(asking(model, stream))
        assert wait_for(lambda: gateway.upstream.requests)

    assert gateway.upstream.disconnected.wait(1.0)
    assert wait_for(lambda: gateway.records)
    assert (gateway.record.outcome, len(gateway.record.attempts)) == ("cancelled", 1)
    assert not gateway.record.attempts[0].committed


@pytest.mark.parametrize("stream", [True, False])
def test_a_caller_who_vanishes_while_an_answer_is_verified_ends_the_verifying(gateway: Gateway, stream: bool):
    with connected(gateway) as connection:
        connection.sendall(asking("unread", stream))
        assert gateway.verifying.wait(1.0)

    assert gateway.abandoned.wait(1.0)
    assert wait_for(lambda: gateway.records)
    assert gateway.record.outcome == "cancelled"
    assert [sent.model for sent in gateway.upstream.requests] == ["ok"]  # nothing was called after it


def asking(model: str, stream: bool) -> bytes:
    body = json.dumps({"model": model, "messages": [USER], "stream": stream}).encode()
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
