"""Belief: what every model's answer is expected to be worth, given the answers in hand. One model, before and after.

A rule (`rules.py`) decides on a belief; `Cascade` (`cascade.py`) is a belief and a rule as a strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from switchpoint.core.conclusion import conclusion
from switchpoint.core.query import BoolArray, FloatArray, IntArray

NOT_CALLED = -1
SAYS_NOTHING = -2


class Evidence(NamedTuple):
    """The answers in hand, for a batch of queries; columns follow the models.

    conclusion : shape (n_queries, n_models): equal numbers in one row are answers that agree, `NOT_CALLED`, or
        `SAYS_NOTHING` for an answer that agrees with none.
    score : shape (n_queries, n_models), the verifier's score of each answer in [0, 1]; NaN where there is none.
    """

    conclusion: IntArray
    score: FloatArray

    @property
    def called(self) -> BoolArray:
        """Which models have answered, shape (n_queries, n_models)."""
        found: BoolArray = self.conclusion != NOT_CALLED
        return found

    def only(self, called: BoolArray) -> Evidence:
        """Return what would be known if only these models had answered."""
        return Evidence(np.where(called, self.conclusion, NOT_CALLED), np.where(called, self.score, np.nan))

    def take(self, rows: IntArray) -> Evidence:
        """Return these rows."""
        return Evidence(self.conclusion[rows], self.score[rows])


class Posterior(NamedTuple):
    """What a belief says of a batch of queries.

    mean : shape (n_queries, n_models): expected quality of the model's answer, in hand or yet to come.
    spread : shape (n_queries, n_models): standard deviation of what `mean` will be once the model has answered; 0 for
        one that has. The mean of that future value is `mean` (a martingale), or a rule that plans ahead plans wrongly.
    """

    mean: FloatArray
    spread: FloatArray


class Belief(Protocol):
    """Predicts quality before and after answers, with one model of both."""

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns."""
        ...

    def posterior(self, prior: FloatArray | None, evidence: Evidence) -> Posterior:
        """Return what is believed of a batch; one query's posterior does not depend on the others.

        prior : expected quality from the query alone, shape (n_queries, n_models); None is what the belief itself
            learned of each model.
        """
        ...


def nothing_known(n_queries: int, n_models: int) -> Evidence:
    """Return the evidence before the first call."""
    shape = n_queries, n_models
    return Evidence(np.full(shape, NOT_CALLED), np.full(shape, np.nan))


def numbered(texts: Sequence[str | None]) -> list[int]:
    """Number the conclusions of one query's answers: equal ones alike, from 0; None is a model not called."""
    numbers: dict[str, int] = {}
    found = []
    for text in texts:
        said = None if text is None else conclusion(text)
        nobody = NOT_CALLED if text is None else SAYS_NOTHING
        found.append(nobody if said is None else numbers.setdefault(said, len(numbers)))
    return found
