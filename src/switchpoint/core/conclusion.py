"""Conclusion: what an answer says in the end, in a form that agreeing answers share."""

from __future__ import annotations

import json
import re

FINAL_PUNCTUATION = ".,;:!?…。！？"
READ_CHARS = 20_000
"""Only so many of the last characters are read, which bounds the time."""

_MARKED = re.compile(r"####|\\boxed\{|\banswer\s*(?:is|:)\s*:?|^a\s*:", re.IGNORECASE | re.MULTILINE)
_LETTER = re.compile(r"\(?([a-z])\)?[.):]?", re.IGNORECASE)
_LETTER_FIRST = re.compile(r"\(?([a-h])[.):]\s", re.IGNORECASE)
_NUMBER = re.compile(r"-?[$£€]?\d[\d,]*(?:[./:-]\d+)*")


def conclusion(text: str) -> str | None:
    r"""Return what an answer comes to: an option's letter, a number, canonical JSON or its last line; None if empty.

    The last mark wins ("####", "the answer is", a line that begins with "A:", "\\boxed{"), else the last line that is
    not blank is read. Of a line of several words with a number in it the last number counts. Comparison is without
    case, final punctuation, currency signs and thousands separators. Two answers agree where both are equal; one
    without a conclusion agrees with none.

    Source: the parsers of self-consistency (Wang et al. 2022) and mixture of thought (Yue et al. 2024). Differs: one
    rule for all tasks, so it can take two free texts that end in the same number for agreeing.
    """
    text = text[-READ_CHARS:].strip()
    if text[:1] in ("{", "["):
        found = _json(text)
        if found is not None:
            return found
    marks = list(_MARKED.finditer(text))
    rest = text[marks[-1].end() :].strip() if marks else ""
    if rest:
        return _said(rest.splitlines()[0], marked=True)
    lines = [line for line in text.splitlines() if line.strip()]
    return _said(lines[-1], marked=False) if lines else None


def agree(one: str | None, other: str | None) -> bool:
    """Whether two conclusions agree; what says nothing agrees with nothing."""
    return one is not None and one == other


def _said(line: str, marked: bool) -> str | None:
    said = line.strip().strip("*`$} ").rstrip(FINAL_PUNCTUATION + " ").strip()
    letter = _LETTER.fullmatch(said) or (_LETTER_FIRST.match(said + " ") if marked or len(said) > 1 else None)
    if letter:
        return letter[1].casefold()
    numbers = _NUMBER.findall(said)
    if numbers and (len(numbers) == 1 or " " in said):
        return _number(numbers[-1])
    return said.casefold() or None


def _number(text: str) -> str:
    """Write a number in one way: 1,234.50 and $1234.5 are one; a date or a ratio stays as it is."""
    plain = re.sub(r"[,$£€]", "", text)
    try:
        return f"{float(plain):.15g}"
    except ValueError:
        return plain


def _json(text: str) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return None
