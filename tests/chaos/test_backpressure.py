"""A caller who reads nothing holds his upstream back: what nobody reads is not gathered in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.chaos.callers import asking, connected, read_until, wait_for
from tests.chaos.cells import Form
from tests.chaos.gateway import Gateway, running
from tests.fake_openai import Exchange

PIECE = "x" * 100_000
LIMIT_BYTES = 32_000_000
"""Far above what sockets and buffers hold, far below what a second of flooding brings."""


class Flood:
    """Sends as fast as it is read, without end."""

    def __init__(self) -> None:
        self.sent_bytes = 0

    async def __call__(self, exchange: Exchange) -> None:
        while True:
            await exchange.delta(content=PIECE)
            self.sent_bytes += len(PIECE)
            await asyncio.sleep(0)

    def stands_still(self) -> bool:
        """Whether nothing was sent for a while."""
        before = self.sent_bytes
        time.sleep(0.3)
        return self.sent_bytes == before > 0


@pytest.fixture
def flood() -> Flood:
    return Flood()


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory, flood: Flood) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("flood"), {"flood": flood}) as gateway:
        yield gateway


def test_a_caller_who_reads_nothing_holds_the_upstream_back(gateway: Gateway, flood: Flood):
    with connected(gateway) as connection:
        connection.sendall(asking("flood", Form.STREAMED, "flood"))
        read_until(connection, b"data: ")

        assert wait_for(flood.stands_still)

    assert flood.sent_bytes < LIMIT_BYTES
    assert gateway.upstream.disconnected.wait(5.0)


def test_a_flood_that_a_cascade_holds_is_cut_off_and_another_model_answers(gateway: Gateway, flood: Flood):
    with connected(gateway) as connection:
        connection.sendall(asking("cascade-of-flood", Form.STREAMED, "held"))
        read_until(connection, b"[DONE]")

    assert flood.sent_bytes < LIMIT_BYTES
    assert gateway.records()["held"].answered_by == "strong"
