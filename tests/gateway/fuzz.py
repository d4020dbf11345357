"""Fuzz a gateway over the fake upstream by its own OpenAPI document: `python -m tests.gateway.fuzz --max-examples 25`.

Needs schemathesis, whose options of `run` may all be given. Every status must be one that the document describes, and
none may be an error that nobody foresaw; a 502 or a 504 is no failure, because upstreams and deadlines may fail.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from tests.gateway.conftest import running

CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"
PROGRAM = Path(sys.executable).with_name("schemathesis")


class Unforeseen(logging.Handler):
    """Counts the errors that the gateway logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def fuzz(*options: str) -> int:
    """Return 0 where nothing was found, else the exit code of schemathesis or how many errors nobody foresaw."""
    unforeseen = Unforeseen()
    logging.basicConfig(handlers=[logging.StreamHandler(), unforeseen])
    with running() as gateway:
        command = [PROGRAM, "run", f"{gateway.url}/v1/openapi.json", "--checks", CHECKS, "--request-timeout", "10"]
        return subprocess.run([*command, *options], check=False).returncode or min(unforeseen.count, 255)


if __name__ == "__main__":
    sys.exit(fuzz(*sys.argv[1:]))
