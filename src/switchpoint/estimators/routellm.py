"""RouteLLM's matrix factorisation as it was published: the router that its users know as `mf`.

    δ(m, q) = wᵀ (v_m / |v_m| ⊙ W q)        P(a beats b | q) = σ(δ(a, q) - δ(b, q))

There is no bias of a model or of a query, ties are dropped, and training adds noise to the vectors of texts. `factors`
is what to use instead.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.battles import Battles
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.reading import Reading

WIDTH = 128
RATE, DECAY, NOISE, BATCH = 3e-4, 1e-5, 0.1, 64
"""Of its training script: Adam's rate, weight decay, spread of the noise, battles in a step."""
EPOCHS = 10
"""The paper's; the script says 100."""
MAX_BATTLES = 10_000
"""More battles than these are drawn from: pairs of eleven models on the same query are fifty-five."""
MEMORY, SQUARE_MEMORY, EPSILON = 0.9, 0.999, 1e-8


class Weights(NamedTuple):
    """What is trained: models : shape (n_models, width); mix : shape (width,); text : shape (width, dim)."""

    models: FloatArray
    mix: FloatArray
    text: FloatArray

    def collapse(self) -> FloatArray:
        """Return u = Wᵀ (w ⊙ v̂_m) of each model, shape (dim, n_models): δ(m, q) is u_m · q, exactly."""
        return self.text.T @ (self.mix * _unit(self.models)).T

    def strength(self, model: IntArray, vectors: FloatArray) -> FloatArray:
        """Return δ(m, q) as it is written; model : shape (n_rows,), vectors : shape (n_rows, dim)."""
        return (_unit(self.models)[model] * (vectors @ self.text.T)) @ self.mix


class Collapsed(NamedTuple):
    """All that serving needs; vectors : shape (dim, n_models)."""

    vectors: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, epochs: int = EPOCHS, seed: int = 0) -> Self:
        """Learn from outcomes: of two models on the same query the better one won; of equals neither."""
        row, winner, loser = np.nonzero(quality[:, :, None] > quality[:, None, :])
        return cls._train(reading.vectors, (row, winner, loser), quality.shape[1], epochs, seed)

    @classmethod
    def fit_preferences(cls, reading: Reading, battles: Battles, epochs: int = EPOCHS, seed: int = 0) -> Self:
        """Learn from who won, one battle for each row; ties and a model against itself are dropped."""
        row = np.flatnonzero((battles.result != 0.5) & (battles.a != battles.b))
        a, b, first = battles.a[row], battles.b[row], battles.result[row] > 0.5
        pairs = row, np.where(first, a, b), np.where(first, b, a)
        return cls._train(reading.vectors, pairs, battles.n_models, epochs, seed)

    def predict(self, reading: Reading) -> FloatArray:
        """Return win rates against a model of mean strength, shape (n_queries, n_models)."""
        strength = reading.vectors @ self.vectors
        return sigmoid(strength - strength.mean(axis=1, keepdims=True))

    @classmethod
    def _train(
        cls, vectors: FloatArray, pairs: tuple[IntArray, IntArray, IntArray], n_models: int, epochs: int, seed: int
    ) -> Self:
        rng = np.random.default_rng(seed)
        dim, n_pairs = vectors.shape[1], len(pairs[0])
        weights = _initial(n_models, dim, rng)
        kept = np.sort(rng.permutation(n_pairs)[:MAX_BATTLES])
        adam = _Adam(weights)
        for _ in range(epochs):
            for batch in np.array_split(rng.permutation(kept), -(-len(kept) // BATCH) or 1):
                row, winner, loser = (side[batch] for side in pairs)
                noisy = vectors[row] + rng.normal(0, NOISE, (len(row), dim)).astype(np.float32)
                adam.step(weights, slope(weights, noisy, winner, loser))
        # Without a single battle won there is nothing to tell the models apart by.
        return cls(weights.collapse() * np.float32(n_pairs > 0))


def slope(weights: Weights, vectors: FloatArray, winner: IntArray, loser: IntArray) -> Weights:
    """Return the slope of the mean of -log σ(δ(winner) - δ(loser)) over the rows."""
    length = np.maximum(np.linalg.norm(weights.models, axis=1, keepdims=True), EPSILON)
    unit = weights.models / length
    z, ahead = vectors @ weights.text.T, unit[winner] - unit[loser]
    miss = (sigmoid((ahead * z) @ weights.mix) - 1)[:, None] / max(1, len(vectors))
    models = np.zeros_like(unit)
    np.add.at(models, winner, miss * z * weights.mix)
    np.add.at(models, loser, -miss * z * weights.mix)
    # Only what turns a unit vector counts, not what makes it longer.
    models = (models - unit * (models * unit).sum(axis=1, keepdims=True)) / length
    return Weights(models, (miss * ahead * z).sum(axis=0), (miss * ahead * weights.mix).T @ vectors)


class _Adam:
    """Adam (Kingma & Ba 2015) with weight decay in the slope, as torch has it; steps change the weights in place."""

    def __init__(self, weights: Weights) -> None:
        self.first, self.second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
        self.steps = 0

    def step(self, weights: Weights, slopes: Weights) -> None:
        self.steps += 1
        rate = RATE * np.sqrt(1 - SQUARE_MEMORY**self.steps) / (1 - MEMORY**self.steps)
        for weight, gradient, first, second in zip(weights, slopes, self.first, self.second, strict=True):
            gradient = gradient + DECAY * weight
            first += (1 - MEMORY) * (gradient - first)
            second += (1 - SQUARE_MEMORY) * (gradient**2 - second)
            weight -= (rate * first / (np.sqrt(second) + EPSILON)).astype(weight.dtype)


def _initial(n_models: int, dim: int, rng: np.random.Generator) -> Weights:
    """Draw the weights as torch does: normal for vectors of models, uniform in ±1/√inputs for the layers."""
    layers = [rng.uniform(-1, 1, shape) / np.sqrt(shape[-1]) for shape in ((WIDTH,), (WIDTH, dim))]
    return Weights(*(part.astype(np.float32) for part in (rng.normal(size=(n_models, WIDTH)), *layers)))


def _unit(rows: FloatArray) -> FloatArray:
    result: FloatArray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), EPSILON)
    return result
