"""Factors: matrix factorisation done right: models have abilities, queries ask for them, and some queries are hard.

    logit p_m(x) = b_m + a_m · W x - d · x

A few traits W x of a text are shared by all models, and so is its difficulty d · x; a model is one number b_m and one
short vector a_m. So models with few outcomes borrow from the others, and a new one joins by fitting its own row alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.abilities import UNKNOWN
from switchpoint.estimators.battles import Battles
from switchpoint.estimators.linear import BOTH, sight
from switchpoint.estimators.logistic import sigmoid, solve
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import scipy

RANK = 4
RIDGE, TRACE = 100.0, 25.0
"""Of difficulty, and of abilities and traits: beside the summed log-loss of all cells, of half the sum of squares.

All three by cross-validation inside the training rows of the recorded sets.
"""
BIAS_RIDGE = 1.0
"""A prior of about four rows of one half; it keeps a model that is always right finite."""
LEAST_VARIANCE = 0.05
"""Of models along a trait, so that one that joins may differ where the known ones happen to agree."""
MAX_STEPS = 100

Loss = Callable[[FloatArray], tuple[float, FloatArray]]
"""From logits, shape (n_rows, n_models), to the summed loss and its slope, of the same shape."""


class Factors(NamedTuple):
    """Abilities of models and traits of texts.

    bias : shape (n_models,); abilities : shape (n_models, rank), of mean 0 over models.
    traits : shape (n_columns, rank); difficulty : shape (n_columns,); their last rows stand for the constant column.
    """

    bias: FloatArray
    abilities: FloatArray
    traits: FloatArray
    difficulty: FloatArray

    @classmethod
    def fit(
        cls, reading: Reading, quality: FloatArray, rank: int = RANK, ridge: float = RIDGE, trace: float = TRACE
    ) -> Self:
        """Learn from the cells that were observed."""
        some = np.flatnonzero((~np.isnan(quality)).any(axis=1))
        reading, quality = reading.take(some), quality[some]
        observed = ~np.isnan(quality)
        known = np.where(observed, quality, 0.0)

        def loss(logits: FloatArray) -> tuple[float, FloatArray]:
            value = np.where(observed, np.logaddexp(0, logits) - known * logits, 0.0).sum()
            return float(value), np.where(observed, sigmoid(logits) - known, 0.0)

        return cls._descend(reading, quality.shape[1], loss, rank, ridge, trace)

    @classmethod
    def fit_preferences(
        cls,
        reading: Reading,
        battles: Battles,
        rank: int = RANK,
        ridge: float = RIDGE,
        trace: float = TRACE,
    ) -> Self:
        """Learn from who won, one battle for each row of the reading.

        A tie is half a win of each, so the difference of two logits is that of the win rate, ties half. Difficulty
        is the same for both and stays 0; predictions are against a model of mean strength.
        """
        a, b, result = battles.a, battles.b, battles.result
        rows = np.arange(len(result))

        def loss(logits: FloatArray) -> tuple[float, FloatArray]:
            lead = logits[rows, a] - logits[rows, b]
            slope = np.zeros_like(logits)
            slope[rows, a] += sigmoid(lead) - result
            slope[rows, b] -= sigmoid(lead) - result
            return float((np.logaddexp(0, lead) - result * lead).sum()), slope

        return cls._descend(reading, battles.n_models, loss, rank, ridge, trace)

    def predict(self, reading: Reading) -> FloatArray:
        """Return probabilities, shape (n_queries, n_models)."""
        return sigmoid(self._logits(reading))

    def join(self, reading: Reading, quality: FloatArray, ability: float = UNKNOWN) -> Self:
        """Return these factors with one more model, whose own row is all that is fitted.

        quality : its outcomes, shape (n_queries,), NaN is left out; none at all leaves it where it is said to stand.
        ability : where that is, from the weakest model (0) to the strongest (1); see `abilities.stated_abilities`.
        """
        rows = np.column_stack([self.bias, self.abilities])
        weak, strong = rows[self.bias.argmin()], rows[self.bias.argmax()]
        start = (1 - ability) * weak + ability * strong
        observed = ~np.isnan(quality)
        x = np.column_stack([np.ones(len(reading)), reading.columns @ self.traits])[observed]
        offset = x @ start - (reading.columns @ self.difficulty)[observed]
        # A new model is taken to be drawn around there with the spread of the known ones: the prior's ridge.
        ridge = 1 / np.maximum(rows.var(axis=0), LEAST_VARIANCE)
        own = start + solve(x, quality[observed], ridge=ridge, offset=offset)
        return self._replace(
            bias=np.append(self.bias, own[0]).astype(np.float32),
            abilities=np.vstack([self.abilities, own[1:]]).astype(np.float32),
        )

    def _logits(self, reading: Reading) -> FloatArray:
        shared = reading.columns @ np.column_stack([self.traits, self.difficulty])
        result: FloatArray = self.bias + shared[:, :-1] @ self.abilities.T - shared[:, -1:]
        return result

    @classmethod
    def _descend(cls, reading: Reading, n_models: int, loss: Loss, rank: int, ridge: float, trace: float) -> Self:
        """Minimise the loss with a ridge on everything, by L-BFGS from where one least-squares step leads.

        The ridge on both abilities and traits is the trace norm of their product (Srebro et al. 2005): traits that
        the rows do not pay for vanish, whatever the rank.
        """
        scales = sight(reading.columns, BOTH)
        centre = reading.columns[:, :-1].mean(axis=0) if len(reading) else np.zeros(len(scales))
        x = ((reading.columns[:, :-1] - centre) * scales).astype(np.float64)
        rank = max(1, min(rank, n_models - 1))
        parts = _Parts(n_models, rank, x.shape[1])

        def objective(w: FloatArray) -> tuple[float, FloatArray]:
            bias, abilities, traits, difficulty = parts.split(w)
            z = x @ traits
            value, slope = loss(bias + z @ abilities.T - (x @ difficulty)[:, None])
            back = np.column_stack([slope @ abilities, -slope.sum(axis=1)])
            shared = x.T @ back
            gradient = parts.join(slope.sum(axis=0), slope.T @ z, shared[:, :-1], shared[:, -1])
            held = w * parts.join(BIAS_RIDGE, trace, trace, ridge)
            return value + float(w @ held) / 2, gradient + held

        start = parts.start(x, loss, ridge)
        found = scipy("optimize").minimize(
            objective, start, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS, "ftol": 1e-7}
        )
        bias, abilities, traits, difficulty = parts.split(found.x)
        # From centred, scaled columns back to the columns as they are read; the constant column takes the centre.
        shared = np.column_stack([traits, difficulty]) * scales[:, None]
        shared = np.vstack([shared, -centre @ shared])
        return cls(*(part.astype(np.float32) for part in (bias, abilities, shared[:, :-1], shared[:, -1])))


class _Parts(NamedTuple):
    """Where bias, abilities, traits and difficulty lie in one long vector."""

    n_models: int
    rank: int
    n_columns: int

    def split(self, w: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        ends = np.cumsum([self.n_models, self.n_models * self.rank, self.n_columns * self.rank])
        bias, abilities, traits, difficulty = np.split(w, ends)
        return bias, abilities.reshape(-1, self.rank), traits.reshape(-1, self.rank), difficulty

    def join(
        self,
        bias: FloatArray | float,
        abilities: FloatArray | float,
        traits: FloatArray | float,
        difficulty: FloatArray | float,
    ) -> FloatArray:
        w = np.zeros(self.n_models + (self.n_models + self.n_columns) * self.rank + self.n_columns)
        for part, values in zip(self.split(w), (bias, abilities, traits, difficulty), strict=True):
            part[...] = values
        return w

    def start(self, x: FloatArray, loss: Loss, ridge: float) -> FloatArray:
        """One ridge step of every model's own line from nothing; what they share is the difficulty, the rest factors.

        From zero itself abilities and traits would never leave it: each is the other's slope.
        """
        _, slope = loss(np.zeros((len(x), self.n_models)))
        lines = np.linalg.solve(x.T @ x / 4 + ridge * np.eye(x.shape[1]), -x.T @ slope)
        shared = lines.mean(axis=1)
        u, s, v = np.linalg.svd(lines - shared[:, None], full_matrices=False)
        root = np.sqrt(s[: self.rank])
        return self.join(0.0, v[: self.rank].T * root, u[:, : self.rank] * root, -shared)
