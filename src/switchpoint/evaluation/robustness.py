"""Robustness: whether a router keeps its choice when a question is typed a little differently, and what it loses.

A share of kept decisions says nothing by itself: a constant router keeps all of them. So it always stands next to the
regret: the quality that the changed decisions lose.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray, IntArray, Query
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, intervals, mean_of
from switchpoint.evaluation.bout import Bout, predicted
from switchpoint.evaluation.replay import played

ALL = "all"

TYPOS = 0.03
"""Share of the words in which two neighbouring letters change places."""

DROPPED = 0.05
"""Share of the words that are left out."""

POLITE = (
    ("Hi! Could you help me with this, please?\n\n", ""),
    ("Please answer the following. ", ""),
    ("", "\n\nThank you very much!"),
    ("I have a question: ", " Thanks in advance."),
)

Perturbation = Callable[[str, random.Random], str]
"""Types a text differently, by draws of its own only; keeps what it asks."""


class Shaken(NamedTuple):
    """Decisions under one kind of noise, or under all kinds.

    kept : share of the queries whose decision stays. regret : mean quality of the decisions on the texts as they are
    minus that on the texts as they are typed here, where both are known; the outcomes are those of the texts as they
    are, since what the models would answer to the others was never recorded.
    """

    noise: str
    kept: Interval
    regret: Interval


def typos(text: str, draw: random.Random) -> str:
    """Swap two neighbouring letters inside some words of four letters or more."""
    return re.sub(r"[^\W\d_]{4,}", lambda match: _swapped(match[0], draw) if draw.random() < TYPOS else match[0], text)


def casing(text: str, draw: random.Random) -> str:
    """Type everything in lower case, or in upper case one time in four."""
    return text.upper() if draw.random() < 0.25 else text.lower()


def whitespace(text: str, draw: random.Random) -> str:
    """Double some spaces, and put white space around the text."""
    return "\n" + re.sub(" ", lambda _: "  " if draw.random() < 0.1 else " ", text) + " \n"


def punctuation(text: str, draw: random.Random) -> str:
    """Leave out the commas and the last mark, or end with an exclamation mark."""
    return draw.choice((re.sub(r",(?=\s)", "", text).rstrip(" .?!\n"), text.rstrip(" .?\n") + "!"))


def dropped_words(text: str, draw: random.Random) -> str:
    """Leave out some words of letters; numbers and marks stay."""
    return re.sub(r"\b[^\W\d_]+\b ", lambda match: "" if draw.random() < DROPPED else match[0], text)


def politeness(text: str, draw: random.Random) -> str:
    """Put a polite phrase before or after."""
    before, after = draw.choice(POLITE)
    return before + text + after


PERTURBATIONS: Mapping[str, Perturbation] = {
    "typos": typos,
    "casing": casing,
    "white space": whitespace,
    "punctuation": punctuation,
    "dropped words": dropped_words,
    "politeness": politeness,
}


def perturbed(query: Query, noise: str) -> Query:
    """Return the query with its last user message typed differently, the same way every time; its id stays.

    A message that is not plain text, and a text that would be left empty, stay as they are.
    """
    draw = random.Random(f"{noise} {query.id}")
    for place in range(len(query.messages) - 1, -1, -1):
        message = query.messages[place]
        if message.get("role") != "user":
            continue
        text = message.get("content")
        typed = PERTURBATIONS[noise](text, draw) if isinstance(text, str) else ""
        if not typed.strip():
            return query
        new = {**message, "content": typed}
        return replace(query, messages=(*query.messages[:place], new, *query.messages[place + 1 :]), vector=None)
    return query


def robustness(
    estimator: Estimator,
    bout: Bout,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> tuple[Shaken, ...]:
    """Measure every kind of noise, and all of them together first, on the same resamples."""
    test = bout.test
    here = bout.choices(bout.prediction)
    quality = played(test, here).quality
    kept, lost = np.empty((2, len(PERTURBATIONS), len(test)))
    for i, noise in enumerate(PERTURBATIONS):
        typed = [perturbed(query, noise) for query in test.queries]
        there = bout.choices(predicted(estimator, test.name, test.models, typed))
        kept[i], lost[i] = here == there, quality - played(test, there).quality
    statistics = {f"kept {name}": mean_of(values) for name, values in _named(kept).items()}
    statistics |= {f"lost {name}": mean_of(values) for name, values in _named(lost).items()}
    found = intervals(statistics, len(test), resamples, seed, groups)
    return tuple(Shaken(name, found[f"kept {name}"], found[f"lost {name}"]) for name in (ALL, *PERTURBATIONS))


def _named(values: FloatArray) -> dict[str, FloatArray]:
    """Name the rows, shape (n_noises, n_queries), and their mean over the kinds of noise; NaN where one is unknown."""
    return {ALL: values.mean(axis=0), **dict(zip(PERTURBATIONS, values, strict=True))}


def _swapped(word: str, draw: random.Random) -> str:
    place = draw.randrange(1, len(word) - 1)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
