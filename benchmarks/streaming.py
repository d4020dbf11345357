"""What a held beginning costs beyond the tokens that are held: from the last of them to the caller's first chunk.

Three calls take turns, from an upstream that sends a chunk of one token every 0.2 ms: one that holds nothing, and two
that hold 64 tokens and have them scored, by `confidence` and by `checks`. The clock runs from the moment at which the
upstream hands over the last chunk that was held (where nothing is held, the first chunk) to the moment at which the
caller has a chunk.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from decimal import Decimal

import numpy as np

from benchmarks.timing import ms
from switchpoint.cascades.prefix import PrefixGate
from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.routers.fixed import Fixed
from switchpoint.verifiers.plain import checks, confidence

ROUNDS = 200
PREFIX_TOKENS, TOKENS = 64, 80
GAP_S = 2e-4
WORDS = ("The", "train", "leaves", "at", "nine", "and", "needs", "two", "hours", "for", "its", "long", "way", "north")


def chunk(number: int) -> Chunk:
    text = f"{WORDS[number % len(WORDS)]}{number} "
    token = {"token": text, "logprob": -0.05, "top_logprobs": []}
    choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": [token]}, "finish_reason": None}
    return Chunk(data=json.dumps({"id": "x", "choices": [choice]}).encode(), text=text, logprobs=(-0.05,))


class Timed:
    """Streams the same answer each time and notes when it handed over the latest chunk."""

    def __init__(self) -> None:
        self.chunks = [chunk(number) for number in range(TOKENS)]
        self.last = 0.0

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        for each in self.chunks:
            await asyncio.sleep(GAP_S)
            self.last = time.perf_counter()
            yield each

    async def complete(self, model: Model, query: Query) -> Answer:
        raise NotImplementedError("this benchmark streams")

    async def close(self) -> None:
        pass


def measure() -> list[dict[str, str]]:
    catalog = Catalog(
        Model(id=id, upstream="timed", upstream_model=id, input_usd_per_mtok=usd, output_usd_per_mtok=usd)
        for id, usd in (("mini", Decimal("0.5")), ("big", Decimal(5)))
    )
    strategies: dict[str, Strategy] = {
        "nothing held": Fixed("plain", catalog, "mini"),
        **{
            f"{PREFIX_TOKENS} tokens held, {name}": PrefixGate(
                name, catalog, ["mini", "big"], name, 0.5, PREFIX_TOKENS, needs_logprobs=name == "confidence"
            )
            for name in ("confidence", "checks")
        },
    }
    seconds = asyncio.run(_waits(catalog, strategies))
    plain = seconds["nothing held"]
    return [
        {
            "what": f"{name}: to the first chunk, p50",
            "value": ms(float(np.median(waits))),
            "beside": f"p99 {ms(float(np.quantile(waits, 0.99)))}, "
            f"over nothing held {ms(float(np.median(waits) - np.median(plain)))}",
        }
        for name, waits in seconds.items()
    ]


async def _waits(catalog: Catalog, strategies: dict[str, Strategy]) -> dict[str, np.ndarray]:
    upstream = Timed()
    engine = Engine(
        catalog=catalog,
        upstreams={"timed": upstream},
        sink=lambda record: None,
        default_model="big",
        verifiers={"checks": checks, "confidence": confidence},
    )
    found = {name: np.empty(ROUNDS) for name in strategies}
    for number in range(-5, ROUNDS):  # the first rounds warm up
        for name, strategy in strategies.items():
            wait_s = await _wait(engine, strategy, upstream, number)
            if number >= 0:
                found[name][number] = wait_s
    return found


async def _wait(engine: Engine, strategy: Strategy, upstream: Timed, number: int) -> float:
    run = engine.start(strategy, Query.of(f"When does train {number} get there?"), stream=True)
    async with aclosing(run.chunks()) as chunks:
        await anext(chunks)
        return time.perf_counter() - upstream.last
