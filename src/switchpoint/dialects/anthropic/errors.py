"""Errors in Anthropic's form, by HTTP status: its own types of error are one for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from switchpoint.dialects.dialect import Json

TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Anthropic's types of error, by the status that they come with."""

STATUSES: Mapping[str, int] = {type: status for status, type in TYPES.items()}
"""The status that each type comes with, for an error in the middle of a stream."""

STREAMED: Mapping[str, int] = {"invalid_request_error": 400, "rate_limit_error": 429, "insufficient_quota": 429}
"""Statuses of our own types, for an error in the middle of a stream; any other is ours or an upstream's."""


def write_error(told: Mapping[str, Any], status: int | None) -> Json:
    """Return OpenAI's error object in Anthropic's form; a status of None is that of an event in a stream."""
    error = told["error"]
    if status is None:
        status = STREAMED.get(error.get("type"), 500)
    if error.get("code") == "overloaded":
        status = 529
    own = TYPES.get(status) or ("invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": own, "message": error["message"], "code": error.get("code")}}
