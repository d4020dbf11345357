"""`make bench-gateway`, or `python -m benchmarks.serving [--peers FOLDER] [--seconds S] [--only NAME,…] [--json]`.

Each system runs on one core in one process; the load generator and the upstream share the other core. Every prompt is
different. Per system: calls at full load (64 connections), whole and streamed, with prompts of 1 kB and 50 kB; then at
half of its own full load, at a constant rate, its quantiles beside those of the upstream asked directly at that rate.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import uvloop

from benchmarks.serving.load import Result, closed, opened, requests
from benchmarks.serving.mock import EVENTS
from benchmarks.serving.systems import LOAD_CORE, System, cpu_s, dumps, free_port, memory_mb, mock, running, systems

SIZES = {"1 kB": 1_000, "50 kB": 50_000}
CONNECTIONS = 64


async def measure(system: System, port: int, upstream: int, pid: int, seconds: float) -> dict[str, float]:
    def source(to: int, size: int, stream: bool):
        own = to == port
        extra = system.headers.format(upstream=upstream) if own else ""
        return requests(f"127.0.0.1:{to}", system.path, system.model if own else "local", size, stream, extra)

    found: dict[str, float] = {}
    kinds = (False, True) if system.streams else (False,)
    warm = await closed(port, source(port, 1_000, False), 8, min(2.0, seconds))
    check(system, "warm-up", warm)
    for size, chars in SIZES.items():
        for stream in kinds:
            before = cpu_s(pid)
            run = await closed(port, source(port, chars, stream), CONNECTIONS, seconds)
            what = f"{'streams' if stream else 'JSON'} {size}"
            check(system, what, run)
            found[f"{what}: per second"] = run.per_s
            found[f"{what}: CPU us each"] = (cpu_s(pid) - before) / len(run.seconds) * 1e6
            if stream:
                found[f"{what}: CPU us a chunk"] = found[f"{what}: CPU us each"] / len(EVENTS)
    for stream in kinds:
        what = "streams" if stream else "JSON"
        rate = found[f"{what} 1 kB: per second"] / 2
        ours = await opened(port, source(port, 1_000, stream), rate, seconds)
        direct = await opened(upstream, source(upstream, 1_000, stream), rate, seconds)
        check(system, what, ours)
        for quantile in (0.5, 0.95, 0.99):
            added = ours.ms(quantile, "firsts") - direct.ms(quantile, "firsts")
            found[f"{what}: added at half load, p{quantile * 100:.0f} ms"] = (
                added if stream else ours.ms(quantile) - direct.ms(quantile)
            )
    alone = await closed(port, source(port, 1_000, False), 1, seconds)
    direct = await closed(upstream, source(upstream, 1_000, False), 1, seconds)
    found["JSON: added to a lone call, p50 ms"] = alone.ms(0.5) - direct.ms(0.5)
    found["memory MB"] = memory_mb(pid)
    return found


def check(system: System, what: str, run: Result) -> None:
    if run.failed > 0.001 * len(run.seconds):
        raise SystemExit(f"{system.name}, {what}: {run.failed} calls failed beside {len(run.seconds)}.")


def measure_all(peers: Path | None, only: set[str] | None, seconds: float) -> dict[str, dict[str, float]]:
    os.sched_setaffinity(0, {LOAD_CORE})
    found, upstream = {}, free_port()
    with mock(upstream):
        for system in systems(peers):
            if only and system.name not in only:
                continue
            print(f"measuring {system.name} …", file=sys.stderr, flush=True)
            port = free_port()
            with tempfile.TemporaryDirectory() as folder, running(system, port, upstream, Path(folder)) as child:
                found[system.name] = uvloop.run(measure(system, port, upstream, child.pid, seconds))
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as a table, each with its ratio to the bare proxy's."""
    names = list(found)
    base = found.get("bare proxy", {})
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    for what in max(found.values(), key=len):
        cells = []
        for name in names:
            value = found[name].get(what, float("nan"))
            ratio = f" ({value / base[what]:.2f}x)" if base and name != "bare proxy" and "per second" in what else ""
            cells.append(f"{value:,.0f}{ratio}" if value >= 100 else f"{value:.2f}{ratio}")
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    only = set(asked.only.split(",")) if asked.only else None
    found = measure_all(asked.peers, only, asked.seconds)
    print(dumps(found) if asked.json else table(found))


if __name__ == "__main__":
    main()
