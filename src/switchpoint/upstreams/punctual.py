"""Punctual: a stream that sends bytes and says nothing is given up in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import UpstreamTimeout
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query


class Punctual:
    """An upstream around another, whose streams must say something within `first_content_s` of the call.

    Content, reasoning or a tool call; not a role, a comment or an empty piece, which a server that is stuck may send
    for ever. A whole answer is silent until it is ready, so it is not limited.
    """

    def __init__(self, name: str, upstream: Upstream, first_content_s: float) -> None:
        self.upstream = upstream
        self._name = name
        self._first_content_s = first_content_s

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer of the upstream inside; raises as it does."""
        return await self.upstream.complete(model, query)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of the upstream inside; raises as it does, and UpstreamTimeout."""
        until = asyncio.get_running_loop().time() + self._first_content_s
        async with aclosing(self.upstream.stream(model, query)) as chunks:
            spoke = False
            while not spoke:
                chunk = await self._in_time(chunks, until)
                if chunk is None:
                    return
                spoke = chunk.speaks
                yield chunk
            async for chunk in chunks:
                yield chunk

    async def close(self) -> None:
        """Release the connections of the upstream inside."""
        await self.upstream.close()

    async def _in_time(self, chunks: AsyncGenerator[Chunk, None], until: float) -> Chunk | None:
        try:
            async with asyncio.timeout_at(until):
                return await anext(chunks, None)
        except TimeoutError:
            limit = f"its first content timeout of {self._first_content_s:g} s"
            raise UpstreamTimeout(f"upstream {self._name!r} passed {limit}.") from None
