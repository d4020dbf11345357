"""Evidence beside the text of an answer: who agrees with it, and how sure its model was of its words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.conclusion import agree, conclusion
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.logistic import solve
from switchpoint.verifiers import logprobs as tokens

KINDS = ("agreement", "likelihood")
MIN_SEEN = 20
"""With fewer rows that have some evidence nothing is learned of it."""
SLOPE_RIDGE, INTERCEPT_RIDGE = 4.0, 1.0
FLAT = 1e-6


class Seen(NamedTuple):
    """What is known of each answer; a row of NaN is unknown.

    agreement : shape (n_rows, n_others + 1): 1 for each other system that comes to the same conclusion, else 0, and
        the share of them. likelihood : shape (n_rows, len(logprobs.NAMES)).
    """

    agreement: FloatArray
    likelihood: FloatArray

    @classmethod
    def of(
        cls,
        answer_texts: Sequence[str],
        names: Sequence[str],
        others: Mapping[str, Sequence[str | None]],
        logprobs: Sequence[Sequence[float]] | None,
    ) -> Self:
        """Look at answers; names : the other systems whose answers count, all of them or none."""
        likelihood = np.full((len(answer_texts), len(tokens.NAMES)), np.nan)
        for row, each in enumerate(logprobs or ()):
            likelihood[row] = tokens.features(each)
        return cls(_agreement(answer_texts, [others.get(name) for name in names]), likelihood)

    def take(self, rows: BoolArray) -> Seen:
        """Return these rows."""
        return Seen(*(block[rows] for block in self))

    def columns(self, kinds: Sequence[str]) -> FloatArray:
        """Return the numbers of these kinds side by side, shape (n_rows, n_columns)."""
        blocks = [getattr(self, kind) for kind in kinds]
        return np.hstack([np.zeros((len(self.agreement), 0)), *blocks])

    def has(self, kinds: Sequence[str]) -> BoolArray:
        """Say which rows have all of these kinds, shape (n_rows,)."""
        return np.asarray(~np.isnan(self.columns(kinds)).any(axis=1))

    def subsets(self) -> list[tuple[str, ...]]:
        """Return the combinations of kinds that enough rows have, the richest first; the last is of no kind at all."""
        every = [kinds for size in range(len(KINDS), 0, -1) for kinds in combinations(KINDS, size)]
        wide = [kinds for kinds in every if self.columns(kinds).shape[1] and self.has(kinds).sum() >= MIN_SEEN]
        return [*wide, ()]


class Last(NamedTuple):
    """From the logit of the text, and evidence of some kinds, to an honest logit.

    mean, rate : shape (n_columns,). weights : shape (n_columns + 2,): of the text's logit, of the evidence, a constant.
    """

    mean: FloatArray
    rate: FloatArray
    weights: FloatArray

    @classmethod
    def fit(cls, z: FloatArray, seen: Seen, kinds: Sequence[str], right: FloatArray) -> Self:
        """Fit to the logits of rows that they were not fitted on, of the rows that have this evidence.

        Without evidence this is Platt's line (1999), shrunk to the identity. Evidence of k columns is shrunk k times as
        strongly, so that many columns together are heard no louder than one.
        """
        rows = seen.has(kinds)
        x, z, right = seen.columns(kinds)[rows], z[rows], right[rows]
        spread = x.std(axis=0)
        mean, rate = x.mean(axis=0), np.where(spread < FLAT, 0.0, 1 / np.maximum(spread, FLAT))
        design = np.column_stack([z, (x - mean) * rate, np.ones(len(z))])
        ridge = np.concatenate([[SLOPE_RIDGE], np.full(x.shape[1], float(x.shape[1])), [INTERCEPT_RIDGE]])
        change = solve(design, right, ridge=ridge, offset=z)
        change[0] = max(change[0], -1.0)  # a falling line would turn the order of the answers around
        return cls(mean, rate, np.concatenate([[1 + change[0]], change[1:]]))

    def logits(self, z: FloatArray, x: FloatArray) -> FloatArray:
        """Return shape (n_rows,); x : the columns of the evidence."""
        result: FloatArray = z * self.weights[0] + ((x - self.mean) * self.rate) @ self.weights[1:-1] + self.weights[-1]
        return result


def mixture(lasts: Mapping[tuple[str, ...], Last], z: FloatArray, seen: Seen) -> FloatArray:
    """Return the logits of rows, each by the richest step whose evidence it has, shape (n_rows,).

    lasts : the richest first; the last takes no evidence, so every row finds one.
    """
    result, left = np.empty(len(z)), np.ones(len(z), dtype=bool)
    for kinds, last in lasts.items():
        rows = left & seen.has(kinds)
        result[rows] = last.logits(z[rows], seen.columns(kinds)[rows])
        left &= ~rows
    return result


def _agreement(answer_texts: Sequence[str], others: Sequence[Sequence[str | None] | None]) -> FloatArray:
    if not others:
        return np.full((len(answer_texts), 0), np.nan)
    own = [conclusion(text) for text in answer_texts]
    bits = np.array([_bits(own, each) for each in others]).T
    return np.column_stack([bits, bits.mean(axis=1)])


def _bits(own: Sequence[str | None], other: Sequence[str | None] | None) -> list[float]:
    if other is None:
        return [math.nan] * len(own)
    return [
        math.nan if text is None else float(agree(mine, conclusion(text)))
        for mine, text in zip(own, other, strict=True)
    ]
