"""Ranking: who beats whom on queries like this one (Bradley & Terry 1952; RouteLLM's similarity-weighted Elo).

Every training row holds wins of models over models. For a query these are summed, each row by how similar it is, and
the strengths θ that make the sums likely, P(a beats b) = σ(θ_a - θ_b), are the prediction. The likelihood depends on
the rows through that one small matrix of wins alone, so nothing is fitted per query but a few numbers by Newton.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.battles import Battles, wins_of
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import logit
from switchpoint.estimators.reading import Reading

SHARPNESS = 10.0
"""A row at cosine c counts exp(SHARPNESS · (c - 1))."""
PRIOR_ROWS = 0.2
"""How much of a mean row every query starts with: where all rows are farther than that, the plain ranking stands."""
RIDGE = 0.1
"""Of the strengths, in wins: keeps a model finite that never lost."""
MAX_ROWS = 20_000
"""More training rows than these are thinned evenly: the time of a decision grows with them."""
TIERS = 16
"""More models than these share strengths by tier, so that the matrix of wins stays small."""
BATCH = 512
STEPS = 12
TINY = 1e-6
HALF = 0.05
"""So much of a model that is right, and of one that is wrong, stands for no knowledge of the level at all."""
MAX_STEP = 2.0
TOLERANCE = 1e-9


class Ranking(NamedTuple):
    """Training rows, and who won in each.

    vectors : shape (n_rows, dim). tier : of each model, shape (n_models,).
    sums : shape (n_rows, n_tiers² + 2): wins of tiers over tiers, then the quality of all models and their number.
    prior : of a query that is far from all rows, shape (n_tiers² + 2,). plain : its strengths, shape (n_tiers,).
    """

    vectors: FloatArray
    tier: IntArray
    sums: FloatArray
    prior: FloatArray
    plain: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, tiers: int = TIERS) -> Self:
        """Learn from outcomes: every two models that were observed on the same query are a battle."""
        observed = ~np.isnan(quality)
        rows = _thin(np.flatnonzero(observed.any(axis=1)))
        wins = wins_of(quality[rows])
        tier = tiers_of(strengths(wins.sum(axis=0)[None])[0], tiers)
        level = np.column_stack([np.where(observed, quality, 0.0).sum(axis=1), observed.sum(axis=1)])
        return cls._of(reading.take(rows), tier, merged(wins, tier), level[rows])

    @classmethod
    def fit_preferences(cls, reading: Reading, battles: Battles, tiers: int = TIERS) -> Self:
        """Learn from who won, one battle for each row; predictions are against a model of mean strength."""
        rows = _thin(np.arange(len(reading)))
        battles = battles.take(rows)
        tier = tiers_of(strengths(battles.total()[None])[0], tiers)
        return cls._of(reading.take(rows), tier, battles.among(tier).wins(), np.zeros((len(rows), 2)))

    def predict(self, reading: Reading) -> FloatArray:
        """Return probabilities, shape (n_queries, n_models)."""
        n_tiers = len(self.plain)
        result = np.empty((len(reading), len(self.tier)))
        for start in range(0, len(reading), BATCH):
            part = slice(start, start + BATCH)
            near = self._weights(reading.vectors[part] @ self.vectors.T) @ self.sums + self.prior
            theta = strengths(near[:, :-2].reshape(-1, n_tiers, n_tiers), self.plain)
            result[part] = sigmoid(self._level(near[:, -2:]) + theta[:, self.tier])
        return result

    @classmethod
    def _of(cls, reading: Reading, tier: IntArray, wins: FloatArray, level: FloatArray) -> Self:
        sums = np.column_stack([wins.reshape(len(wins), wins.shape[1] ** 2), level]).astype(np.float32)
        return cls(
            vectors=np.asarray(reading.vectors, dtype=np.float32),
            tier=tier,
            sums=sums,
            prior=cls._prior(sums.sum(axis=0) / max(1, len(sums))),
            plain=strengths(wins.sum(axis=0, dtype=np.float64)[None])[0],
        )

    @staticmethod
    def _level(near: FloatArray) -> FloatArray:
        """Return the logit of a model of mean strength, shape (n_queries, 1), from quality and number near it."""
        return logit((near[:, :1] + HALF) / (near[:, 1:] + 2 * HALF))

    @staticmethod
    def _prior(mean: FloatArray) -> FloatArray:
        """Return the wins that every query starts with, from those of a mean row."""
        return PRIOR_ROWS * mean

    @staticmethod
    def _weights(cosine: FloatArray) -> FloatArray:
        """Return what each training row counts, shape (n_queries, n_rows)."""
        weight: FloatArray = np.exp(SHARPNESS * (cosine - 1))
        return weight


class SimilarityElo(Ranking):
    """The ranking as RouteLLM has it: weights from 10 to 100, no prior, models in ten tiers of plain Elo.

    Source: RouteLLM (Ong et al. 2024) and its code. Differs: exact sums instead of a regression on duplicated battles
    for every query, which gives the same strengths, and `RIDGE`, without which a tier that never lost has none.
    """

    @staticmethod
    def _prior(mean: FloatArray) -> FloatArray:
        return np.zeros_like(mean)

    @staticmethod
    def _level(near: FloatArray) -> FloatArray:
        return np.zeros((len(near), 1))

    @staticmethod
    def _weights(cosine: FloatArray) -> FloatArray:
        nearest = cosine.max(axis=1, keepdims=True, initial=TINY)
        weight: FloatArray = 10.0 * 10.0 ** (cosine / nearest)
        return weight


def strengths(wins: FloatArray, start: FloatArray | float = 0.0) -> FloatArray:
    """Return the Bradley-Terry strengths of each matrix of wins, shape (n_matrices, n), of sum 0 in each.

    wins : shape (n_matrices, n, n), [i, a, b] of a over b, fractions welcome; a tie is half a win of each.
    start : shape (n,); near the solution Newton needs few steps.
    """
    wins = wins.astype(np.float64)
    games = wins + wins.swapaxes(1, 2)
    theta = np.zeros(wins.shape[:2]) + start
    diagonal = np.arange(wins.shape[1])
    for _ in range(STEPS):
        p = sigmoid(theta[:, :, None] - theta[:, None, :])
        gradient = (games * p - wins).sum(axis=2) + RIDGE * theta
        curvature = games * p * (p - 1)
        curvature[:, diagonal, diagonal] -= curvature.sum(axis=2) - RIDGE
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        theta = theta - np.clip(step, -MAX_STEP, MAX_STEP)
        if np.abs(step).max(initial=0.0) < TOLERANCE:
            break
    return theta


def tiers_of(ratings: FloatArray, n_tiers: int) -> IntArray:
    """Return the tier of each model, shape (n_models,): 0 is the weakest; as many models or fewer have one each.

    Tiers are neighbours in the order of ratings, cut so that the summed squared distance to their means is least, by
    dynamic programming. Source: RouteLLM (Ong et al. 2024), appendix.
    """
    n = len(ratings)
    if n <= n_tiers:
        return np.arange(n)
    order = np.argsort(ratings, kind="stable")
    sums, squares = (np.append(0.0, np.cumsum(ratings[order] ** power)) for power in (1, 2))
    first, last = np.arange(n)[:, None], np.arange(1, n + 1)[None, :]
    size = last - first
    spread = squares[last] - squares[first] - (sums[last] - sums[first]) ** 2 / np.maximum(size, 1)
    spread = np.where(size > 0, spread, np.inf)
    best, cuts = np.append(0.0, np.full(n, np.inf)), []
    for _ in range(n_tiers):
        total = best[:-1, None] + spread
        cuts.append(total.argmin(axis=0))
        best = np.append(np.inf, total.min(axis=0))
    tier, end = np.zeros(n, dtype=np.intp), n
    for number in reversed(range(n_tiers)):
        begin = int(cuts[number][end - 1])
        tier[order[begin:end]] = number
        end = begin
    return tier


def merged(wins: FloatArray, tier: IntArray) -> FloatArray:
    """Return the wins of tiers over tiers, shape (n_rows, n_tiers, n_tiers), from those of models over models."""
    if len(wins) == 0 or tier.max(initial=-1) + 1 == len(tier):
        return wins
    member = (tier[:, None] == np.arange(tier.max() + 1)).astype(np.float32)
    result: FloatArray = member.T @ wins @ member
    return result


def _thin(rows: IntArray) -> IntArray:
    """Return at most `MAX_ROWS` of these rows, evenly spaced."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), MAX_ROWS)).astype(np.intp)]
