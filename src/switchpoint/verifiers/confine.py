"""The program inside the sandbox: give up every right, then run what came on standard input.

It is run as a script of its own (`python -I -S confine.py`) in fresh namespaces that `sandbox.py` asks for; it is never
imported. It reads one JSON object, `{program, token, memory_mb, file_mb, processes, time_s}`, and writes the token to
standard output once the program has run to its end. Linux only: the constants are those of its headers.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from pathlib import Path

MOUNT_SETATTR = 442  # syscall number, the same on every architecture since Linux 5.12
CAPSET = {"x86_64": 126, "aarch64": 91}
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
READ_ONLY = 1  # MOUNT_ATTR_RDONLY
CAPABILITY_VERSION = 0x20080522
NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
HIDDEN = ("/proc", "/run", "/tmp", "/dev/shm", "/var/run", "/var/tmp")
"""Covered by empty file systems: other processes, their environment, and sockets that a file name leads to."""


def main() -> None:
    """Confine this process, run the program, and say that it came to its end."""
    asked = json.load(sys.stdin)
    answer = os.dup(1)
    confine(asked["file_mb"])
    limit(asked)
    silence()
    # What stands in `asked` must not stand in the program's reach by name.
    token, program = asked.pop("token"), asked.pop("program")
    exec(compile(program, "answer", "exec"), {"__name__": "__main__"})
    os.write(answer, token.encode())


def confine(file_mb: int) -> None:
    """Make every file read-only but an empty /tmp, then drop all capabilities for good; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    for path in HIDDEN:
        if Path(path).is_dir() and not Path(path).is_symlink():
            data = f"size={file_mb}m,mode=777".encode()
            checked(libc.mount(b"none", path.encode(), b"tmpfs", 0, data), f"mount {path}")
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    checked(libc.syscall(MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, ctypes.byref(attributes), size), "read-only /")
    writable = (ctypes.c_uint64 * 4)(0, READ_ONLY, 0, 0)
    checked(libc.syscall(MOUNT_SETATTR, AT_FDCWD, b"/tmp", 0, ctypes.byref(writable), size), "writable /tmp")
    checked(libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0), "no new privileges")
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    capset = CAPSET[os.uname().machine]
    checked(libc.syscall(capset, ctypes.byref(header), ctypes.byref(nothing)), "drop capabilities")
    os.chdir("/tmp")


def checked(result: int, what: str) -> None:
    """Raise OSError where a call of the system failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def limit(asked: dict[str, int]) -> None:
    """Set limits that cannot be raised again without a capability."""
    megabyte = 1 << 20
    limits = {
        resource.RLIMIT_CPU: asked["time_s"],
        resource.RLIMIT_AS: asked["memory_mb"] * megabyte,
        resource.RLIMIT_FSIZE: asked["file_mb"] * megabyte,
        resource.RLIMIT_NPROC: asked["processes"],
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))


def silence() -> None:
    """Let the program read nothing, and write to nobody."""
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


if __name__ == "__main__":
    main()
