"""What some verifiers of the table need beside the base install: asked at start, by who names them."""

from __future__ import annotations

from collections.abc import Iterable

from switchpoint.core.errors import ConfigError
from switchpoint.verifiers.schemas import installed

NEED_SCHEMAS = frozenset({"json_schema", "tool_calls"})


def require(names: Iterable[str]) -> None:
    """Raise ConfigError, naming each verifier and the extra, where one of them lacks its libraries."""
    lacking = [] if installed() else sorted(NEED_SCHEMAS.intersection(names))
    if lacking:
        raise ConfigError(
            f"The verifier {name!r} needs jsonschema and google-re2. Run: pip install 'switchpoint[verify]'"
            for name in lacking
        )
