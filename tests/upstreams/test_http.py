"""What every upstream over HTTP does with its connections."""

from collections.abc import AsyncIterator, Iterator

import pytest

from switchpoint.core.errors import UpstreamUnreachable
from switchpoint.upstreams import http
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from tests.fake_openai import TEXT, Exchange, FakeOpenAI, answering, hanging_up, in_turn
from tests.upstreams.conftest import QUERY, collect, named


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def upstream(server: FakeOpenAI) -> AsyncIterator[OpenAICompatible]:
    upstream = OpenAICompatible("acme", server.base_url)
    yield upstream
    await upstream.close()


async def beginning(exchange: Exchange) -> None:
    """Close the connection in the middle of the head of a response."""
    await exchange.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
    exchange.over = True


async def test_a_used_connection_that_breaks_at_once_is_replaced_by_a_fresh_one(
    server: FakeOpenAI, upstream: OpenAICompatible
) -> None:
    server.behaviours["m"] = in_turn(answering(), hanging_up, answering())
    await collect(upstream, named("m"))

    assert (await upstream.complete(named("m"), QUERY)).text == TEXT
    assert (len(server.requests), server.connections) == (3, 2)


async def test_a_fresh_connection_that_breaks_is_not_replaced(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    server.behaviours["m"] = in_turn(hanging_up, answering())

    with pytest.raises(UpstreamUnreachable):
        await upstream.complete(named("m"), QUERY)
    assert len(server.requests) == 1


async def test_one_replacement_is_all(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    server.behaviours["m"] = in_turn(answering(), hanging_up)
    await upstream.complete(named("m"), QUERY)

    with pytest.raises(UpstreamUnreachable):
        await upstream.complete(named("m"), QUERY)
    assert len(server.requests) == 3


async def test_a_connection_that_breaks_after_a_byte_of_a_response_is_not_replaced(
    server: FakeOpenAI, upstream: OpenAICompatible
) -> None:
    server.behaviours["m"] = in_turn(answering(), beginning, answering())
    await upstream.complete(named("m"), QUERY)

    with pytest.raises(UpstreamUnreachable):
        await upstream.complete(named("m"), QUERY)
    assert len(server.requests) == 2


async def test_a_connection_that_breaks_late_is_not_replaced(
    server: FakeOpenAI, upstream: OpenAICompatible, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behaviours["m"] = in_turn(answering(), hanging_up, answering())
    await upstream.complete(named("m"), QUERY)
    monkeypatch.setattr(http, "STALE_S", 0.0)

    with pytest.raises(UpstreamUnreachable):
        await upstream.complete(named("m"), QUERY)
    assert len(server.requests) == 2
