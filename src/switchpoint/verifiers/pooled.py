"""Pooled: one logistic regression on the answers of all models, and what each model deviates from it.

What makes an answer wrong is much the same whoever wrote it, so the answers of every model teach the weights that all
share; each model then has its own small deviation. A model without labels has the shared weights, and one without a
single answer is measured on the mean of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.logistic import sigmoid

FLAT, LEAST_SPREAD = 1e-6, 0.05
"""A feature that never varies among a model's answers says nothing of them; one that hardly does is not blown up."""
CLIP = 5.0
MAX_STEPS, TOLERANCE = 60, 1e-9
SHARED_INTERCEPT_RIDGE, OWN_INTERCEPT_RIDGE = 1e-3, 1.0


class Strength(NamedTuple):
    """How freely weights move: inverse ridges of the shared ones and of each model's own deviation."""

    shared: float
    own: float


STRENGTHS = tuple(Strength(shared, own) for shared in (0.01, 0.03, 0.1, 0.3) for own in (1e-4, 1e-3, 1e-2, 0.1))


class Scale(NamedTuple):
    """Mean and inverse spread of every feature by model, shape (n_models + 1, n_features); the last is of any other."""

    mean: FloatArray
    rate: FloatArray

    @classmethod
    def fit(cls, x: FloatArray, columns: IntArray, n_models: int) -> Self:
        """Measure the answers of each model; labels are not needed."""
        each = [cls.of(x[columns == model]) for model in range(n_models)]
        mean, rate = (np.array([pair[part] for pair in each]) for part in (0, 1))
        return cls(np.vstack([mean, mean.mean(axis=0)]), np.vstack([rate, rate.mean(axis=0)]))

    @staticmethod
    def of(x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and inverse spread of some answers, both of shape (n_features,)."""
        spread = x.std(axis=0, dtype=np.float64)
        rate = np.where(spread < FLAT, 0.0, 1 / np.maximum(spread, LEAST_SPREAD))
        return x.mean(axis=0, dtype=np.float64), rate

    def apply(self, x: FloatArray, columns: IntArray) -> FloatArray:
        """Return features in units of their model's spread, shape (n_rows, n_features)."""
        scaled: FloatArray = np.clip((x - self.mean[columns]) * self.rate[columns], -CLIP, CLIP)
        return scaled


class Pooled(NamedTuple):
    """weights : shape (n_models + 1, n_features + 1), the constant last; the last row is that of any other model."""

    weights: FloatArray

    @classmethod
    def fit(cls, z: FloatArray, columns: IntArray, right: FloatArray, n_models: int, strength: Strength) -> Self:
        """Minimise the log-loss plus ridges on the shared weights and on the deviations.

        z : scaled features, shape (n_rows, n_features). columns : the model of each row. right : shape (n_rows,), in
        [0, 1]. Source: regularised multi-task learning (Evgeniou & Pontil 2004). Differs: logistic instead of hinge.
        """
        order = np.argsort(columns, kind="stable")
        x = np.column_stack([z, np.ones(len(z))])[order].astype(np.float64)
        rows = [slice(*np.searchsorted(columns[order], (model, model + 1))) for model in range(n_models)]
        ridges = np.array([
            np.append(np.full(z.shape[1], 1 / strength.shared), SHARED_INTERCEPT_RIDGE),
            np.append(np.full(z.shape[1], 1 / strength.own), OWN_INTERCEPT_RIDGE),
        ])  # fmt: skip
        shared, own = _solve(x, right[order], rows, ridges)
        return cls(np.vstack([shared + own, shared]))

    def logits(self, z: FloatArray, columns: IntArray) -> FloatArray:
        """Return shape (n_rows,)."""
        w = self.weights[columns]
        result: FloatArray = np.vecdot(z, w[:, :-1]) + w[:, -1]
        return result


def columns_of(models: Sequence[str], known: Sequence[str]) -> IntArray:
    """Return the number of each model among the known ones, -1 for any other, shape (n_rows,)."""
    place = {model: number for number, model in enumerate(known)}
    return np.array([place.get(model, -1) for model in models], dtype=np.intp)


def _solve(
    x: FloatArray, right: FloatArray, rows: Sequence[slice], ridges: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the shared weights, shape (n_columns,), and each model's deviation, (n_models, n_columns).

    Newton's method. Models meet only in the shared weights, so that their blocks of the curvature are eliminated one by
    one, and time grows with the number of models instead of its cube. rows : of each model; ridges : shape (2,
    n_columns), of shared weights and of deviations.
    """

    def logits_of(w: FloatArray) -> FloatArray:
        return np.concatenate([x[part] @ (w[0] + own) for part, own in zip(rows, w[1:], strict=True)])

    w = np.zeros((1 + len(rows), x.shape[1]))
    logits = logits_of(w)
    loss = _loss(logits, right, w, ridges)
    for _ in range(MAX_STEPS):
        step = _newton(x, sigmoid(logits), right, rows, w, ridges)
        # Far from the solution Newton's step may overshoot; half of it never does for long.
        while (new := _loss(logits_of(w - step), right, w - step, ridges)) > loss and np.abs(step).max() > TOLERANCE:
            step = step / 2
        if loss - new <= TOLERANCE * (1 + loss):
            break
        w, loss = w - step, new
        logits = logits_of(w)
    return w[0], w[1:]


def _newton(
    x: FloatArray, p: FloatArray, right: FloatArray, rows: Sequence[slice], w: FloatArray, ridges: FloatArray
) -> FloatArray:
    """Return Newton's step, shape (1 + n_models, n_columns), the shared weights first."""
    spread = np.maximum(p * (1 - p), 1e-9)
    slope = np.array([x[part].T @ (p[part] - right[part]) for part in rows])
    bend = np.array([(x[part].T * spread[part]) @ x[part] for part in rows])
    own_slope = slope + ridges[1] * w[1:]
    solved = np.linalg.solve(bend + np.diag(ridges[1]), np.concatenate([bend, own_slope[:, :, None]], axis=2))
    through, rest = solved[:, :, :-1], solved[:, :, -1]
    curvature = (bend - bend @ through).sum(axis=0) + np.diag(ridges[0])
    wanted = slope.sum(axis=0) + ridges[0] * w[0] - np.einsum("mij,mj->i", bend, rest)
    shared = np.linalg.solve(curvature, wanted)
    return np.vstack([shared, rest - through @ shared])


def _loss(logits: FloatArray, right: FloatArray, w: FloatArray, ridges: FloatArray) -> float:
    penalty = ridges[0] @ w[0] ** 2 + (w[1:] ** 2 @ ridges[1]).sum()
    return float(np.sum(np.logaddexp(0, logits) - right * logits) + penalty / 2)
