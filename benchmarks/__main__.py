"""`make bench`: every benchmark in one run; `python -m benchmarks NAME…` runs some, `--json` prints figures alone."""

from __future__ import annotations

import json
import sys
from importlib import import_module

NAMES = (
    "decision",
    "gateway",
    "records",
    "footprint",
    "frontier",
    "semantic",
    "fit",
    "routers",
    "cascade",
    "streaming",
)


def main(arguments: list[str]) -> None:
    as_json = "--json" in arguments
    chosen = [name for name in arguments if not name.startswith("-")] or NAMES
    found = {}
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        found[name] = import_module(f"benchmarks.{name}").measure()
        if not as_json:
            for line in found[name]:
                print(f"{name:10} {line['what']:62} {line['value']:>12} {line.get('beside', '')}", flush=True)
    if as_json:
        print(json.dumps(found, indent=2))


main(sys.argv[1:])
