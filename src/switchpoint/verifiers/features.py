"""Features: numbers that tell right answers from wrong ones by looking at the question and the answer alone.

Seven groups. Five read the arithmetic of an answer: its equations, its final number, where its numbers come from, its
shape, its format. Two read any answer, a letter as well as an essay: its words and its style.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from switchpoint.core.conclusion import conclusion
from switchpoint.core.errors import ArtifactError
from switchpoint.core.query import FloatArray
from switchpoint.verifiers import equations
from switchpoint.verifiers.equations import Equation, close
from switchpoint.verifiers.refusal import STARTS

QUESTION_CHARS, ANSWER_CHARS = 4_000, 4_000
"""Of a longer text the last so many characters are read: a question and a conclusion stand at the end."""
LIMIT = 20.0
"""No feature is larger: one unheard-of answer must not outvote all that was learned."""

GROUPS: dict[str, tuple[str, ...]] = {
    "equations": (
        "equations", "equations_wrong", "any_wrong", "share_right", "last_right", "any_fraction", "divisions",
        "operands",
    ),
    "final": (
        "final_integer", "final_is_a_result", "final_is_last_result", "final_above_question", "final_in_question",
        "final_size",
    ),
    "provenance": (
        "question_numbers_absent", "question_numbers_unused", "question_numbers_share", "operands_of_nowhere",
        "results_unused",
    ),
    "shape": (
        "log_answer_chars", "log_question_chars", "log_lines", "log_mean_line", "log_longest_line", "question_numbers",
        "answer_numbers",
    ),
    "format": ("marked", "marks", "annotations", "annotations_per_equals"),
    "words": ("new_words", "last_line_overlap", "corrections"),
    "style": (
        "empty", "is_letter", "is_number", "is_one_word", "conclusion_words", "conclusion_in_question", "list_items",
        "bold", "headings", "code_fences", "refuses", "word_variety", "mean_word", "asks", "cut_off", "repeats",
        "hedges", "digit_share",
    ),
}  # fmt: skip
"""The names of the features, by group, in the order of the columns."""
NAMES = tuple(name for names in GROUPS.values() for name in names)

CONSTANTS = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 12.0, 24.0, 30.0, 52.0, 60.0, 100.0, 365.0, 1000.0)
"""Numbers that an answer may use although no question states them: of time, dozens and percent."""
NUMBER_WORDS: dict[str, float] = {
    "one": 1.0, "once": 1.0, "two": 2.0, "twice": 2.0, "double": 2.0, "half": 2.0, "three": 3.0, "third": 3.0,
    "triple": 3.0, "thrice": 3.0, "four": 4.0, "quarter": 4.0, "fourth": 4.0, "five": 5.0, "fifth": 5.0, "six": 6.0,
    "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "eleven": 11.0, "dozen": 12.0, "twelve": 12.0,
    "fifteen": 15.0, "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "hundred": 100.0,
    "thousand": 1000.0,
}  # fmt: skip

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_WORD = re.compile(r"[^\W\d_]+")
_MARK = re.compile(r"####|boxed\{|^a:|answer(?: is\b|:)", re.MULTILINE)
_CORRECTIONS = frozenset({"however", "mistake", "wait", "actually", "sorry", "instead", "incorrect", "cannot"})
_CORRECTING = ("not possible", "but we")
_HEDGES = frozenset({
    "perhaps", "probably", "maybe", "might", "likely", "assume", "assuming", "approximately", "unsure", "unclear"
})  # fmt: skip
_ITEM = re.compile(r"^[^\S\n]*(?:[-*•]|\d+[.)])\s", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s", re.MULTILINE)
_REFUSAL = re.compile(r"^\W*(" + "|".join(STARTS) + ")", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_CLOSED = frozenset(".!?:)]}\"'`*$%>|。！？”’")


def features(query_text: str, answer_text: str) -> FloatArray:
    """Return the features of an answer, shape (n_features,), float32, never NaN; see `NAMES`."""
    return np.clip(np.fromiter(_values(query_text, answer_text), np.float32, len(NAMES)), -LIMIT, LIMIT)


def batch(query_texts: Sequence[str], answer_texts: Sequence[str]) -> FloatArray:
    """Return the features of many answers, shape (n_answers, n_features), float32."""
    rows = np.empty((len(answer_texts), len(NAMES)), dtype=np.float32)
    for row, pair in zip(rows, zip(query_texts, answer_texts, strict=True), strict=True):
        row[:] = features(*pair)
    return rows


def check(names: Sequence[str]) -> None:
    """Raise ArtifactError unless these are the features of this version."""
    if tuple(names) != NAMES:
        raise ArtifactError("The verifier reads other features than this version does. Train it again.")


class _Pair(NamedTuple):
    """What every group reads; asked, said : distinct numbers of the question and of the answer; low : in lower case."""

    query: str
    answer: str
    lines: list[str]
    found: list[Equation]
    asked: list[float]
    said: set[float]
    query_words: list[str]
    low: str
    words: list[str]
    distinct: set[str]
    conclusion: str | None


def _values(query_text: str, answer_text: str) -> Iterable[float]:
    """Yield all features; sources: a recipe for arithmetic answers, and answer shape as judges of essays see it.

    The equation check is that of Cobbe et al. (2021).
    """
    query, answer = query_text[-QUESTION_CHARS:], answer_text[-ANSWER_CHARS:]
    low = answer.lower()
    words = _WORD.findall(low)
    pair = _Pair(
        query=query,
        answer=answer,
        lines=[line for line in answer.split("\n") if line.strip()],
        found=equations.equations(answer) if "=" in answer else [],
        asked=list(dict.fromkeys(_numbers(query))),
        said=set(_numbers(answer)),
        query_words=_WORD.findall(query.lower()),
        low=low,
        words=words,
        distinct=set(words),
        conclusion=conclusion(answer),
    )
    for group in (_equations, _final, _provenance, _shape, _format, _words, _style):
        yield from group(pair)


def _equations(pair: _Pair) -> tuple[float, ...]:
    found = pair.found
    wrong = sum(not each.holds for each in found)
    return (
        len(found),
        wrong,
        wrong > 0,
        1 - wrong / len(found) if found else 0.8,
        found[-1].holds if found else 0.5,
        any(not each.integer for each in found),
        sum(each.divisions for each in found),
        sum(len(each.operands) for each in found),
    )


def _final(pair: _Pair) -> tuple[float, ...]:
    final = _float(pair.conclusion)
    if math.isnan(final):
        return (0.0,) * 6
    largest = max(pair.asked, default=0.0)
    return (
        final.is_integer(),
        any(close(each.right, final) for each in pair.found),
        bool(pair.found) and close(pair.found[-1].right, final),
        final > largest,
        final in pair.asked,
        math.log1p(abs(final)) - math.log1p(largest),
    )


def _provenance(pair: _Pair) -> tuple[float, ...]:
    operands = {value for each in pair.found for value in each.operands}
    used = sum(value in operands or value / 100 in operands for value in pair.asked)
    return (
        sum(value not in pair.said for value in pair.asked),
        len(pair.asked) - used,
        used / len(pair.asked) if pair.asked else 1.0,
        _of_nowhere(pair),
        _unused(pair),
    )


def _of_nowhere(pair: _Pair) -> int:
    """Count operands that neither the question nor an earlier equation states, and that are no usual constant."""
    known = {*pair.asked, *(value / 100 for value in pair.asked), *CONSTANTS}
    known.update(NUMBER_WORDS[word] for word in pair.query_words if word in NUMBER_WORDS)
    count = 0
    for each in pair.found:
        count += sum(value not in known for value in each.operands)
        known.update((*each.operands, each.right))
    return count


def _unused(pair: _Pair) -> int:
    """Count results, the last one excepted, that no later equation takes up and that are not the conclusion."""
    used, count = {_float(pair.conclusion)}, 0
    for after, each in pairwise(reversed(pair.found)):
        used.update((*after.operands, after.right))
        count += each.right not in used
    return count


def _shape(pair: _Pair) -> tuple[float, ...]:
    lengths = [len(line) for line in pair.lines] or [0]
    return (
        math.log1p(len(pair.answer)),
        math.log1p(len(pair.query)),
        math.log1p(len(pair.lines)),
        math.log1p(sum(lengths) / len(lengths)),
        math.log1p(max(lengths)),
        len(pair.asked),
        len(pair.said),
    )


def _format(pair: _Pair) -> tuple[float, ...]:
    marks, annotations = len(_MARK.findall(pair.low)), pair.answer.count("<<")
    return marks > 0, marks, annotations, annotations / max(1, pair.answer.count("="))


def _words(pair: _Pair) -> tuple[float, ...]:
    long = {word for word in pair.distinct if len(word) > 3}
    new = long.difference(pair.query_words)
    asking = _SENTENCE.split(pair.query.strip().lower())[-1]
    wanted = {word for word in _WORD.findall(asking) if len(word) > 3}
    last = {word for line in pair.lines[-2:] for word in _WORD.findall(line.lower())}
    return (
        len(new) / max(1, len(long)),
        len(wanted & last) / max(1, len(wanted)),
        _count(pair, _CORRECTIONS) + sum(map(pair.low.count, _CORRECTING)),
    )


def _style(pair: _Pair) -> tuple[float, ...]:
    answer, words, said = pair.answer, pair.words, pair.conclusion or ""
    stripped = answer.strip()
    trigrams = set(zip(words, words[1:], words[2:], strict=False))
    return (
        not stripped,
        len(said) == 1 and said.isalpha(),
        not math.isnan(_float(said)),
        " " not in stripped,
        math.log1p(len(said.split())),
        bool(said) and said in pair.query.lower(),
        math.log1p(len(_ITEM.findall(answer))),
        math.log1p(answer.count("**") // 2),
        math.log1p(len(_HEADING.findall(answer))),
        math.log1p(answer.count("```") // 2),
        _REFUSAL.match(answer[:200].replace("’", "'")) is not None,
        len(pair.distinct) / max(1, len(words)),
        sum(map(len, words)) / max(1, len(words)),
        stripped.endswith("?"),
        bool(stripped) and stripped[-1] not in _CLOSED and not stripped[-1].isdigit(),
        1 - len(trigrams) / (len(words) - 2) if trigrams else 0.0,
        _count(pair, _HEDGES),
        sum(map(len, _NUMBER.findall(answer))) / max(1, len(answer)),
    )


def _count(pair: _Pair, wanted: frozenset[str]) -> int:
    """Count the words of an answer that are among the wanted."""
    return 0 if wanted.isdisjoint(pair.distinct) else sum(word in wanted for word in pair.words)


def _numbers(text: str) -> list[float]:
    return [float(number.replace(",", "")) for number in _NUMBER.findall(text)]


def _float(text: str | None) -> float:
    """Return a conclusion as a number; NaN for what is none."""
    try:
        value = float(text or "nan")
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan
