"""Everything that can go wrong, split by who must act.

::

    SwitchpointError
    ├── ConfigError            the operator: mend the configuration
    ├── RequestError           the caller: mend the request
    │   ├── UnknownModel         no such model, route or router
    │   ├── UnknownRecord        no record has this id
    │   ├── NoEligibleModel      every model is excluded; says why for each
    │   ├── RequestTooLarge      the body is over the limit
    │   ├── UnsupportedMedia     the body is encoded in a way that is not read
    │   ├── Refused              a route of the configuration refuses such queries
    │   ├── Unauthenticated      no key, or an unknown one
    │   ├── Forbidden            the key may not do this
    │   ├── LimitReached         a rate limit of ours; may carry retry_after_s
    │   └── BudgetSpent          no money is left for this key, team or route
    ├── Overloaded             more at once than we take, or we are stopping: another time, or another replica
    ├── UpstreamError          somebody else's service
    │   ├── UpstreamTimeout      no answer in time
    │   ├── UpstreamUnreachable  no connection
    │   ├── RateLimited          429; may carry retry_after_s
    │   ├── UpstreamRefused      our key or our request was refused: 4xx
    │   └── BadAnswer            not the shape that was promised
    ├── NoAnswer               every attempt failed; carries the attempts
    │   └── DeadlineExceeded     the caller's own deadline passed first
    ├── StoreUnavailable       PostgreSQL or Redis does not answer, and nothing can stand in for it
    ├── DataError              a dataset: names the file, the row, the column
    ├── ArtifactError          an artifact: missing, damaged or made for something else
    └── NotFittedError         library misuse: predict before fit

A message says what is wrong, the value got, what is allowed, and what to do. `SURFACE` maps every class to the HTTP
status, the OpenAI error type and the exit code that show it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from switchpoint.core.attempt import Attempt, Failure


class SwitchpointError(Exception):
    """Anything that Switchpoint raises on purpose."""


class ConfigError(SwitchpointError):
    """The configuration cannot be used; `problems` holds every fault found, one line each, with its place."""

    def __init__(self, problems: str | Iterable[str], source: str | None = None) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        where = f"{source}: " if source else ""
        super().__init__(where + "; ".join(self.problems))


class RequestError(SwitchpointError):
    """The request cannot be served as it is; `param` names the field at fault where there is one."""

    code = "invalid_request"

    def __init__(self, message: str, param: str | None = None) -> None:
        self.param = param
        super().__init__(message)


class UnknownModel(RequestError):
    """The `model` of a request is neither a model, nor a route, nor a router with a threshold."""

    code = "model_not_found"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(
            f"Unknown model {name!r}.{nearest(name, names)} Known: {', '.join(names) or 'none'}.",
            param="model",
        )


class UnknownRecord(RequestError):
    """No record has the id that was named."""

    code = "record_not_found"

    def __init__(self, record_id: str) -> None:
        super().__init__(f"Unknown record {record_id!r}. Send the id that came with the answer.", param="record_id")


class NoEligibleModel(RequestError):
    """No model may take this query; `excluded` says why, model by model."""

    code = "no_eligible_model"

    def __init__(self, excluded: Mapping[str, str]) -> None:
        self.excluded = dict(excluded)
        reasons = "; ".join(f"{model}: {reason}" for model, reason in excluded.items())
        super().__init__(f"No model can take this request ({reasons or 'the catalog is empty'}).")


class RequestTooLarge(RequestError):
    """The body of a request is larger than the gateway accepts."""

    code = "request_too_large"


class UnsupportedMedia(RequestError):
    """The body of a request is encoded in a way that the gateway does not read."""

    code = "unsupported_media_type"


class Refused(RequestError):
    """The configuration refuses such queries; the message is the operator's, `route` names what matched."""

    code = "refused"

    def __init__(self, message: str, route: str | None = None) -> None:
        self.route = route
        super().__init__(message)


class Unauthenticated(RequestError):
    """No key, or one that is not known; never says which."""

    code = "invalid_api_key"


class Forbidden(RequestError):
    """The key is known, and may not do this."""

    code = "permission_denied"


class LimitReached(RequestError):
    """A rate limit of the gateway's own; `retry_after_s` says when there is room again, None if that is unknown."""

    code = "rate_limit_exceeded"

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class BudgetSpent(RequestError):
    """What may be spent is spent, or set aside for requests in progress."""

    code = "insufficient_quota"


