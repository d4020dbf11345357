"""Logistic regression with a ridge, solved exactly by Newton's method; small enough to need no library.

`solve` is for one target and few columns, `solve_all` for many targets, many rows, or a sparse matrix.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray

HALF = np.array(0.5, dtype=np.float32)
"""An array, because every plain number of an expression costs half a microsecond to convert; exact in any precision."""
MAX_STEPS = 50
TOLERANCE = 1e-9
GAIN = 1e-7
"""A step that makes the loss less by a smaller part was the last."""
ENOUGH, MOST_DIRECTIONS = 0.3, 20
"""A Newton step is near enough when its residual is this part of the slope, or after so many directions."""


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


def solve_all(
    x: Any,
    target: FloatArray,
    *,
    ridge: FloatArray,
    weight: float = 1.0,
    offset: FloatArray | float = 0.0,
    gain: float = GAIN,
) -> FloatArray:
    """Return for each target the w that `solve` looks for, shape (n_columns, n_targets), up to about single precision.

    x : shape (n_rows, n_columns), an array or a sparse matrix (CSR), float32 for speed. target : shape (n_rows,
    n_targets), in [0, 1], NaN is left out. ridge : shape (n_columns,). offset : shape (n_targets,).

    Newton's steps are found by conjugate gradients, so that all targets share each product with x and no curvature is
    formed. Source: Lin, Weng & Keerthi 2008. Differs: the diagonal as preconditioner, and a step is halved where it
    overshoots instead of being kept inside a trust region.
    """
    rows, ridge = _Rows.of(x), ridge[:, None]
    heard = weight * ~np.isnan(target)
    target = np.where(heard > 0, target, 0.0)
    w, z = np.zeros((x.shape[1], target.shape[1])), np.zeros(target.shape) + offset

    def losses(z: FloatArray, w: FloatArray) -> FloatArray:
        each: FloatArray = (heard * (np.logaddexp(0, z) - target * z)).sum(axis=0) + (ridge * w * w).sum(axis=0) / 2
        return each

    loss = losses(z, w)
    for _ in range(MAX_STEPS):
        p = sigmoid(z)
        slope = rows.back(heard * (p - target)) + ridge * w
        step, along = rows.newton(slope, heard * np.maximum(p * (1 - p), 1e-9), ridge)
        size = np.ones(len(loss))
        most = loss + gain * (1 + np.abs(loss))
        while (over := (new := losses(z - size * along, w - size * step)) > most).any():
            size = np.where(over, size / 2, size)
        w, z = w - size * step, z - size * along
        if (loss - new <= gain * (1 + np.abs(loss))).all():
            break
        loss = new
    return w


class _Rows(NamedTuple):
    """The products that `solve_all` needs; across : x transposed; squares : of each column, shape (n_columns, 1)."""

    x: Any
    across: Any
    squares: FloatArray

    @classmethod
    def of(cls, x: Any) -> _Rows:
        if isinstance(x, np.ndarray):
            return cls(x, x.T, np.vecdot(x.T, x.T)[:, None])
        return cls(x, x.T.tocsr(), np.asarray(x.power(2).sum(axis=0)).reshape(-1, 1))

    def back(self, errors: FloatArray) -> FloatArray:
        """Return ``xᵀ errors``, shape (n_columns, n_targets)."""
        product: FloatArray = self.across @ errors.astype(self.x.dtype)
        return product

    def newton(self, slope: FloatArray, spread: FloatArray, ridge: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the step s with ``(xᵀ spread x + ridge) s = slope``, nearly, and x s."""
        spread = spread.astype(self.x.dtype)
        mean = spread.sum(axis=0, dtype=np.float64) / max(1, len(spread))
        scale = 1 / (self.squares * mean + ridge)
        step, along, left = np.zeros_like(slope), np.zeros(spread.shape), slope
        direction = scale * left
        power = (left * direction).sum(axis=0)
        enough = ENOUGH**2 * power
        for _ in range(MOST_DIRECTIONS):
            through = self.x @ direction.astype(self.x.dtype)
            applied = self.back(spread * through) + ridge * direction
            # A target without any slope, all of it unknown, has no direction either.
            rate = power / np.maximum((direction * applied).sum(axis=0), 1e-300)
            step, along, left = step + rate * direction, along + rate * through, left - rate * applied
            scaled = scale * left
            before, power = power, (left * scaled).sum(axis=0)
            if (power <= enough).all():
                break
            direction = scaled + power / np.maximum(before, 1e-300) * direction
        return step, along


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
    result: FloatArray = np.tanh(z * HALF)
    result *= HALF
    result += HALF
    return result
