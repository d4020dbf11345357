"""A file of settings, TOML or JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from switchpoint.core.errors import ConfigError

SUFFIXES = (".toml", ".json")


def read_settings(path: Path) -> dict[str, Any]:
    """Return the table that a file holds; its suffix says whether it is TOML or JSON.

    Raises ConfigError for a file that is not there, that cannot be read, or in which a key is given twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text, object_pairs_hook=_table) if _is_json(path) else tomllib.loads(text)
    except FileNotFoundError:
        raise ConfigError("there is no such file.", str(path)) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot be read: {error}", str(path)) from error
    if not isinstance(found, dict):
        raise ConfigError(f"must hold an object. Got {type(found).__name__}.", str(path))
    return found


def _is_json(path: Path) -> bool:
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"must end in {' or '.join(SUFFIXES)}. Got {path.name!r}.", str(path))
    return path.suffix == ".json"


def _table(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """JSON itself would silently keep the last of two."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key {key!r} is given twice")
        table[key] = value
    return table
