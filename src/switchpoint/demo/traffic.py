"""Traffic: real queries through the gateway by the official client, and what came of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query

if TYPE_CHECKING:
    from openai import AsyncOpenAI

STREAMED = 4
"""Every fourth query is streamed."""
AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the client saw of one query; latency_s is on its side."""

    query: Query
    model: str
    text: str
    record: str
    latency_s: float
    streamed: bool


async def send(
    address: str,
    queries: Sequence[Query],
    model: str,
    *,
    at_once: int = AT_ONCE,
    done: Callable[[], None] = lambda: None,
) -> list[Reply]:
    """Ask the gateway at `address` every query as `model`, some of them streamed, a few at a time."""
    try:
        from openai import AsyncOpenAI
    except ImportError:
        raise ConfigError(
            "The demo's traffic goes through the official client: pip install 'switchpoint[demo]'."
        ) from None
    gate = asyncio.Semaphore(at_once)
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=120) as client:

        async def ask(number: int, query: Query) -> Reply:
            async with gate:
                reply = await _ask(client, query, model, streamed=number % STREAMED == 0)
            done()
            return reply

        return await asyncio.gather(*(ask(number, query) for number, query in enumerate(queries)))


async def tell(address: str, scores: Mapping[str, float]) -> None:
    """Send the gateway feedback: by record, what the answer was worth."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        for record, score in scores.items():
            body = {"record_id": record, "value": score, "metric": "quality", "source": "demo"}
            await client.post("/feedback", body=body, cast_to=object)


async def _ask(client: AsyncOpenAI, query: Query, model: str, streamed: bool) -> Reply:
    start = time.perf_counter()
    messages: Any = list(query.messages)
    raw: Any = await client.chat.completions.with_raw_response.create(model=model, messages=messages, stream=streamed)
    answer, text = raw.parse(), ""
    if streamed:
        answered_by = ""
        async for chunk in answer:
            answered_by = chunk.model
            text += chunk.choices[0].delta.content or "" if chunk.choices else ""
    else:
        answered_by, text = answer.model, answer.choices[0].message.content or ""
    return Reply(
        query=query,
        model=answered_by,
        text=text,
        record=raw.headers["x-switchpoint-record"],
        latency_s=time.perf_counter() - start,
        streamed=streamed,
    )
