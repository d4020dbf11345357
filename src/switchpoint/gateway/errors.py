"""What a caller sees of an error: OpenAI's error object, the HTTP status, and whether to try again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from switchpoint.core.attempt import Failure
from switchpoint.core.errors import (
    REFUSED_KEYS,
    BudgetSpent,
    LimitReached,
    NoAnswer,
    Overloaded,
    RateLimited,
    RequestError,
    StoreUnavailable,
    SwitchpointError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    surface,
)

Header = tuple[bytes, bytes]

CALLERS_FAULTS = frozenset({400, 413, 415, 422})
"""Statuses by which an upstream says that the request itself is wrong."""

NOT_YOURS = "An upstream refuses the gateway's own credentials; yours are not at fault. "

RETRY: Mapping[type[Exception], bytes] = {
    NoAnswer: b"false",
    BudgetSpent: b"false",
    LimitReached: b"true",
    Overloaded: b"true",
    StoreUnavailable: b"true",
}
"""Whether a client is told to try again; about other errors it decides by the status, as ever.

A NoAnswer has been tried again by us: clients would try three times what was tried several times here. A spent budget
is a 429 like a rate limit, but waiting mends only the latter.
"""

INTERNAL = "The service failed unexpectedly. Its log says why."
"""All that a caller learns of an error that nobody foresaw."""


class Shown(NamedTuple):
    """An error as a response."""

    status: int
    headers: list[Header]
    body: bytes


def shown(error: Exception) -> Shown:
    """Return the response for an error; of one that is not ours it tells nothing."""
    headers = [(b"content-type", b"application/json")]
    retry = next((RETRY[each] for each in type(error).__mro__ if each in RETRY), None)
    if retry is not None:
        headers.append((b"x-should-retry", retry))
    wait_s = _retry_after_s(error)
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % math.ceil(wait_s)))
    return Shown(surface(_cause(error)).status, headers, msgspec.json.encode(error_object(error)))


def error_object(error: Exception) -> dict[str, Any]:
    """Return OpenAI's error object."""
    shown_as = surface(_cause(error))
    if not isinstance(error, SwitchpointError):
        return error_body(INTERNAL, type=shown_as.type, code="internal_error")
    refused = isinstance(error, NoAnswer) and _cause(error) is UpstreamRefused
    message, named = (NOT_YOURS + str(error), UpstreamRefused) if refused else (str(error), type(error))
    return error_body(message, type=shown_as.type, code=code(named), param=getattr(error, "param", None))


def error_body(message: str, *, type: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """Put the four fields of OpenAI's error object together."""
    safe = message.encode("utf-8", "replace").decode()
    return {"error": {"message": safe, "type": type, "param": param, "code": code}}


def code(error: type[SwitchpointError]) -> str:
    """Return the `code` of an error: its own, or its name in snake case."""
    own: str | None = getattr(error, "code", None)
    return own or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.__name__).lower()


def _cause(error: Exception) -> type[Exception]:
    """Return the class that an error is shown as: a NoAnswer is shown by what caused it.

    What every upstream refuses as malformed, or cannot carry, is the caller's to mend, although an upstream said so
    first. A refused key is the operator's, and the last to be told.
    """
    failures = _failures(error) if type(error) is NoAnswer else []
    if failures and all(failure.kind == RateLimited.__name__ for failure in failures):
        return RateLimited
    if failures and all(_is_callers_fault(failure) for failure in failures):
        return RequestError
    if failures and all(failure.status in REFUSED_KEYS for failure in failures):
        return UpstreamRefused
    if failures and failures[-1].kind == UpstreamTimeout.__name__:
        return UpstreamTimeout
    return type(error)


def _retry_after_s(error: Exception) -> float | None:
    """Return the wait that an error advises: of a NoAnswer the shortest, where every failure was a rate limit."""
    if _cause(error) is RateLimited and isinstance(error, NoAnswer):
        return min((f.retry_after_s for f in _failures(error) if f.retry_after_s is not None), default=None)
    if isinstance(error, UpstreamError | Overloaded | LimitReached | StoreUnavailable):
        return error.retry_after_s
    return None


def _is_callers_fault(failure: Failure) -> bool:
    return failure.status in CALLERS_FAULTS or failure.kind == RequestError.__name__


def _failures(error: Exception) -> Sequence[Failure]:
    attempts = error.attempts if isinstance(error, NoAnswer) else ()
    return [attempt.failure for attempt in attempts if attempt.failure is not None]
