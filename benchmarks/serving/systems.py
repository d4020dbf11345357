"""How each system is started on one core, and what it is sent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parents[2]
SYSTEM_CORE, LOAD_CORE = 0, 1

SWITCHPOINT = """
[upstreams.local]
base_url = "http://127.0.0.1:{upstream}/v1"
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
[management]
port = {other}
"""
LITELLM = """
model_list:
  - model_name: local
    litellm_params: {{model: openai/local, api_base: "http://127.0.0.1:{upstream}/v1", api_key: none}}
litellm_settings: {{telemetry: false}}
"""


@dataclass(frozen=True)
class System:
    """A server under test. command : `{port}`, `{upstream}`, `{other}` and `{folder}` are filled in.

    streams : False for one that answers every stream with an error.
    """

    name: str
    command: Sequence[str]
    model: str = "local"
    path: str = "/v1/chat/completions"
    health: str = "/health"
    headers: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    patience_s: float = 240.0
    streams: bool = True


def systems(peers: Path | None) -> list[System]:
    """Return the baseline, ourselves, and every peer that is installed in the folder `peers`."""
    python = sys.executable
    found = [
        System(
            "bare proxy",
            (python, "-m", "benchmarks.serving.bare", "{port}", "http://127.0.0.1:{upstream}/v1/chat/completions"),
        ),
        System(
            "switchpoint",
            (python, "-m", "switchpoint.cli", "serve", "--config", "{folder}/switchpoint.toml", "--port", "{port}"),
            model="auto",
            files={"switchpoint.toml": SWITCHPOINT},
        ),
    ]
    return found + ([] if peers is None else [peer for peer in known_peers(peers) if Path(peer.command[0]).exists()])


def known_peers(folder: Path) -> list[System]:
    return [
        System(
            "litellm",
            (str(folder / "litellm/bin/litellm"), "--config", "{folder}/config.yaml", "--port", "{port}"),
            health="/health/liveliness",
            files={"config.yaml": LITELLM},
            environment={
                "LITELLM_LOG": "ERROR",
                "DISABLE_ADMIN_UI": "True",
                "LITELLM_TELEMETRY": "False",
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            },
        ),
        System(
            "routellm",
            (
                str(folder / "routellm/bin/python"),
                "-m",
                "routellm.openai_server",
                "--routers",
                "random",
                "--port",
                "{port}",
                "--strong-model",
                "openai/local",
                "--weak-model",
                "openai/local",
                "--base-url",
                "http://127.0.0.1:{upstream}/v1",
                "--api-key",
                "none",
            ),
            model="router-random-0.5",
            health="/openapi.json",
            environment={"OPENAI_API_KEY": "none", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"},
        ),
        System(
            "portkey",
            (str(folder / "portkey/run"), "--port={port}"),
            health="/",
            headers="x-portkey-provider: openai\r\nx-portkey-custom-host: http://127.0.0.1:{upstream}/v1\r\n",
            environment={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1"},
            streams=False,  # 1.15.2 appends to the headers of what it fetched, which Node 20 and 22 forbid: status 500
        ),
    ]


@contextmanager
def running(system: System, port: int, upstream: int, folder: Path) -> Iterator[subprocess.Popen]:
    """Run a system on its core while the block runs, from the moment that it answers."""
    fill = {"port": port, "upstream": upstream, "folder": folder, "other": free_port()}
    for name, text in system.files.items():
        (folder / name).write_text(text.format(**fill))
    command = [part.format(**fill) for part in system.command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE), **system.environment}
    with (
        (folder / f"{system.name}.log").open("w") as log,
        subprocess.Popen(
            ["taskset", "-c", str(SYSTEM_CORE), *command],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as child,
    ):
        try:
            await_answer(f"http://127.0.0.1:{port}{system.health}", system.patience_s)
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()


@contextmanager
def mock(port: int) -> Iterator[None]:
    """Run the upstream on the core of the load generator."""
    command = ["taskset", "-c", str(LOAD_CORE), sys.executable, "-m", "benchmarks.serving.mock", str(port)]
    with subprocess.Popen(command, cwd=HERE) as child:
        try:
            await_connection(port)
            yield
        finally:
            child.terminate()


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    below = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [pid, *(each for child in below for each in tree(child))]


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process tree."""
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process tree."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def await_connection(port: int, patience_s: float = 30) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def await_answer(url: str, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def dumps(value: object) -> str:
    return json.dumps(value, indent=2)