class Overloaded(SwitchpointError):
    """More requests than the gateway takes at once, or it is stopping; another time or another replica may do."""

    code = "overloaded"

    def __init__(self, message: str, retry_after_s: float | None = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class UpstreamError(SwitchpointError):
    """An upstream failed; `retryable` says whether the same call may succeed later.

    vendor_code : what the vendor itself calls the error, such as "context_length_exceeded"; None is unknown.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        vendor_code: str | None = None,
    ) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.vendor_code = vendor_code
        super().__init__(message)


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer, or did not go on, in time."""


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream, or it broke before the answer."""


class RateLimited(UpstreamError):
    """The upstream answered 429; `retry_after_s` is its own advice, None if it gave none."""


REFUSED_KEYS = frozenset({401, 402, 403})
"""Statuses by which an upstream refuses the gateway's own key, and not the request."""


class UpstreamRefused(UpstreamError):
    """The upstream refused the call (a 4xx other than 408 and 429): the same call would fail again."""

    retryable = False


class BadAnswer(UpstreamError):
    """The upstream's answer is broken: not JSON, not the promised shape, or cut off."""


class NoAnswer(SwitchpointError):
    """Every attempt failed, or the strategy gave up; `attempts` tells the story."""

    def __init__(self, reason: str, attempts: Iterable[Attempt] = ()) -> None:
        self.attempts = tuple(attempts)
        story = "; ".join(f"{a.decision.model}: {_told(a.failure)}" for a in self.attempts if a.failure)
        super().__init__(f"No answer: {reason}" + (f" ({story})" if story else ""))


class DeadlineExceeded(NoAnswer):
    """The deadline that the caller set passed before there was an answer."""


class StoreUnavailable(SwitchpointError):
    """A store that replicas share does not answer; says which, never its address or its password."""

    def __init__(self, message: str, retry_after_s: float | None = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class DataError(SwitchpointError):
    """A dataset cannot be used; the message names the file and, where there is one, the row and the column."""


class ArtifactError(SwitchpointError):
    """An artifact is missing, damaged, or was made for another embedder, catalog or version."""


class NotFittedError(SwitchpointError, ValueError):
    """Something was asked of an estimator that has not been fitted yet."""

    def __init__(self, estimator: object) -> None:
        super().__init__(f"This {type(estimator).__name__} is not fitted yet. Call fit first.")


class Surface(NamedTuple):
    """How an error looks from outside."""

    status: int  # HTTP
    type: str  # the `type` of OpenAI's error object
    exit_code: int  # of the command line


SURFACE: dict[type[SwitchpointError], Surface] = {
    SwitchpointError: Surface(500, "server_error", 1),
    ConfigError: Surface(500, "server_error", 2),
    RequestError: Surface(400, "invalid_request_error", 2),
    UnknownModel: Surface(404, "invalid_request_error", 2),
    UnknownRecord: Surface(404, "invalid_request_error", 1),
    NoEligibleModel: Surface(400, "invalid_request_error", 1),
    RequestTooLarge: Surface(413, "invalid_request_error", 2),
    UnsupportedMedia: Surface(415, "invalid_request_error", 2),
    Refused: Surface(403, "invalid_request_error", 1),
    Unauthenticated: Surface(401, "authentication_error", 2),
    Forbidden: Surface(403, "permission_error", 2),
    LimitReached: Surface(429, "rate_limit_error", 1),
    BudgetSpent: Surface(429, "insufficient_quota", 1),
    Overloaded: Surface(503, "server_error", 1),
    UpstreamError: Surface(502, "server_error", 1),
    UpstreamTimeout: Surface(504, "server_error", 1),
    UpstreamUnreachable: Surface(502, "server_error", 1),
    RateLimited: Surface(429, "rate_limit_error", 1),
    UpstreamRefused: Surface(502, "server_error", 1),
    BadAnswer: Surface(502, "server_error", 1),
    NoAnswer: Surface(502, "server_error", 1),
    DeadlineExceeded: Surface(504, "server_error", 1),
    StoreUnavailable: Surface(503, "server_error", 1),
    DataError: Surface(500, "server_error", 1),
    ArtifactError: Surface(500, "server_error", 1),
    NotFittedError: Surface(500, "server_error", 1),
}


def _told(failure: Failure) -> str:
    """Return what a failure is to callers; of one that is no error of ours the kind alone: it may say anything."""
    ours = any(failure.kind == each.__name__ for each in SURFACE)
    return f"{failure.kind}: {failure.message}" if ours else failure.kind


def surface(error: type[BaseException]) -> Surface:
    """How an error is shown: the entry of its class, or of the nearest one that it inherits from."""
    return next((SURFACE[each] for each in error.__mro__ if each in SURFACE), SURFACE[SwitchpointError])


def nearest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name that is closest, or an empty string."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
