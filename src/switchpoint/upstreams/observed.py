"""Observed: an upstream of which a board sees every call, and which it can shut."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams.health import Board


class Observed:
    """An upstream around another; while the board has it shut, a call fails at once with UpstreamUnreachable.

    A call that its caller gave up counts neither way, unless its answer had begun: then the upstream was well.
    """

    def __init__(self, upstream: Upstream, board: Board) -> None:
        self.upstream = upstream
        self.board = board

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer of the upstream inside; raises as it does."""
        visit = self.board.enter(model.id)
        try:
            answer = await self.upstream.complete(model, query)
        except Exception as error:
            visit.failed(error)
            raise
        except BaseException:
            visit.passed_by()
            raise
        visit.succeeded(visit.elapsed_s(), None)
        return answer

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks of the upstream inside; raises as it does."""
        visit = self.board.enter(model.id)
        ttft_s: float | None = None
        try:
            async with aclosing(self.upstream.stream(model, query)) as chunks:
                async for chunk in chunks:
                    if ttft_s is None and chunk.speaks:
                        ttft_s = visit.elapsed_s()
                    yield chunk
        except Exception as error:
            visit.failed(error)
            raise
        except BaseException:
            if ttft_s is None:
                visit.passed_by()
            else:
                visit.succeeded(None, ttft_s)
            raise
        visit.succeeded(visit.elapsed_s(), ttft_s)

    async def close(self) -> None:
        """Release the connections of the upstream inside."""
        await self.upstream.close()
