"""Patterns: regular expressions of the configuration whose time no text of a caller can make long.

Python's own `re` tries again and again where repetitions meet: `(a+)+$` takes for ever on thirty letters. So it is used
for patterns with one open repetition at most and no repeated group, which take at most the square of a text's length;
every other one runs in RE2, whose time grows with the length alone.
"""

from __future__ import annotations

import re
from typing import cast

from switchpoint.core.errors import ConfigError

MAX_OPTIONAL = 8
"""Each optional part doubles the ways to try."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?[^\]]*\]")
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{)")
_OPEN = re.compile(r"[*+]|\{\d*,\d*\}")
_OPTIONAL = re.compile(r"(?<!\()\?")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=")


def is_simple(pattern: str) -> bool:
    """Whether `re` takes at most the square of a text's length for a pattern, by its looks; in doubt it does not."""
    if _BACK_REFERENCE.search(pattern):
        return False
    plain = _CLASS.sub("x", _ESCAPED.sub("x", pattern))
    few = len(_OPEN.findall(plain)) <= 1 and len(_OPTIONAL.findall(plain)) <= MAX_OPTIONAL
    return few and not _REPEATED_GROUP.search(plain)


def bounded(pattern: str) -> re.Pattern[str]:
    r"""Return a compiled pattern; raises ConfigError for what is none, or cannot be bounded.

    In RE2, `\w`, `\d` and `\b` know ASCII alone, and there is neither look-around nor a back reference.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"is not a regular expression: {error}. Got {pattern!r}.") from None
    return compiled if is_simple(pattern) else _in_linear_time(pattern)


def _in_linear_time(pattern: str) -> re.Pattern[str]:
    try:
        import re2
    except ImportError:
        raise ConfigError(
            f"repeats more than once, and so needs google-re2: pip install 'switchpoint[verify]'. Got {pattern!r}."
        ) from None
    options = re2.Options()
    options.log_errors = False
    try:
        return cast(re.Pattern[str], re2.compile(pattern, options))
    except re2.error:
        raise ConfigError(
            f"repeats more than once and is none of RE2's: look-around and back references are not. Got {pattern!r}."
        ) from None
