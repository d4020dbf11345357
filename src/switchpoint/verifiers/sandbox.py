"""Sandbox: run a Python program that nobody has read, and learn only whether it came to its end.

It needs Linux 5.12 or newer, and that the process may make user namespaces. What is prevented, and what is not,
stands in `docs/verifiers/code.md`. Where it cannot be set up, it refuses; there is no weaker mode.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from switchpoint.core.errors import ConfigError

CONFINE = Path(__file__).with_name("confine.py")
SAID_BYTES = 2_000
NAMESPACES = ("--user", "--map-root-user", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child")

_PROBE = """
import os, socket
def refused(act):
    try:
        act()
    except OSError:
        return
    os._exit(3)
refused(lambda: socket.create_connection(("192.0.2.1", 9), timeout=1))
refused(lambda: open("/switchpoint-probe", "w"))
refused(lambda: os.chroot("/tmp"))
assert not os.listdir("/proc") and not os.environ.get("HOME")
open("probe", "w").write("only /tmp can be written")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Limits of one run.

    time_s : of the clock and of the processor, whole seconds.
    memory_mb : of address space; file_mb : of all files together, which live in memory and go with the process.
    processes : at most, where the kernel counts them by namespace; root's own are not counted.
    """

    time_s: int = 5
    memory_mb: int = 512
    file_mb: int = 16
    processes: int = 16

    async def passes(self, program: str) -> bool:
        """Whether a program comes to its end without an exception, an exit or a limit. Its output is thrown away."""
        ended, _ = await self._run(program)
        return ended

    async def check(self) -> None:
        """Prove on a probe that the network, the file system and other processes are out of reach.

        Raises ConfigError where this machine cannot set the sandbox up.
        """
        ended, said = await self._run(_PROBE)
        if not ended:
            why = said.splitlines()[-1] if said else "the probe did not end as it should"
            raise ConfigError(
                f"This machine cannot run answers' code in a sandbox ({why}). It needs Linux 5.12 with user namespaces "
                "and the command unshare. Allow them, or configure no tests."
            )

    async def _run(self, program: str) -> tuple[bool, str]:
        """Return whether the program came to its end, and what setting up said where it failed."""
        unshare = shutil.which("unshare")
        if unshare is None:
            return False, "there is no command unshare"
        token = secrets.token_hex(16)
        process = await asyncio.create_subprocess_exec(
            *(unshare, *NAMESPACES, sys.executable, "-I", "-S", str(CONFINE)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(self.time_s + 1):
                return await _outcome(process, self._asked(program, token), token.encode())
        except TimeoutError:
            return False, ""
        finally:
            await _kill(process)

    def _asked(self, program: str, token: str) -> bytes:
        return json.dumps({"program": program, "token": token, **asdict(self)}).encode()


async def _outcome(process: asyncio.subprocess.Process, asked: bytes, token: bytes) -> tuple[bool, str]:
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    with suppress(BrokenPipeError, ConnectionResetError):  # it ended before it read what to run
        process.stdin.write(asked)
        await process.stdin.drain()
        process.stdin.close()
    said = await _read(process.stdout, len(token))
    return said == token, "" if said else (await _read(process.stderr, SAID_BYTES)).decode(errors="replace").strip()


async def _read(reader: asyncio.StreamReader, most: int) -> bytes:
    """Read to the end, or one byte more than allowed: a program could write without end, and must not fill memory."""
    data = b""
    while len(data) <= most and (piece := await reader.read(most + 1 - len(data))):
        data += piece
    return data


async def _kill(process: asyncio.subprocess.Process) -> None:
    """End the whole group: unshare, and with it the namespace of processes in which nothing outlives the first."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # Not wait(): that never returns while a pipe is left unread. What a dead group left in one is at most its buffer.
    await process.communicate()
