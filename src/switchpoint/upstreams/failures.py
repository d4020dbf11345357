"""Failures: the errors of one upstream, made in one place. Each names the upstream, and none holds its keys."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from switchpoint.core.errors import (
    BadAnswer,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)

MESSAGE_CHARS = 500
"""How much of an upstream's own message is passed on."""

SECRET_CHARS = 8
"""A word of a secret is masked in messages from this length on; shorter ones are no keys."""


VENDOR_CODE = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
"""What a vendor may call an error: a word. Anything else is a message, which may hold a secret."""

MAX_ADVICE_S = 86_400.0
"""The longest wait that is believed: one header must not keep a key at rest for ever."""


class Failures:
    """Makes the errors of the upstream called `name`; `secrets` are masked in whatever it says."""

    def __init__(self, name: str, secrets: Iterable[str] = ()) -> None:
        self.source = f"upstream {name!r}"
        # Word by word: whoever echoes "Bearer KEY" may leave the first word out.
        words = (word for secret in secrets for word in secret.split())
        self._secrets = tuple(word for word in words if len(word) >= SECRET_CHARS)

    def of_status(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Map an HTTP status: 408 is a timeout, 429 a rate limit, 5xx an error, the rest a refusal."""
        if 300 <= status < 400:
            what = "answered with a redirection, which is not followed. Correct its base_url."
            return UpstreamRefused(self._say(what), status=status)
        advice = retry_after_s(headers, now=time.time())
        return self._mapped(status, _decoded(body), advice)

    def of_error(self, error: object) -> UpstreamError:
        """Map an error object that came with status 200; without a status code in it the answer is simply bad."""
        status = _status_in(error)
        if status is not None:
            return self._mapped(status, error)
        return BadAnswer(self._say(f"sent an error: {self._quoted(error)}"), vendor_code=vendor_code(error))

    def broken(self, what: str) -> BadAnswer:
        """Make the error for an answer that is not what was promised."""
        return BadAnswer(self._say(what))

    def cut(self, error: Exception) -> BadAnswer:
        """Make the error for a connection that broke in the middle of an answer."""
        return self.broken(f"broke off in the middle of its answer ({type(error).__name__}).")

    def unreachable(self, error: Exception) -> UpstreamUnreachable:
        """Make the error for a connection that was not made, or broke before the answer; callers learn no address."""
        return UpstreamUnreachable(self._say(f"cannot be reached ({type(error).__name__})."))

    def late(self, stage: str, limit_s: float) -> UpstreamTimeout:
        """Make the error for a time limit that was passed; `stage` is connect, first byte, idle or total."""
        return UpstreamTimeout(self._say(f"passed its {stage} timeout of {limit_s:g} s."))

    def _mapped(self, status: int, body: object, advice_s: float | None = None) -> UpstreamError:
        text, code = self._say(f"answered {status}: {self._quoted(body)}"), vendor_code(body)
        if status == 429:
            return RateLimited(text, status=status, retry_after_s=advice_s, vendor_code=code)
        if status == 408:
            return UpstreamTimeout(text, status=status, retry_after_s=advice_s, vendor_code=code)
        if status >= 500:
            return UpstreamError(text, status=status, retry_after_s=advice_s, vendor_code=code)
        return UpstreamRefused(text, status=status, vendor_code=code)

    def _quoted(self, body: object) -> str:
        # Masked before it is cut: half a key is a secret too.
        return self._masked(own_message(body))[:MESSAGE_CHARS]

    def _say(self, what: str) -> str:
        return f"{self.source} {self._masked(what)}"

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Return the wait that an answer advises, in seconds from `now` (a Unix time), or None where it gives none.

    `retry-after-ms` wins over `Retry-After`, which is a number of seconds or an HTTP date. A past date is no wait,
    and none is longer than a day.
    """
    named = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(named.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(max(0.0, milliseconds / 1000), MAX_ADVICE_S)
    advice = named.get("retry-after", "")
    seconds = _number(advice)
    if seconds is None:
        seconds = _seconds_until(advice, now)
    return None if seconds is None else min(max(0.0, seconds), MAX_ADVICE_S)


def own_message(body: object) -> str:
    """Return an upstream's own words from an error body of any usual shape, on one line."""
    inner = _inner(body)
    if isinstance(inner, Mapping):
        inner = inner.get("message") or inner.get("detail") or inner
    return " ".join(str(inner).split()) or "no message"


def vendor_code(body: object) -> str | None:
    """Return what an error body calls its error, its `code` before its `type`; None where that is no word."""
    inner = _inner(body)
    named = [inner.get(key) for key in ("code", "type")] if isinstance(inner, Mapping) else []
    return next((each for each in named if isinstance(each, str) and VENDOR_CODE.fullmatch(each)), None)


def _inner(body: object) -> object:
    """Return the error object of a body; the body itself where it has none."""
    inner = body.get("error") if isinstance(body, Mapping) else None
    return body if inner is None else inner


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _status_in(error: object) -> int | None:
    found = [error.get(key) for key in ("status", "status_code", "code")] if isinstance(error, Mapping) else []
    codes = (int(str(value)) for value in found if str(value).isascii() and str(value).isdigit())
    return next((code for code in codes if 400 <= code < 600), None)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, OverflowError):
        return None
