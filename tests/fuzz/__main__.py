"""Fuzz both listeners for as long as you like: `python -m tests.fuzz --minutes 10`; the seed changes every round."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.fuzz.conforming import fuzzing, targets
from tests.fuzz.listeners import listening

PER_ROUND = 40


def fuzz(minutes: float, only: str) -> int:
    """Return how many operations failed; each is fuzzed no more once it did."""
    end = time.monotonic() + minutes * 60
    left = [target for target in targets() if only in target.name]
    failed = 0
    with listening() as listeners:
        before = listeners.held()
        while left and time.monotonic() < end:
            for target in list(left):
                if time.monotonic() >= end:
                    break
                try:
                    fuzzing(target, PER_ROUND, fixed=False)(listeners)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failed += 1
                    left.remove(target)
                    sys.stderr.write(f"\n{target.name}:\n")
                    traceback.print_exception(error, limit=3)
        told = f"before {before}, after {listeners.held()}; {len(listeners.records)} records; {failed} failed\n"
        sys.stdout.write(told)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help="operations whose name holds this")
    asked = parser.parse_args()
    sys.exit(min(fuzz(asked.minutes, asked.only), 255))
