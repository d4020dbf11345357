"""Reading a rating: an answer in, a number of the closed set out, or none. Nothing else can come of any answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from switchpoint.core.attempt import Answer
from switchpoint.core.rating import WAYS

MIN_MASS = 0.05
"""Where the rating tokens hold less than this together their order is noise; a rating that was said counts alone."""

AROUND = " \t\r\n\"':,.{}▁Ġ"
"""What tokens carry around a word: spaces as vocabularies write them, and the punctuation of JSON."""


class Rating(NamedTuple):
    """What a model said of a query.

    ease : in [0, 1]; see `switchpoint.core.rating.WAYS`.
    mass : probability that the rating tokens held together, in [0, 1]; None where there are no log-probabilities.
    """

    ease: float
    mass: float | None = None


class _Top(msgspec.Struct):
    token: str
    logprob: float


class _Token(msgspec.Struct):
    token: str
    top_logprobs: list[_Top] = []


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


class _Choice(msgspec.Struct):
    logprobs: _Logprobs | None = None


def read_rating(answer: Answer, way: str) -> Rating | None:
    """Return the expected ease over the rating tokens, or that of the word that was said; None for anything else.

    With log-probabilities the expectation is over the alternatives of the token where a rating stands, renormalised
    over the rating tokens: P(4) + P(5) for `weak_ok`. Source: RouteLLM's causal_llm (Ong et al. 2024); differs: an
    answer without a rating is unknown, and not the strong model.
    """
    ease = WAYS[way]
    weights = _weights(_alternatives(answer, ease), ease)
    mass = math.fsum(weights.values())
    if mass < MIN_MASS:
        said = _said(answer.text)
        return None if said is None or said not in ease else Rating(ease[said])
    expected = math.fsum(weight * ease[word] for word, weight in weights.items()) / mass
    return Rating(min(max(expected, 0.0), 1.0), min(mass, 1.0))


def _alternatives(answer: Answer, ease: Mapping[str, float]) -> Sequence[_Top]:
    """The alternatives of the first token that is a rating, else of the first token; empty where there are none."""
    try:
        choices = msgspec.convert(answer.body.get("choices"), list[_Choice])
    except msgspec.ValidationError:
        return ()
    logprobs = choices[0].logprobs if choices else None
    tokens = [token for token in (logprobs.content if logprobs else None) or () if token.top_logprobs]
    if not tokens:
        return ()
    return next((token for token in tokens if _word(token.token) in ease), tokens[0]).top_logprobs


def _weights(alternatives: Sequence[_Top], ease: Mapping[str, float]) -> Mapping[str, float]:
    """Probability of each rating: " 4" and "4" are one."""
    weights = dict.fromkeys(ease, 0.0)
    for top in alternatives:
        word = _word(top.token)
        if word in weights and not math.isnan(top.logprob):
            weights[word] += math.exp(min(top.logprob, 0.0))
    return weights


def _said(text: str) -> str | None:
    """The word that was said: of an object its `rating`, else the first word of the text."""
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        words = text.split()
        return _word(words[0]) if words else None
    return _word(str(found.get("rating") if isinstance(found, dict) else found))


def _word(token: str) -> str:
    return token.strip(AROUND).lower()
