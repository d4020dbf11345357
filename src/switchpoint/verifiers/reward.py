"""Reward models: models that were trained to say how good an answer is, behind OpenAI-compatible endpoints."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from switchpoint.core.attempt import Answer, Failure, Verdict
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import FloatArray, Query, window
from switchpoint.verifiers.asking import (
    MAX_CHARS,
    TOP_LOGPROBS,
    Asking,
    question_of,
    read_odds,
    read_said,
    require_logprobs,
    unread,
)

WORD_TOKENS, NUMBER_TOKENS = 2, 64
LEAST_PROBABILITY = 1e-6
"""What a word counts as that is not among the likeliest tokens."""

Embed = Callable[[Sequence[str]], Awaitable[tuple[FloatArray, Decimal | None]]]
"""From texts to vectors, shape (n_texts, dim), and what they cost; an embeddings endpoint."""

_NUMBER = r"(-?\d{1,6}(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?)"


class Reward(NamedTuple):
    """What a reward model says: any finite number, the higher the better; NaN is unknown, with the reason."""

    value: float
    cost_usd: Decimal | None
    reason: str | None = None


Reader = Callable[[Query, Answer], Awaitable[Reward]]
"""Has an answer scored by a reward model; may raise, as an upstream does."""


class RewardModel:
    """Scores an answer by its reward r, squashed by a stated line: ``1 / (1 + exp(-(slope r + intercept)))``.

    read : `by_words`, `by_number` or `by_vector`.
    slope, intercept : Platt's parameters (Platt 1999); fit them to outcomes with `switchpoint.estimators.calibration`.
        Unfitted (1, 0) the score orders answers, and is a probability only for a model that gives log-odds.

    Raises ConfigError for parameters that are not finite, or a slope of 0, which would forget the reward.
    """

    def __init__(self, read: Reader, *, slope: float = 1.0, intercept: float = 0.0) -> None:
        if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
            raise ConfigError(f"slope and intercept must be finite, slope not 0. Got {slope!r} and {intercept!r}.")
        self._read, self._slope, self._intercept = read, slope, intercept

    async def __call__(self, query: Query, answer: Answer) -> Verdict:
        """Return the squashed reward; an answer without text is not sent. A call that fails leaves NaN."""
        if not answer.text.strip():
            return unread("no text to judge")
        try:
            reward = await self._read(query, answer)
        except Exception as error:
            failure = Failure.of(error)
            return unread(f"asking failed: {failure.kind}", None if failure.billed else Decimal(0))
        if not math.isfinite(reward.value):
            return unread(reward.reason or "the reward is not a finite number", reward.cost_usd)
        z = max(-700.0, min(700.0, self._slope * reward.value + self._intercept))
        return Verdict(score=1 / (1 + math.exp(-z)), cost_usd=reward.cost_usd, detail=f"reward {reward.value:.4g}")


def by_words(asking: Asking, *, good: Sequence[str] = ("+",), bad: Sequence[str] = ("-",)) -> Reader:
    """Return a reader of generative reward models: the log-odds of the good against the bad words as the next token.

    The model is shown question and answer in one message, the form in which process reward models are trained to go on
    with "+" or "-". A word that is not among the 20 likeliest tokens counts as `LEAST_PROBABILITY`.

    Raises ConfigError for a model that is known not to give log-probabilities, or words that stand on both sides.
    """
    require_logprobs(asking.model, "a reward model that is read by its words")
    if not good or not bad or set(good) & set(bad):
        raise ConfigError(f"good and bad must each name a word, and none in common. Got {good!r} and {bad!r}.")
    parameters = {"temperature": 0, "max_tokens": WORD_TOKENS, "logprobs": True, "top_logprobs": TOP_LOGPROBS}

    async def read(query: Query, answer: Answer) -> Reward:
        messages = ({"role": "user", "content": _together(query, answer)},)
        (asked,) = await asking.ask(Query(id=f"{query.id}-reward", messages=messages, parameters=parameters))
        if asked.answer is None:
            return Reward(math.nan, asked.cost_usd, f"asking failed: {asked.failure}")
        odds = read_odds(asked.answer, good, bad)
        if odds is None:
            return Reward(math.nan, asked.cost_usd, "no log-probabilities of the words")
        high, low = (max(each, LEAST_PROBABILITY) for each in odds)
        return Reward(math.log(high / low), asked.cost_usd)

    return read


def by_number(asking: Asking, *, field: str = "reward") -> Reader:
    """Return a reader of reward models that chat: they are sent the conversation and answer with ``reward:-3.28``.

    field : the name before the number, where several are given; an answer that is a number and nothing else will do.
    """
    named = re.compile(rf"\b{re.escape(field)}[^\w-]{{1,4}}{_NUMBER}", re.IGNORECASE)
    alone = re.compile(_NUMBER, re.IGNORECASE)

    def number(text: str) -> float | None:
        found = named.search(text) or alone.fullmatch(text.strip())
        return float(found[1]) if found else None

    async def read(query: Query, answer: Answer) -> Reward:
        messages = (*query.messages, {"role": "assistant", "content": _clean(answer.text)})
        parameters = {"temperature": 0, "max_tokens": NUMBER_TOKENS}
        (asked,) = await asking.ask(Query(id=f"{query.id}-reward", messages=messages, parameters=parameters))
        if asked.answer is None:
            return Reward(math.nan, asked.cost_usd, f"asking failed: {asked.failure}")
        value = read_said(asked.answer, number)
        return Reward(math.nan if value is None else value, asked.cost_usd, f"no {field!r} in what it said")

    return read


def by_vector(embed: Embed) -> Reader:
    """Return a reader of reward models behind an embeddings endpoint, whose vectors are one number long.

    Question and answer are sent as one text. A longer vector is refused: none of its numbers is known to be the reward.
    """

    async def read(query: Query, answer: Answer) -> Reward:
        vectors, cost_usd = await embed([_together(query, answer)])
        if vectors.shape != (1, 1):
            return Reward(math.nan, cost_usd, f"a vector of shape {vectors.shape}, not one number")
        return Reward(float(vectors[0, 0]), cost_usd)

    return read


def _together(query: Query, answer: Answer) -> str:
    return _clean(f"{window(question_of(query), MAX_CHARS)}\n\n{window(answer.text, MAX_CHARS)}")


def _clean(text: str) -> str:
    """Half of a surrogate pair cannot be sent; it becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
