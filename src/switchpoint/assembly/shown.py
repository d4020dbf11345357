"""A configuration as it may be shown: keys are only named in it, but a header, a path or a URL can hold one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from switchpoint.config.schema import Config

HIDDEN = "(hidden)"
SECRET = re.compile(r"(^|[_-])(key|keys|token|secret|password|authorization|hash|sha256)$", re.IGNORECASE)
"""Names of values that are not shown; those that end in `_env` only name a variable."""
URL = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def shown(config: Config) -> dict[str, Any]:
    """Return a configuration whose headers, secrets, and parts of URLs that may be secret are left out."""
    return {name: _shown(value) for name, value in config.model_dump(mode="json").items()}


def _shown(value: Any) -> Any:
    match value:
        case Mapping():
            return {name: _field(name, inner) for name, inner in value.items()}
        case list():
            return [_shown(inner) for inner in value]
        case str() if URL.match(value):
            return re.sub(r"//[^/@]*@", f"//{HIDDEN}@", value.partition("?")[0].partition("#")[0])
    return value


def _field(name: str, value: Any) -> Any:
    if name == "headers" and isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    if SECRET.search(name) and isinstance(value, str | list):
        return HIDDEN
    return _shown(value)
