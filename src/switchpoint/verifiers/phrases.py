"""Phrases: which words stand in an answer, digits masked: the turns of phrase with which a model goes wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.member import logit
from switchpoint.estimators.ngrams import Ngrams
from switchpoint.estimators.reading import Reading

STRENGTH = 3.0
_DIGITS = re.compile(r"\d+")


class Phrases(NamedTuple):
    """Answers whose numbers are all written `#`; the question is left out."""

    texts: tuple[str, ...]

    @classmethod
    def of(cls, answer_texts: Sequence[str]) -> Self:
        """Mask the numbers of some answers."""
        return cls(tuple(_DIGITS.sub("#", text) for text in answer_texts))

    def take(self, rows: BoolArray) -> Phrases:
        """Return these rows."""
        return Phrases(tuple(self.texts[row] for row in np.flatnonzero(rows)))

    def fit(self, columns: IntArray, right: FloatArray, n_models: int) -> Ngrams:
        """Learn one line per model from its own answers; columns : the model of each row."""
        quality = np.full((len(right), n_models), np.nan)
        quality[np.arange(len(right)), columns] = right
        return Ngrams.fit(self._reading(), quality, c=STRENGTH)

    def logits(self, words: Ngrams, columns: IntArray) -> FloatArray:
        """Return what each row's model has learned of it, shape (n_rows,); for other models the mean of all."""
        every = logit(words.predict(self._reading()))
        known = (columns >= 0) & (columns < every.shape[1])
        own: FloatArray = every[np.arange(len(every)), np.where(known, columns, 0)]
        return np.where(known, own, every.mean(axis=1))

    def _reading(self) -> Reading:
        return Reading(self.texts, np.zeros((len(self.texts), 0), dtype=np.float32))
