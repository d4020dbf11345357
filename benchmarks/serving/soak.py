"""`python -m benchmarks.serving.soak [REQUESTS]`: many requests, half of them streamed, and the memory meanwhile.

It warms up until every bounded table is full: the words that the tokeniser remembers (50,000) and the conversations.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from itertools import chain
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.serving.load import Result, closed, requests
from benchmarks.serving.systems import LOAD_CORE, dumps, free_port, memory_mb, mock, running, systems

WARM_UP, STEPS, CONNECTIONS = 80_000, 50, 64


async def soak(port: int, pid: int, total: int) -> dict[str, object]:
    """Call in steps of equal size; between them look at the memory."""
    sources = [requests("localhost", "/v1/chat/completions", "auto", 1_000, stream) for stream in (False, True)]
    await step(port, sources, WARM_UP)
    memory, called, failed, took_s = [memory_mb(pid)], 0, 0, 0.0
    while called < total:
        results = await step(port, sources, total // STEPS)
        called += sum(len(result.seconds) for result in results)
        failed += sum(result.failed for result in results)
        took_s += max(result.took_s for result in results)
        memory.append(memory_mb(pid))
        print(f"{called:8} calls, {failed} failed, {memory[-1]:.1f} MB", file=sys.stderr, flush=True)
    half = len(memory) // 2
    return {
        "calls": called,
        "failed": failed,
        "seconds": round(took_s),
        "memory_mb": [round(each, 1) for each in memory],
        "growth_after_warm_up": round(memory[-1] / memory[0] - 1, 4),
        "second_half_over_first": round(float(np.mean(memory[half:]) / np.mean(memory[1 : half + 1])) - 1, 4),
    }


async def step(port: int, sources: list, calls: int) -> tuple[Result, Result]:
    """Make about so many calls, as many streamed as not, each kind on its own connections."""
    whole, streamed = sources
    first = asyncio.create_task(counted(port, streamed, calls // 2))
    second = asyncio.create_task(counted(port, whole, calls // 2))
    return await first, await second


async def counted(port: int, source, calls: int) -> Result:
    """Make exactly so many calls on half of the connections."""
    left = calls

    def some():
        nonlocal left
        while left > 0:
            left -= 1
            yield next(source)

    return await closed(port, chain(some()), CONNECTIONS // 2, float("inf"))


def main() -> None:
    os.sched_setaffinity(0, {LOAD_CORE})
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    system = next(each for each in systems(None) if each.name == "switchpoint")
    upstream, port = free_port(), free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock(upstream),
        running(system, port, upstream, Path(folder)) as child,
    ):
        found = uvloop.run(soak(port, child.pid, total))
        print(dumps({**found, "recorded": recorded(Path(folder), found["calls"] + WARM_UP)}))


def recorded(folder: Path, expected: int, patience_s: float = 10.0) -> int:
    """Return how many records were kept, once all are there or the patience is over."""
    end = time.monotonic() + patience_s
    while True:
        with closing(sqlite3.connect(folder / "switchpoint-data" / "records.sqlite")) as connection:
            found = connection.execute("SELECT count(*) FROM records").fetchone()[0]
        if found >= expected or time.monotonic() > end:
            return found
        time.sleep(0.5)


if __name__ == "__main__":
    main()
