"""Files that a configuration names and that are part of it: read with it, checked with it and hashed with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from switchpoint.core.errors import ConfigError
from switchpoint.core.settings import read_settings

Raw = Mapping[str, Any]


def with_route_files(raw: Raw, base: Path) -> tuple[Raw, list[str]]:
    """Return the configuration with the files of its semantic routers put in their place, and what is wrong with them.

    What the section itself says wins over the file. A section whose file cannot be read stays as it is.
    """
    routers = raw.get("routers")
    if not isinstance(routers, Mapping):
        return raw, []
    filled, problems = dict(routers), []
    for name, router in routers.items():
        if not _names_a_file(router):
            continue
        try:
            own = {key: value for key, value in router.items() if key != "file"}
            filled[name] = {**read_settings(base / router["file"]), **own}
        except ConfigError as error:
            problems.append(f"routers.{name}.file: {error}")
    return {**raw, "routers": filled}, problems


def _names_a_file(router: object) -> bool:
    """A section that also has routes of its own is a fault, found elsewhere."""
    if not isinstance(router, Mapping) or router.get("kind") not in ("semantic", "layered"):
        return False
    return isinstance(router.get("file"), str) and "routes" not in router
