"""Logistic regression with a ridge, solved exactly by Newton's method; small enough to need no library."""

from __future__ import annotations

import numpy as np

from switchpoint.core.query import FloatArray

MAX_STEPS = 50
TOLERANCE = 1e-9


def solve(
    x: FloatArray,
    target: FloatArray,
    *,
    ridge: FloatArray,
    weight: FloatArray | float = 1.0,
    offset: FloatArray | float = 0.0,
) -> FloatArray:
    """Return the w that minimises ``Σ weight · log-loss(offset + x w) + Σ ridge · w² / 2``.

    x : shape (n_rows, n_columns); target : shape (n_rows,), in [0, 1], fractions welcome; ridge : shape (n_columns,).
    Without rows the ridge alone speaks, and w is 0.
    """
    w = np.zeros(x.shape[1])
    loss = _loss(x, target, ridge, weight, offset, w)
    for _ in range(MAX_STEPS):
        p = sigmoid(x @ w + offset)
        gradient = x.T @ (weight * (p - target)) + ridge * w
        curvature = (x.T * (weight * np.maximum(p * (1 - p), 1e-9))) @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        # Far from the solution Newton's step may overshoot; half of it never does for long.
        while (new := _loss(x, target, ridge, weight, offset, w - step)) > loss and np.abs(step).max() > TOLERANCE:
            step = step / 2
        if loss - new <= TOLERANCE * (1 + abs(loss)):
            break
        w, loss = w - step, new
    return w


def fit_logistic(x: FloatArray, target: FloatArray, *, c: float) -> tuple[FloatArray, float]:
    """Minimise ``|w|² / 2 + c · Σ log-loss``; returns the weights, shape (n_columns,), and the free intercept.

    One more row, at the mean of x with target one half, keeps the intercept finite when every target is the same.
    """
    centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    rows = np.vstack([x - centre, np.zeros(x.shape[1])]).astype(np.float64)
    ridge = np.append(np.ones(x.shape[1]), 1e-9)
    w = solve(np.column_stack([rows, np.ones(len(rows))]), np.append(target, 0.5), ridge=ridge, weight=c)
    return w[:-1], float(w[-1] - centre @ w[:-1])


def _loss(
    x: FloatArray,
    target: FloatArray,
    ridge: FloatArray,
    weight: FloatArray | float,
    offset: FloatArray | float,
    w: FloatArray,
) -> float:
    z = x @ w + offset
    return float(np.sum(weight * (np.logaddexp(0, z) - target * z)) + ridge @ (w * w) / 2)


def sigmoid(z: FloatArray) -> FloatArray:
    """Return 1 / (1 + e^-z), without overflow."""
    result: FloatArray = np.tanh(z * 0.5) * 0.5 + 0.5
    return result
