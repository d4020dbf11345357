"""Two thousand requests of every kind, some of them given up in the middle: nothing of them is left."""

from __future__ import annotations

import json
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import httpx2
import pytest

from tests.fuzz.listeners import KINDS, SWIFT, Held, Listeners, listening
from tests.fuzz.raw import connected, receive, request

COUNT = 2_000
WARM = 300
USER = {"role": "user", "content": "What is 2 + 2?"}
PATHS = {
    "/v1/chat/completions": {"messages": [USER]},
    "/v1/messages": {"messages": [USER], "max_tokens": 9},
    "/v1/responses": {"input": "What is 2 + 2?"},
}


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    with listening() as listeners:
        yield listeners


def asked(draw: random.Random, names: tuple[str, ...] = SWIFT) -> tuple[str, dict[str, object]]:
    path = draw.choice(list(PATHS))
    model = f"{draw.choice(list(KINDS))}/{draw.choice(names)}"
    return path, {"model": model, "stream": draw.random() < 0.5, **PATHS[path]}


def whole(listeners: Listeners, draw: random.Random, client: httpx2.Client) -> None:
    path, body = asked(draw)
    assert client.post(path, json=body).status_code != 500


def given_up(listeners: Listeners, draw: random.Random, client: httpx2.Client) -> None:
    """Ask for an answer that does not end, and hang up: politely, or with a reset."""
    path, body = asked(draw, ("stalls", "silent"))
    with connected(listeners.main) as connection:
        connection.sendall(request(json.dumps(body).encode(), path=path.encode()))
        if draw.random() < 0.5:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_sent(listeners: Listeners, draw: random.Random, client: httpx2.Client) -> None:
    data = request()
    with connected(listeners.main) as connection:
        connection.sendall(data[: draw.randrange(len(data))])


def malformed(listeners: Listeners, draw: random.Random, client: httpx2.Client) -> None:
    with connected(listeners.main) as connection, suppress(ConnectionError):
        connection.sendall(draw.choice([b"\x00" * 20, request(b"{", b"Content-Encoding: gzip"), request(b"[" * 500)]))
        receive(connection)


def send(listeners: Listeners, count: int) -> None:
    draw = random.Random(count)
    kinds = [whole] * 7 + [given_up, half_sent, malformed]
    with httpx2.Client(base_url=listeners.main, timeout=10) as client:
        for _ in range(count):
            draw.choice(kinds)(listeners, draw, client)


def left(listeners: Listeners) -> Held:
    listeners.records.clear()
    for server in listeners.servers:
        server.requests.clear()
    return listeners.held()


def test_tasks_descriptors_and_objects_return_to_their_level(listeners: Listeners):
    send(listeners, WARM)
    before = left(listeners)

    send(listeners, COUNT)

    after = left(listeners)
    assert after.tasks <= before.tasks
    assert after.fds <= before.fds + 6  # an idle connection to each of three upstreams, of which two ends are ours
    assert after.objects - before.objects < COUNT / 4
    assert listeners.unforeseen.messages == []
