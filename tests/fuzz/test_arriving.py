"""How requests may come: heads of a size, within a time, framed in one way."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from switchpoint.gateway.arriving import ArrivalLimits
from switchpoint.gateway.serve import serving
from tests.fuzz.conftest import HEAD, PATIENCE_S
from tests.fuzz.raw import BODY, Response, answer, connected, receive, request
from tests.gateway.conftest import Gateway
from tests.gateway.test_streams import wait_for

CHUNKED = b"Transfer-Encoding: chunked"
AS_CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def drip(connection: socket.socket, data: bytes, for_s: float) -> Response | None:
    """Send byte by byte for so long, then return what was answered."""
    end = time.monotonic() + for_s
    for byte in data:
        if time.monotonic() > end:
            break
        try:
            connection.sendall(bytes([byte]))
        except OSError:
            break
        time.sleep(0.01)
    return receive(connection)


# How large


def test_a_head_within_the_limits_is_taken(strict: str):
    filler = [b"X-%d: %b" % (number, b"v" * 100) for number in range(HEAD.max_headers - 2)]

    assert answer(strict, request(BODY, *filler)).status in (200, 404)


def test_more_headers_than_the_limit_are_refused(strict: str):
    response = answer(strict, request(BODY, *(b"X-%d: v" % number for number in range(HEAD.max_headers))))

    assert (response.status, response.code) == (431, "request_too_large")
    assert response.headers["connection"] == "close"


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_head_over_the_limit_is_refused_however_it_comes(strict: str, pieces: int):
    data = request(BODY, b"X-Long: " + b"v" * HEAD.max_head_bytes)
    size = len(data) // pieces + 1

    with connected(strict) as connection:
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
            time.sleep(0.005)
        response = receive(connection)

    assert (response.status, response.code) == (431, "request_too_large")


def test_a_long_path_counts_as_head(strict: str):
    assert answer(strict, request(BODY, path=b"/" + b"a" * HEAD.max_head_bytes)).status == 431


@pytest.mark.parametrize("start", [b"GET /" + b"a" * 8, b"GET / HTTP/1.1\r\nX-Long: a"])
def test_a_head_without_end_is_refused_while_it_comes(strict: str, start: bytes):
    with connected(strict) as connection:
        connection.sendall(start)
        with pytest.raises(OSError):
            for _ in range(20_000):
                connection.sendall(b"a" * 4096)


# How long


@pytest.mark.parametrize("data", [b"", b"P", request(b"", b"Content-Length: 5000"), b"\r\n" * 500])
def test_a_request_that_does_not_come_is_given_up(strict: str, data: bytes):
    with connected(strict) as connection:
        begun = time.monotonic()
        connection.sendall(data)
        response = receive(connection)

    assert (response.status, response.code) == (408, "request_timeout")
    assert time.monotonic() - begun >= PATIENCE_S * 0.9


@pytest.mark.parametrize("head", [b"", request(b"", b"Content-Length: 5000")])
def test_a_request_that_comes_byte_by_byte_is_given_up(strict: str, head: bytes):
    with connected(strict) as connection:
        connection.sendall(head)
        response = drip(connection, b"GET /" + b"a" * 1000, PATIENCE_S * 10)

    assert response is None or response.status == 408


def test_line_ends_after_a_request_do_not_keep_a_connection_open(strict: str):
    with connected(strict) as connection:
        connection.sendall(request())
        receive(connection)
        connection.sendall(b"\r\n")

        assert receive(connection).status == 408


def test_each_request_of_a_connection_has_its_own_time(strict: str):
    statuses = []
    with connected(strict) as connection:
        for _ in range(3):
            data = request()
            connection.sendall(data[:-3])
            time.sleep(PATIENCE_S * 0.6)
            connection.sendall(data[-3:])
            statuses.append(receive(connection).status)

    assert len(set(statuses)) == 1 and statuses[0] != 408


def test_the_rest_of_a_refused_body_is_not_waited_for(strict: str):
    with connected(strict) as connection:
        connection.sendall(request(b"", b"Content-Length: 5000", b"Content-Encoding: gzip"))
        assert receive(connection).status == 415

        assert receive(connection) is None


def test_a_long_answer_is_not_cut_by_what_its_caller_sends_meanwhile():
    """A clock that began with stray bytes runs out while the answer is on its way, and starts again."""

    async def slow(scope, receive, send):
        if scope["type"] != "http":
            return
        await receive()
        await asyncio.sleep(0.3)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    with serving(slow, limits=ArrivalLimits(within_s=0.1)) as url, connected(url) as connection:
        connection.sendall(request())
        time.sleep(0.02)
        connection.sendall(b"\r\n")

        assert receive(connection).body == b"ok"


# How framed


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: %d" % len(BODY), CHUNKED],
        [CHUNKED, b"Content-Length: %d" % len(BODY)],
        [b"Content-Length: %d" % len(BODY), b"Content-Length: 3"],
        [b"Content-Length: +%d" % len(BODY)],
        [b"Content-Length: %d, %d" % (len(BODY), len(BODY))],
        [b"Content-Length: -1"],
        [b"Content-Length : %d" % len(BODY)],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding: xchunked"],
        [b" Folded: line"],
        [b"Bad\x00Name: x"],
        [b"X-Value: a\x00b"],
        [b"Content-Length: 18446744073709551616"],
    ],
    ids=repr,
)
def test_a_body_of_which_two_servers_could_think_differently_is_refused(gateway: Gateway, lines: list[bytes]):
    response = answer(gateway.url, request(BODY, *lines))

    assert (response.status, response.code) == (400, "malformed_request")
    assert gateway.upstream.requests == []


def test_a_smuggled_request_is_not_served(gateway: Gateway):
    hidden = request()
    outer = request(b"0\r\n\r\n" + hidden, b"Content-Length: 5", CHUNKED)

    with connected(gateway.url) as connection:
        connection.sendall(outer)
        assert receive(connection).status == 400
        assert receive(connection) is None

    assert gateway.upstream.requests == []


def test_a_chunked_body_is_taken(gateway: Gateway):
    assert answer(gateway.url, request(AS_CHUNK, CHUNKED)).status == 200


def test_a_broken_chunk_is_refused(gateway: Gateway):
    assert answer(gateway.url, request(b"zz\r\n", CHUNKED)).status == 400


def test_the_protocol_before_the_last_is_spoken_too(gateway: Gateway):
    with connected(gateway.url) as connection:
        connection.sendall(request(version=b"1.0"))
        assert receive(connection).status == 200
        assert connection.recv(1) == b""


def test_a_body_that_another_protocol_is_offered_for_is_refused_rather_than_lost(gateway: Gateway):
    upgrade = [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"]

    assert answer(gateway.url, request(BODY, *upgrade)).code == "upgrade_unsupported"


@pytest.mark.parametrize("encoding", [b"gzip", b"br", b"gzip, identity"])
def test_a_compressed_body_is_refused(gateway: Gateway, encoding: bytes):
    response = answer(gateway.url, request(BODY, b"Content-Encoding: " + encoding))

    assert (response.status, response.code) == (415, "unsupported_media_type")


def test_a_body_encoded_as_itself_is_taken(gateway: Gateway):
    assert answer(gateway.url, request(BODY, b"Content-Encoding: identity")).status == 200


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01", b"\x00" * 50, b"HELLO\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_not_http_is_refused_and_its_connection_closed(gateway: Gateway, garbage: bytes):
    with connected(gateway.url) as connection:
        connection.sendall(garbage)
        assert receive(connection).status == 400
        assert receive(connection) is None


def test_garbage_after_a_request_does_not_stand_in_its_answer(gateway: Gateway):
    data = request(BODY.replace(b"acme/ok", b"acme/slow"))

    with connected(gateway.url) as connection:
        connection.sendall(data)
        assert wait_for(lambda: gateway.upstream.requests)
        connection.sendall(b"\x00\x01\x02garbage")

        assert receive(connection) is None
