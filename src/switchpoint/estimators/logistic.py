"""Logistic regression with a ridge, solved exactly; small enough to need no library."""

from __future__ import annotations

import numpy as np

from switchpoint.core.query import FloatArray

MAX_STEPS = 50
TOLERANCE = 1e-8


def fit_logistic(
    x: FloatArray, target: FloatArray, *, c: float, pseudo: float = 1.0, rate: float = 0.5
) -> tuple[FloatArray, float]:
    """Minimise ``|w|² / 2 + c · Σ log-loss`` by Newton's method; the intercept is not penalised.

    x : shape (n_rows, n_features); target : shape (n_rows,), in [0, 1], fractions welcome.
    pseudo, rate : weight and target of one more row at the mean of x, which keeps the intercept finite when every
        target is the same or there is no row at all.

    Returns the weights, shape (n_features,), and the intercept.
    """
    centre = x.mean(axis=0) if len(x) else np.zeros(x.shape[1])
    design = np.vstack([np.column_stack([x - centre, np.ones(len(x))]), np.eye(1, x.shape[1] + 1, x.shape[1])])
    target = np.append(target, rate)
    weight = np.append(np.full(len(x), c), c * pseudo)
    ridge = np.append(np.ones(x.shape[1]), 0.0)
    solution = _newton(design.astype(np.float64), target.astype(np.float64), weight, ridge)
    return solution[:-1], float(solution[-1] - centre @ solution[:-1])


def _newton(x: FloatArray, target: FloatArray, weight: FloatArray, ridge: FloatArray) -> FloatArray:
    w = np.zeros(x.shape[1])
    loss = _loss(w, x, target, weight, ridge)
    for _ in range(MAX_STEPS):
        p = sigmoid(x @ w)
        gradient = x.T @ (weight * (p - target)) + ridge * w
        curvature = (x.T * (weight * np.maximum(p * (1 - p), 1e-9))) @ x + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        w, previous, loss = _shorten(w, step, loss, (x, target, weight, ridge))
        if previous - loss <= TOLERANCE * (1 + abs(loss)):
            break
    return w


def _shorten(
    w: FloatArray, step: FloatArray, loss: float, problem: tuple[FloatArray, FloatArray, FloatArray, FloatArray]
) -> tuple[FloatArray, float, float]:
    """Take the step, halved until it does not raise the loss; Newton alone may overshoot far from the solution."""
    for _ in range(30):
        new = _loss(w - step, *problem)
        if new <= loss:
            return w - step, loss, new
        step = step / 2
    return w, loss, loss


def _loss(w: FloatArray, x: FloatArray, target: FloatArray, weight: FloatArray, ridge: FloatArray) -> float:
    z = x @ w
    return float(weight @ (np.logaddexp(0, z) - target * z) + (ridge * w) @ w / 2)


def sigmoid(z: FloatArray) -> FloatArray:
    """Return 1 / (1 + e^-z), without overflow."""
    result: FloatArray = 0.5 * np.tanh(0.5 * z) + 0.5
    return result


def logit(p: FloatArray, margin: float = 1e-3) -> FloatArray:
    """Return log(p / (1 - p)) with p kept `margin` away from 0 and 1."""
    clipped = np.clip(p, margin, 1 - margin)
    result: FloatArray = np.log(clipped / (1 - clipped))
    return result
