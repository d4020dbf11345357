"""Has the answer the form that was wanted? A factory: the form is part of the configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Literal, get_args

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.conclusion import conclusion
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import Query
from switchpoint.verifiers import schemas
from switchpoint.verifiers.faults import verdict

Form = Literal["letter", "number", "date", "json", "one_line"]
READ_CHARS = 20_000
"""A longer answer has none of the forms but the limit of words."""

DATES = ("%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y")


def format_check(
    form: Form | None = None,
    *,
    pattern: str | None = None,
    max_words: int | None = None,
    of: Literal["whole", "conclusion"] = "whole",
) -> Verifier:
    """Make a verifier that scores 1 if an answer has the form, 0 if not.

    form : one letter; one number; one date; JSON; one line. None is any.
    pattern : an RE2 regular expression that the whole text must match; it takes linear time, whatever it is.
    max_words : at most so many words, separated by white space.
    of : what must have the form: the whole answer, or what it comes to in the end (`core.conclusion`). The words of the
        whole answer are counted.

    Raises ConfigError for settings that say nothing or cannot be understood, or a pattern without its library.
    """
    if form is None and pattern is None and max_words is None:
        raise ConfigError("A format check needs a form, a pattern or max_words. Got none of them.")
    if form is not None and form not in get_args(Form):
        raise ConfigError(f"A form is one of {', '.join(get_args(Form))}. Got {form!r}.")
    if max_words is not None and max_words < 1:
        raise ConfigError(f"max_words must be at least 1. Got {max_words}.")
    matches = None if pattern is None else schemas.full_matcher(pattern)

    def fault(text: str) -> str | None:
        said = text.strip() if of == "whole" else (conclusion(text) or "")
        if max_words is not None and len(text.split(maxsplit=max_words)) > max_words:
            return f"more than {max_words} words"
        if len(said) > READ_CHARS and (form is not None or matches is not None):
            return "too long to have the form"
        if form is not None and not HAS[form](said):
            return f"not in the form: {form}"
        return "does not match the pattern" if matches is not None and not matches(said) else None

    async def check(query: Query, answer: Answer) -> Verdict:
        return verdict(fault(answer.text))

    return check


def _letter(text: str) -> bool:
    bare = text.strip("()[].:*")
    return len(bare) == 1 and bare.isalpha()


def _number(text: str) -> bool:
    plain = text.strip("*$€£% ").replace(",", "").removesuffix(".")
    try:
        float(plain)
    except ValueError:
        return False
    return plain.strip("+-")[:1].isdigit() or plain.strip("+-")[:1] == "."


def _date(text: str) -> bool:
    return any(_is_date(text.strip("*. "), each) for each in DATES)


def _is_date(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _one_line(text: str) -> bool:
    return len(text.splitlines()) == 1


HAS: dict[str, Callable[[str], bool]] = {
    "letter": _letter,
    "number": _number,
    "date": _date,
    "json": _json,
    "one_line": _one_line,
}
