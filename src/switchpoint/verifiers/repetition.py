"""Repetition: is the answer stuck, saying the same thing again and again."""

from __future__ import annotations

import re

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.query import Query
from switchpoint.verifiers.faults import verdict

READ_CHARS = 20_000
"""Only so many of the last characters are read: a loop, once begun, does not end."""

NGRAM = 6
"""Words that must come again together; shorter runs repeat in sound prose."""
MIN_WORDS = 60
LOOP_WORDS = 48
LOOP_TIMES = 4
LOOP_CHARS = 200
"""A loop is a run of at most so many words, at least so many times, over at least so many characters, at the end."""

_WORD = re.compile(r"\w{1,20}|[^\w\s]")
"""Long words are cut, so that a loop without spaces is a loop of words too."""


async def repetition(query: Query, answer: Answer) -> Verdict:
    """Score 1 minus the share of word 6-grams that occurred before in the answer; 0 where it ends in a loop.

    An answer of fewer than 60 words that does not end in a loop scores 1. Free.

    Source: the repetition measure of neural text degeneration (seq-rep-n, Welleck et al. 2020). Differs: words, not
    tokens, and n is 6, because tables and lists rightly repeat shorter runs.
    """
    words = _WORD.findall(answer.text[-READ_CHARS:])
    if _loops(words):
        return verdict("ends in a loop")
    spoken = [word for word in words if word[0].isalnum()]
    if len(spoken) < MIN_WORDS:
        return verdict(None)
    ngrams = list(zip(*(spoken[start:] for start in range(NGRAM)), strict=False))
    again = 1 - len(set(ngrams)) / len(ngrams)
    return Verdict(score=1 - again, detail=f"{again:.0%} of its 6-grams repeat" if again > 0.2 else None)


def loop_fault(query: Query, answer: Answer) -> str | None:
    """Say so where the answer ends in a loop."""
    return "ends in a loop" if _loops(_WORD.findall(answer.text[-READ_CHARS:])) else None


def _loops(words: list[str]) -> bool:
    """Whether the words end in one run of words repeated often enough. Marks alone (a ruler, a table) do not count."""
    whole = words[:-1]  # the last one may be cut off in the middle
    return any(_repeats(whole, size) for size in range(1, LOOP_WORDS + 1))


def _repeats(words: list[str], size: int) -> bool:
    # Equal to itself shifted by `size`, back from the end: cheap, because most sizes fail at the first word.
    same, enough = 0, max(LOOP_CHARS, size * (LOOP_TIMES - 1))
    while same < min(enough, len(words) - size) and words[-1 - same] == words[-1 - same - size]:
        same += 1
    return same >= size * (LOOP_TIMES - 1) and _spoken(words[len(words) - same - size :])


def _spoken(run: list[str]) -> bool:
    return sum(map(len, run)) >= LOOP_CHARS and any(word.isalnum() for word in run)
