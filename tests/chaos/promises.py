"""What is promised beside the matrix: of callers, disks, clocks, processes and stores. Each names the test of it."""

from __future__ import annotations

from typing import NamedTuple


class Promise(NamedTuple):
    """One promise. test : its module in this folder, and a function there."""

    what: str
    then: str
    test: str


PROMISES: dict[str, tuple[Promise, ...]] = {}
