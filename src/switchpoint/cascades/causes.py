"""Causes: why a call failed, and what that says about calling again; the retry matrix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from switchpoint.core.attempt import Failure
from switchpoint.core.errors import REFUSED_KEYS


class Cause(StrEnum):
    """Why a call failed: a closed set."""

    KEY = "key"  # 401, 402, 403: the upstream refuses our keys, all of them
    LIMIT = "limit"  # 429: too many calls, with every key
    PASSING = "passing"  # 408, 5xx, a timeout, no connection
    BROKEN = "broken"  # the answer was not what was promised
    TOO_LONG = "too long"  # 413, or a 400 that says so: the input does not fit
    POLICY = "policy"  # a 400 that says so: the vendor's own rules of content
    MISFIT = "misfit"  # this model, or its upstream, cannot do what was asked; another may
    MALFORMED = "malformed"  # any other 400 or 422: the request is wrong, and every model would say so


class Elsewhere(StrEnum):
    """Which other models may be called after a failure for good."""

    ANY = "any"
    LONGER = "longer"  # those that take more input, or it is not known how much
    NONE = "none"


class Treatment(NamedTuple):
    """What follows from a cause.

    retries : calls of the same model again at most; None is as configured.
    elsewhere : who may be called instead, once the same model is not called again.
    """

    retries: int | None
    elsewhere: Elsewhere


MATRIX: Mapping[Cause, Treatment] = MappingProxyType(
    {
        Cause.KEY: Treatment(0, Elsewhere.ANY),
        Cause.LIMIT: Treatment(None, Elsewhere.ANY),
        Cause.PASSING: Treatment(None, Elsewhere.ANY),
        Cause.BROKEN: Treatment(1, Elsewhere.ANY),
        Cause.TOO_LONG: Treatment(0, Elsewhere.LONGER),
        Cause.POLICY: Treatment(0, Elsewhere.ANY),
        Cause.MISFIT: Treatment(0, Elsewhere.ANY),
        Cause.MALFORMED: Treatment(0, Elsewhere.NONE),
    }
)
"""The retry matrix. Turning to the next key of a pool comes before it, inside the upstream."""

_BY_STATUS = {**dict.fromkeys(REFUSED_KEYS, Cause.KEY), 413: Cause.TOO_LONG}
_BY_KIND = {"RateLimited": Cause.LIMIT, "BadAnswer": Cause.BROKEN, "UpstreamRefused": Cause.MISFIT}

_BY_CODE = {
    "context_length_exceeded": Cause.TOO_LONG,
    "string_above_max_length": Cause.TOO_LONG,
    "exceed_context_size_error": Cause.TOO_LONG,  # llama.cpp
    "content_filter": Cause.POLICY,  # Azure
    "content_policy_violation": Cause.POLICY,
    "model_not_found": Cause.MISFIT,
    "unsupported_parameter": Cause.MISFIT,
    "unsupported_value": Cause.MISFIT,
    "unknown_parameter": Cause.MISFIT,
    "insufficient_quota": Cause.KEY,  # a 429 that waiting does not mend
}
"""What vendors call their errors: OpenAI's codes, and whoever else has some of his own."""

_SAID = (
    (
        Cause.TOO_LONG,
        re.compile(
            r"context[ _-]?(?:length|window|size)|(?:prompt|input|request) is too long|too many (?:input )?tokens"
            r"|exceeds? the (?:maximum|max|available|limit)[^.]{0,40}(?:token|context)|tokens? > [^.]{0,20}maximum",
            re.IGNORECASE,
        ),
    ),
    (
        Cause.POLICY,
        re.compile(
            r"content[ _-]?(?:management )?(?:policy|filter)|responsible ?ai|safety (?:system|reasons|settings)"
            r"|usage polic(?:y|ies)|flagged as",
            re.IGNORECASE,
        ),
    ),
    (
        Cause.MISFIT,
        re.compile(
            r"not supported|unsupported|does(?:n't| not) (?:support|exist)|(?:invalid|unknown) model|model not found"
            r"|not available",
            re.IGNORECASE,
        ),
    ),
)
"""What vendors write in a 400 that has no code. Linear: no repetition is nested."""


def cause(failure: Failure) -> Cause:
    """Return why a call failed, from its status, else from the vendor's code, else from the kind of its error.

    Of a 400 or 422 without a known code the vendor's words decide: one that is not recognised counts as malformed.
    """
    if failure.status in _BY_STATUS:
        return _BY_STATUS[failure.status]
    if failure.vendor_code in _BY_CODE:
        return _BY_CODE[failure.vendor_code]
    if failure.status in (400, 422) and failure.kind == "UpstreamRefused":
        said = failure.message.partition(f" answered {failure.status}: ")[2]
        return next((each for each, words in _SAID if words.search(said)), Cause.MALFORMED)
    if not failure.retryable and failure.kind != "UpstreamRefused":
        return Cause.MISFIT
    return _BY_KIND.get(failure.kind, Cause.PASSING)
