"""What a caller sees of an error: OpenAI's error object, the HTTP status, and whether to try again."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from switchpoint.core.attempt import Failure
from switchpoint.core.errors import (
    SURFACE,
    NoAnswer,
    RateLimited,
    Surface,
    SwitchpointError,
    UpstreamError,
    UpstreamTimeout,
)

Header = tuple[bytes, bytes]

INTERNAL = "The service failed unexpectedly. Its log says why."
"""All that a caller learns of an error that nobody foresaw."""


class Shown(NamedTuple):
    """An error as a response."""

    status: int
    headers: list[Header]
    body: bytes


def shown(error: Exception) -> Shown:
    """Return the response for an error; of one that is not ours it tells nothing.

    A run's NoAnswer has already been tried again by us: it tells clients not to, since they would try again three
    times what was tried several times here.
    """
    headers = [(b"content-type", b"application/json")]
    if isinstance(error, NoAnswer):
        headers.append((b"x-should-retry", b"false"))
    wait_s = _retry_after_s(error)
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(wait_s)))
    return Shown(_surface(error).status, headers, msgspec.json.encode(error_object(error)))


def error_object(error: Exception) -> dict[str, Any]:
    """Return OpenAI's error object."""
    shown_as = _surface(error)
    if not isinstance(error, SwitchpointError):
        return error_body(INTERNAL, type=shown_as.type, code="internal_error")
    return error_body(str(error), type=shown_as.type, code=code(type(error)), param=getattr(error, "param", None))


def error_body(message: str, *, type: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """Put the four fields of OpenAI's error object together."""
    safe = message.encode("utf-8", "replace").decode()
    return {"error": {"message": safe, "type": type, "param": param, "code": code}}


def code(error: type[SwitchpointError]) -> str:
    """Return the `code` of an error: its own, or its name in snake case."""
    own: str | None = getattr(error, "code", None)
    return own or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).lower()


def _surface(error: Exception) -> Surface:
    """Return the entry of the nearest class that has one; a NoAnswer is shown by what caused it."""
    shown_as = _cause(error) if isinstance(error, NoAnswer) else type(error)
    return next((SURFACE[each] for each in shown_as.__mro__ if each in SURFACE), SURFACE[SwitchpointError])


def _cause(error: NoAnswer) -> type[SwitchpointError]:
    failures = _failures(error)
    if failures and all(failure.kind == RateLimited.__name__ for failure in failures):
        return RateLimited
    if failures and failures[-1].kind == UpstreamTimeout.__name__:
        return UpstreamTimeout
    return NoAnswer


def _retry_after_s(error: Exception) -> float | None:
    """Return the shortest advised wait, where every failure was a rate limit and any gave advice."""
    if isinstance(error, NoAnswer) and _cause(error) is RateLimited:
        return min((f.retry_after_s for f in _failures(error) if f.retry_after_s is not None), default=None)
    return error.retry_after_s if isinstance(error, UpstreamError) else None


def _failures(error: NoAnswer) -> Sequence[Failure]:
    return [attempt.failure for attempt in error.attempts if attempt.failure is not None]
