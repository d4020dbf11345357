"""The command line: one module per command; a command parses, calls the library once, and prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `switchpoint`; its own errors are one line and an exit code, a traceback only with SWITCHPOINT_DEBUG=1."""
    from switchpoint.cli.app import run

    sys.exit(run(sys.argv[1:]))
