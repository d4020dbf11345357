"""Judges: a model that scores an answer against a rubric, or says which of two answers is better."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from switchpoint.core.attempt import Answer, Verdict, total
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers.asking import Asking, question_of, read_said, request, unread

LOW, HIGH = 1.0, 10.0
MAX_TOKENS = 64
READ_CHARS = 20_000
RUBRIC = "being correct, complete and to the point; length and style count for nothing"
SCORE = """You judge one answer to a request. Score it from {low:g} (useless) to {high:g} (perfect) for {rubric}. \
Reply with one line of JSON and nothing else: {{"score": n}}."""
COMPARE = """You compare two answers to one request. Score each from {low:g} (useless) to {high:g} (perfect) for \
{rubric}. Reply with one line of JSON and nothing else: {{"first": n, "second": n}}."""

_OBJECT = re.compile(r"\{[^{}]*\}")
_NUMBER = re.compile(
    r"\**(?:score[^\w-]{1,4})?(-?\d{1,4}(?:\.\d{1,6})?)\s*(?:/\s*\d{1,4}|out of \d{1,4})?[.*]*", re.IGNORECASE
)


class Rubric(NamedTuple):
    """What is scored, on which scale; the text goes on "Score it from LOW to HIGH for ..."."""

    text: str = RUBRIC
    low: float = LOW
    high: float = HIGH

    def checked(self) -> Rubric:
        """Return this rubric; raises ConfigError for an empty text, or a scale that is not finite and rising."""
        if not self.text.strip() or not -math.inf < self.low < self.high < math.inf:
            raise ConfigError(f"A rubric needs a text, and a scale from low to high. Got {self!r}.")
        return self


class Judge:
    """Scores an answer by a model's opinion of it, from the rubric's scale to [0, 1].

    asking : the model that judges; at temperature 0, `max_tokens` for its opinion. Reasoning models need many more.

    The opinion is the last JSON object with a score on the scale, or a last line that is nothing but a number, in the
    content or else in the reasoning. What cannot be read is unknown (NaN) and never passes; it is paid for like any.

    Source: single answer grading (Zheng et al. 2023). Differs: the material stands between marks that it cannot forge.
    """

    def __init__(self, asking: Asking, *, rubric: Rubric | None = None, max_tokens: int = MAX_TOKENS) -> None:
        self._rubric = (rubric or Rubric()).checked()
        self._asking = asking
        self._parameters = {"temperature": 0, "max_tokens": max_tokens}
        self._task = SCORE.format(rubric=self._rubric.text, low=self._rubric.low, high=self._rubric.high)

    async def __call__(self, query: Query, answer: Answer) -> Verdict:
        """Return the judge's score; an answer without text is not asked about."""
        if not answer.text.strip():
            return unread("no text to judge")
        material = {"request": question_of(query), "answer": answer.text}
        (asked,) = await self._asking.ask(request(query, self._task, material, self._parameters))
        if asked.answer is None:
            return unread(f"asking failed: {asked.failure}", asked.cost_usd)
        low, high = self._rubric.low, self._rubric.high
        score = read_said(asked.answer, lambda text: read_score(text, low, high))
        if score is None:
            return unread("the judge gave no score that can be read", asked.cost_usd)
        return Verdict(score=(score - low) / (high - low), cost_usd=asked.cost_usd, detail=f"judged {score:g}")


class Compared(NamedTuple):
    """What came of a comparison.

    probability : that a is better than b, in [0, 1]; 0.5 is a tie, NaN unknown. cost_usd : of both opinions.
    """

    probability: float
    cost_usd: Decimal | None


class Comparator:
    """Compares two answers by a model's opinion of both, asked in both orders at once.

    slope : log-odds of being better for each point of difference; stated, not fitted.

    With scores of a and b that are means of both orders, the probability is ``1 / (1 + exp(-slope (a - b)))``; an
    opinion that changes with the order is a tie (Zheng et al. 2023, section 3.4), and one order alone says nothing. So
    exchanging a and b gives one minus the probability, as far as the model answers alike.
    """

    def __init__(
        self, asking: Asking, *, rubric: Rubric | None = None, slope: float = 1.0, max_tokens: int = MAX_TOKENS
    ) -> None:
        if not slope > 0:
            raise ConfigError(f"slope must be above 0. Got {slope!r}.")
        self._rubric = (rubric or Rubric()).checked()
        self._asking = asking
        self._slope = slope
        self._parameters = {"temperature": 0, "max_tokens": max_tokens}
        self._task = COMPARE.format(rubric=self._rubric.text, low=self._rubric.low, high=self._rubric.high)

    async def compare(self, query: Query, a: Answer, b: Answer) -> Compared:
        """Return the probability that a is better; equal texts are a tie that nobody is asked about."""
        if a.text == b.text:
            return Compared(0.5, Decimal(0))
        asked = await self._asking.ask(self._request(query, a, b), self._request(query, b, a))
        cost_usd = total(each.cost_usd for each in asked)
        read = [None if each.answer is None else read_said(each.answer, self._read) for each in asked]
        if read[0] is None or read[1] is None:
            return Compared(math.nan, cost_usd)
        forward, backward = read[0][0] - read[0][1], read[1][1] - read[1][0]
        if forward * backward <= 0:
            return Compared(0.5, cost_usd)
        return Compared(_logistic(self._slope * (forward + backward) / 2), cost_usd)

    def _request(self, query: Query, first: Answer, second: Answer) -> Query:
        material = {"request": question_of(query), "first answer": first.text, "second answer": second.text}
        return request(query, self._task, material, self._parameters)

    def _read(self, text: str) -> tuple[float, ...] | None:
        return read_scores(text, ("first", "second"), self._rubric.low, self._rubric.high)


def read_scores(text: str, fields: Sequence[str], low: float, high: float) -> tuple[float, ...] | None:
    """Return these fields of the last JSON object that has them all, as numbers on the scale; None without one."""
    for found in reversed(_OBJECT.findall(text[-READ_CHARS:])):
        try:
            said: dict[str, Any] = msgspec.json.decode(found)
        except ValueError:
            continue
        numbers = [said.get(field) for field in fields]
        if all(isinstance(n, int | float) and not isinstance(n, bool) and low <= n <= high for n in numbers):
            return tuple(float(number) for number in numbers if number is not None)
    return None


def read_score(text: str, low: float, high: float) -> float | None:
    """Return the `score` of the last JSON object that has one, else the number of a last line that is only a number."""
    found = read_scores(text, ("score",), low, high)
    if found is not None:
        return found[0]
    lines = text[-READ_CHARS:].strip().splitlines()
    number = _NUMBER.fullmatch(lines[-1].strip()) if lines else None
    return float(number[1]) if number is not None and low <= float(number[1]) <= high else None


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, x))))
