"""A server to call, and the few words that every test of this room needs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from switchpoint.core.attempt import Chunk
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from tests.fake_openai import FakeOpenAI

KEY = "sk-do-not-tell-anyone"
QUERY = Query.of("What is 2 + 2?")


def named(name: str, **fields: object) -> Model:
    return Model(id=name, upstream="u", upstream_model=name, **fields)


async def collect(upstream: Upstream, model: Model, query: Query = QUERY) -> list[Chunk]:
    async with aclosing(upstream.stream(model, query)) as chunks:
        return [chunk async for chunk in chunks]


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def upstream(server: FakeOpenAI) -> AsyncIterator[OpenAICompatible]:
    upstream = OpenAICompatible("acme", server.base_url, api_key=KEY)
    yield upstream
    await upstream.close()
