"""Punctual: bytes are not content."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import UpstreamTimeout
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.fake import Fake
from switchpoint.upstreams.punctual import Punctual

QUERY = Query.of("hello")
MINI = Model(id="mini", upstream="acme", upstream_model="mini")


class Mumbling:
    """Sends a role again and again and never says anything; it remembers whether it was closed."""

    closed = False

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        try:
            while True:
                yield Chunk(data=b"{}", speaks=False)
                await asyncio.sleep(0.001)
        finally:
            self.closed = True


async def test_a_stream_that_never_says_anything_is_given_up() -> None:
    mumbling = Mumbling()

    with pytest.raises(UpstreamTimeout, match=r"upstream 'acme' passed its first content timeout of 0\.05 s"):
        [chunk async for chunk in Punctual("acme", mumbling, 0.05).stream(MINI, QUERY)]

    assert mumbling.closed


async def test_once_it_has_said_something_it_may_take_its_time() -> None:
    slow = Fake({"mini": ["one two three four"]}, latency_s=0.2)

    chunks = [chunk async for chunk in Punctual("acme", slow, 0.15).stream(MINI, QUERY)]

    assert "".join(chunk.text for chunk in chunks) == "one two three four"


async def test_a_whole_answer_is_not_limited() -> None:
    slow = Fake({"mini": ["yes"]}, latency_s=0.05)

    assert (await Punctual("acme", slow, 0.001).complete(MINI, QUERY)).text == "yes"


async def test_a_stream_without_content_ends_as_it_does_inside() -> None:
    class Empty:
        async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
            yield Chunk(data=b"{}", speaks=False)

    assert len([chunk async for chunk in Punctual("acme", Empty(), 5).stream(MINI, QUERY)]) == 1
