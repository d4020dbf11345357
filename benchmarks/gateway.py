"""What the gateway adds to a call: the same local upstream asked directly and through it, in turns, by one client."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.timing import ms

CONFIGURATION = """
[upstreams.local]
base_url = "http://127.0.0.1:{port}/v1"
[models.weak]
upstream = "local"
tier = "weak"
input_usd_per_mtok = 0.2
output_usd_per_mtok = 1
[models.strong]
upstream = "local"
tier = "strong"
input_usd_per_mtok = 2
output_usd_per_mtok = 10
"""
ROUNDS = 1500


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def process(*command: str, cwd: str, health: str) -> Iterator[subprocess.Popen]:
    """Run a command while the block runs, from the moment that `health` answers."""
    with subprocess.Popen([sys.executable, "-m", *command], cwd=cwd, stderr=subprocess.DEVNULL) as child:
        try:
            await_answer(health)
            yield child
        finally:
            child.terminate()
            child.wait(20)


def await_answer(url: str, patience_s: float = 30) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(urllib.request.Request(url, data=b"" if "/v1" in url else None), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@contextmanager
def running() -> Iterator[tuple[str, str, subprocess.Popen]]:
    """Start an upstream and a gateway in front of it; gives both addresses and the gateway's process."""
    here = str(Path(__file__).parent.parent)
    upstream, gateway = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "switchpoint.toml").write_text(CONFIGURATION.format(port=upstream))
        direct, routed = f"http://127.0.0.1:{upstream}/v1", f"http://127.0.0.1:{gateway}"
        serve = ("switchpoint.cli", "serve", "--config", f"{folder}/switchpoint.toml", "--port", str(gateway))
        with (
            process("benchmarks.upstream", str(upstream), cwd=here, health=f"{direct}/chat/completions"),
            process(*serve, cwd=folder, health=f"{routed}/health") as child,
        ):
            yield direct, f"{routed}/v1", child


async def time_calls(direct: str, routed: str) -> dict[str, np.ndarray]:
    body = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France? " * 30}]}
    seconds: dict[str, list[float]] = {direct: [], routed: []}
    async with aiohttp.ClientSession() as session:
        for number in range(ROUNDS + 100):
            for address, taken in seconds.items():
                start = time.perf_counter()
                async with session.post(f"{address}/chat/completions", json=body) as response:
                    await response.read()
                    assert response.status == 200
                if number >= 100:
                    taken.append(time.perf_counter() - start)
    return {address: np.array(taken) for address, taken in seconds.items()}


def measure() -> list[dict[str, str]]:
    with running() as (direct, routed, child):
        idle_mb = memory_mb(child.pid)
        seconds = asyncio.run(time_calls(direct, routed))
    d, r = seconds[direct], seconds[routed]
    p50, p99 = (np.quantile(r, q) - np.quantile(d, q) for q in (0.5, 0.99))
    return [
        {
            "what": "added by the gateway to a 1 kB call, p50 (records on, bundled router)",
            "value": ms(p50),
            "beside": f"{np.median(r) / np.median(d):.1f}x the direct call ({ms(np.median(d))})",
        },
        {"what": "added by the gateway to a 1 kB call, p99", "value": ms(p99)},
        {"what": "resident memory of `serve` before its first request", "value": f"{idle_mb:.0f} MB"},
    ]


def memory_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
