"""What the gate costs a request: keys, limits and budgets, in memory and over PostgreSQL and Redis.

    DATABASE_URL=postgresql://… REDIS_URL=redis://… python -m benchmarks.control

The stores are used if the variables are set; without them only memory is measured. Gates take turns, so that a busy
machine is equally busy for all of them. Told are medians: the time of one request that comes alone; and with 50 at a
time, how long each takes and how much processor time of this process, without that of the stores.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.timing import us
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.control.keys import digest, new_secret
from switchpoint.core.protocols import Gate
from switchpoint.core.query import Query

ROUNDS = 9
ALONE = 40
AT_ONCE = 50
PAUSE_S = 0.01
"""Between requests that come alone: the one before is settled by then."""

VARIABLES = ("DATABASE_URL", "REDIS_URL")

SECRET = new_secret()
HEADERS = [(b"host", b"here"), (b"authorization", b"Bearer " + SECRET.encode())]
KEYS = {"required": True, "keys": {"k": {"sha256": digest(SECRET), "team": "t"}}}
LIMITS = {"limits": [{"key": "*", "requests_per_min": 1e9, "tokens_per_min": 1e12}]}
BUDGETS = {"budgets": [{"key": "*", "usd": 1e6, "per": "day"}]}
ACCESS = {"keys": KEYS, "limits": KEYS | LIMITS, "budget": KEYS | BUDGETS, "limits, budget": KEYS | LIMITS | BUDGETS}
MODELS = {
    "small": {"upstream": "local", "input_usd_per_mtok": 1, "output_usd_per_mtok": 2, "max_output_tokens": 500},
    "large": {"upstream": "local", "input_usd_per_mtok": 10, "output_usd_per_mtok": 20, "max_output_tokens": 500},
}


class Cost(NamedTuple):
    """Seconds of a request: alone; with others at once, the wait and the processor's share of it."""

    alone_s: float
    crowd_s: float
    processor_s: float


def switchpoint(access: dict[str, Any], folder: Path) -> Switchpoint:
    fake = {"local": {"kind": "fake", "script": {name: ["hi"] for name in MODELS}}}
    kept = access | {"path": str(folder / "control.sqlite")}
    records = {"enabled": False}
    return Switchpoint.of({"upstreams": fake, "models": MODELS, "access": kept, "records": records})


async def pass_through(gate: Gate, number: int) -> float:
    start = time.perf_counter()
    admission = await gate.admit(await gate.identify(HEADERS), "auto", Query.of(f"hello {number}"))
    took_s = time.perf_counter() - start
    await asyncio.sleep(0)  # a request takes longer than nothing
    admission.settle(None)
    return took_s


async def alone(gate: Gate, number: int) -> float:
    took_s = await pass_through(gate, number)
    await asyncio.sleep(PAUSE_S)
    return took_s


async def measured(gate: Gate) -> Cost:
    one_by_one = [await alone(gate, number) for number in range(ALONE)]
    start = time.process_time()
    crowd = await asyncio.gather(*(pass_through(gate, number) for number in range(AT_ONCE)))
    return Cost(float(np.median(one_by_one)), float(np.median(crowd)), (time.process_time() - start) / AT_ONCE)


async def compare(made: dict[str, Switchpoint]) -> dict[str, Cost]:
    gates = {name: each.service().gate for name, each in made.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in gates}
    for _ in range(ROUNDS):
        for name, gate in gates.items():
            costs[name].append(await measured(gate))
            await asyncio.sleep(0.1)  # what is settled late is settled before the next one's turn
    for each in made.values():
        await each.disconnect()
    return {name: Cost(*np.median(np.array(seen), axis=0)) for name, seen in costs.items()}


@contextmanager
def without_stores() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with without_stores():
            made = {f"{name}, memory": switchpoint(access, Path(folder)) for name, access in ACCESS.items()}
            for each in made.values():
                each.service()  # opens its stores
        if all(name in os.environ for name in VARIABLES):
            made |= {f"{name}, stores": switchpoint(access, Path(folder)) for name, access in ACCESS.items()}
        costs = asyncio.run(compare(made))
        for each in made.values():
            each.close()
    print(f"| gate | alone | {AT_ONCE} at once | processor, each of {AT_ONCE} |\n|---|---|---|---|")
    for name, cost in costs.items():
        print(f"| {name} | {us(cost.alone_s)} | {us(cost.crowd_s)} | {us(cost.processor_s)} |")


if __name__ == "__main__":
    main()
