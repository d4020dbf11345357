"""Mlp: one small network with an output for every model, so that models learn from each other's outcomes.

One hidden layer, trained by Adam in numpy and stopped early; a few networks from different seeds are averaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.linear import Recipe, sight
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import logit, shrunk_mean
from switchpoint.estimators.reading import Reading

SIGHT = Recipe(8.0, 0.5, 1.0)
"""How strongly vector and surface are seen; its `c` is not used."""
HELD_OUT = 0.1
"""Share of the rows on which a network is watched, and stopped."""
BATCH, MAX_EPOCHS, PATIENCE = 128, 60, 5
RATE, DECAY = 0.001, 1.0
"""Of the steps, and of the weights (decoupled, Loshchilov & Hutter 2019)."""
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
"""Of Adam, as published."""


class Network(NamedTuple):
    """Weights of one network; hidden : shape (n_columns, n_hidden); output : shape (n_hidden, n_models)."""

    hidden: FloatArray
    output: FloatArray


class Rows(NamedTuple):
    """What a network learns from: scaled columns, observed quality, NaN left out, and the logits to start from."""

    x: FloatArray
    quality: FloatArray
    offset: FloatArray

    def take(self, rows: IntArray) -> Rows:
        """Return these rows."""
        return Rows(self.x[rows], self.quality[rows], self.offset)


class Mlp(NamedTuple):
    """Networks side by side.

    hidden : shape (n_columns, n_networks * n_hidden); output : shape (n_networks * n_hidden, n_models), divided by the
    number of networks; offset : shape (n_models,), the logits of the mean qualities.
    """

    hidden: FloatArray
    output: FloatArray
    offset: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, *, n_hidden: int = 32, n_networks: int = 3) -> Self:
        """Train n_networks networks of n_hidden units, each from a seed of its own."""
        scales = np.append(sight(reading.columns, SIGHT), 1.0)
        offset = logit(shrunk_mean(quality))
        rows = Rows((reading.columns * scales).astype(np.float32), quality.astype(np.float32), offset)
        networks = [_train(rows, n_hidden, seed) for seed in range(n_networks)]
        hidden = np.hstack([network.hidden for network in networks]) * scales[:, None]
        output = np.vstack([network.output for network in networks]) / n_networks
        return cls(hidden.astype(np.float32), output.astype(np.float32), offset)

    def predict(self, reading: Reading) -> FloatArray:
        """Return probabilities of the mean logit, shape (n_queries, n_models)."""
        return sigmoid(np.maximum(reading.columns @ self.hidden, 0) @ self.output + self.offset)


def _train(rows: Rows, n_hidden: int, seed: int) -> Network:
    """Return the network of the epoch with the least loss on rows that it did not learn from."""
    rng = np.random.default_rng(seed)
    watched, learned = np.split(rng.permutation(len(rows.x)), [int(len(rows.x) * HELD_OUT)])
    spread = np.sqrt(2 / rows.x.shape[1])  # He et al. 2015
    hidden = (rng.standard_normal((rows.x.shape[1], n_hidden)) * spread).astype(np.float32)
    # Without output weights it predicts the means: what few rows teach is a small step from there.
    best = Network(hidden, np.zeros((n_hidden, rows.quality.shape[1]), dtype=np.float32))
    least, waited = loss_of(best, rows.take(watched)), 0
    for network in _epochs(best, rows.take(learned), rng):
        loss = loss_of(network, rows.take(watched))
        best, least, waited = (network, loss, 0) if loss < least else (best, least, waited + 1)
        if waited == PATIENCE:
            break
    return best


def _epochs(network: Network, rows: Rows, rng: np.random.Generator) -> Iterator[Network]:
    """Yield the network after each epoch of Adam (Kingma & Ba 2015)."""
    drift, power = ([np.zeros_like(w) for w in network] for _ in range(2))
    step = 0
    for _ in range(MAX_EPOCHS):
        for batch in np.array_split(rng.permutation(len(rows.x)), max(1, len(rows.x) // BATCH)):
            step += 1
            rate1, rate2 = 1 - BETA1**step, 1 - BETA2**step
            moved = []
            for w, g, m, v in zip(network, gradient(network, rows.take(batch)), drift, power, strict=True):
                m += (1 - BETA1) * (g - m)
                v += (1 - BETA2) * (g * g - v)
                moved.append(w - RATE * (m / rate1 / (np.sqrt(v / rate2) + EPSILON) + DECAY * w))
            network = Network(*moved)
        yield network


def gradient(network: Network, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the gradient of the mean log-loss of the batch, of the hidden and of the output weights."""
    before = rows.x @ network.hidden
    active = np.maximum(before, 0)
    error = sigmoid(active @ network.output + rows.offset) - rows.quality
    error = (np.nan_to_num(error) / max(1, len(rows.x))).astype(np.float32)
    return rows.x.T @ ((error @ network.output.T) * (before > 0)), active.T @ error


def loss_of(network: Network, rows: Rows) -> float:
    """Return the log-loss of the observed cells, summed."""
    z = np.maximum(rows.x @ network.hidden, 0) @ network.output + rows.offset
    return float(np.nansum(np.logaddexp(0, z) - rows.quality * z))
