"""Timing on a noisy machine: medians of many, the competitors taking turns."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np


def in_turns(
    work: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 20,
    block: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, np.ndarray]:
    """Call each piece of work `block` times, in turns, `rounds` times in all; return seconds of each, shape (rounds,).

    A block of one finds the processor's caches filled by the others' work, a long one by its own.
    clock : `time.thread_time` leaves out what other processes of a busy machine take; for work of one thread.
    """
    seconds = {name: np.empty(rounds) for name in work}
    for each in work.values():
        for _ in range(warm_up):
            each()
    gc.collect()
    gc.disable()
    try:
        for first in range(0, rounds, block):
            for name, each in work.items():
                for number in range(first, min(first + block, rounds)):
                    start = clock()
                    each()
                    seconds[name][number] = clock() - start
    finally:
        gc.enable()
    return seconds


def us(seconds: float) -> str:
    return f"{1e6 * seconds:.1f} µs"


def ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"
