"""OutputTokens: how long each model's answer to a query will be; what makes the cost of an answer predictable.

problem   the output is the dear part of a call, and models differ tenfold in how much they write for the same query
formula   log tokens = mean + columns · weights, ridge per model; tokens = smear · exp(log tokens), at least 1, at
          most what was observed
source    ridge: Hoerl & Kennard 1970; leave-one-out by the hat matrix: Allen 1974; smearing: Duan 1983
differs   the smear is the ratio of the observed to the predicted total, on predictions that left each row out, so that
          sums are right where the spread depends on the query; predictions stay in the range that was observed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State, Tensors, check_embedder
from switchpoint.estimators.embedders import embedder_of, read_queries
from switchpoint.estimators.linear import BOTH, sight

RIDGES = (*10.0 ** np.arange(0.0, 5.5, 0.5), np.inf)
"""Tried for each model by leaving each row out; the last one is the model's own mean."""
PREFIX = "tokens."
MIN_ROWS = 3
"""Below this a model's mean is all that can be said of it."""


class Lines(NamedTuple):
    """One line per model over columns; a model never observed is NaN throughout.

    weights : shape (n_columns, n_models), the last row the intercept; low, high : the range of its logarithms;
    smear : what brings the mean of the exponentials to the observed mean. All three of shape (n_models,).
    """

    weights: FloatArray
    low: FloatArray
    high: FloatArray
    smear: FloatArray

    def apply(self, columns: FloatArray) -> FloatArray:
        """Return tokens, shape (n_queries, n_models)."""
        logs = np.clip(columns @ self.weights, self.low, self.high)
        tokens: FloatArray = np.clip(np.exp(logs) * self.smear, 1.0, np.exp(self.high))
        return tokens


class OutputTokens:
    """Predicts the output tokens of each model's answer; NaN for a model of which none were ever counted.

    reader : name of the embedder that reads the text; see `embedders`.
    """

    kind = "output_tokens"

    def __init__(self, reader: str = "static") -> None:
        self.reader_name = reader
        self.reader = embedder_of(reader)
        self._models: tuple[str, ...] = ()
        self._lines: Lines | None = None

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from `outcomes.output_tokens`; cells that are unknown are left out."""
        columns = read_queries(self.reader, outcomes.queries).astype(np.float64)
        tokens = outcomes.output_tokens
        observed = np.full(outcomes.quality.shape, np.nan) if tokens is None else tokens
        fitted = [_fit(columns, each) for each in observed.T]
        self._models = outcomes.models
        self._lines = Lines(*(np.stack(part, axis=-1) for part in zip(*fitted, strict=True)))
        return self

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        self._fitted()
        return self._models

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict tokens, shape (n_queries, n_models), at least 1."""
        lines = self._fitted()
        return Prediction(mean=lines.apply(read_queries(self.reader, queries)))

    def state(self) -> State:
        """Return the lines, and the name of the reader."""
        return stored(self.kind, self.models_, self, {})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError where its reader has changed."""
        settings = artifact.manifest.settings
        made = cls(settings["reader"])
        check_embedder(artifact, made.reader.name)
        made._models = tuple(settings["counted"])
        made._lines = Lines(*(artifact.tensors[PREFIX + name] for name in Lines._fields))
        return made

    def tensors(self) -> Tensors:
        """Return the lines under names that nothing else in an artifact has."""
        return {PREFIX + name: tensor for name, tensor in self._fitted()._asdict().items()}

    def _fitted(self) -> Lines:
        if self._lines is None:
            raise NotFittedError(self)
        return self._lines


def stored(kind: str, models: Sequence[str], tokens: OutputTokens | None, tensors: Tensors) -> State:
    """Return the state of an estimator that counts on `tokens`, which may be missing."""
    if tokens is None:
        return State(kind=kind, models=tuple(models), tensors=tensors)
    return State(
        kind=kind,
        models=tuple(models),
        embedder=tokens.reader.name,
        settings={"reader": tokens.reader_name, "counted": tokens.models_},
        tensors={**tensors, **tokens.tensors()},
    )


def restored(artifact: Artifact) -> OutputTokens | None:
    """Return the `tokens` that were stored with an estimator, if there were any."""
    return OutputTokens.restore(artifact) if artifact.manifest.embedder else None


def _fit(columns: FloatArray, tokens: FloatArray) -> tuple[FloatArray, float, float, float]:
    """Fit one model's line; tokens : shape (n_queries,), NaN is left out."""
    known = ~np.isnan(tokens)
    observed = np.maximum(tokens[known], 1.0)
    if not len(observed):
        return np.full(columns.shape[1], np.nan), np.nan, np.nan, np.nan
    logs = np.log(observed)
    weights, left_out = _ridge(columns[known], logs)
    low, high = float(logs.min()), float(logs.max())
    smear = observed.sum() / np.exp(np.clip(left_out, low, high)).sum()
    return weights, low, high, float(smear)


def _ridge(columns: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return weights, shape (n_columns,), and predictions that left each row out, shape (n_rows,).

    The ridge is the one that predicts left-out rows best. With H the hat matrix, a row's prediction without it is
    ``y - (y - Hy) / (1 - h)``, so trying one costs two products.
    """
    n, mean = len(logs), float(logs.mean())
    weights = np.append(np.zeros(columns.shape[1] - 1), mean)
    if n < MIN_ROWS:
        return weights, np.full(n, mean)
    scales = sight(columns, BOTH)
    centre = columns[:, :-1].mean(axis=0)
    x, y = (columns[:, :-1] - centre) * scales, logs - mean
    powers, directions = np.linalg.eigh(x.T @ x)
    turned = x @ directions
    target, squares = turned.T @ y, turned**2
    errors = [_left_out_errors(turned, squares, target, y, powers + ridge) for ridge in RIDGES]
    best = int(np.argmin([np.square(each).mean() for each in errors]))
    slopes = directions @ (target / (powers + RIDGES[best])) * scales
    weights[:-1], weights[-1] = slopes, mean - centre @ slopes
    return weights, logs - errors[best]


def _left_out_errors(
    turned: FloatArray, squares: FloatArray, target: FloatArray, y: FloatArray, damped: FloatArray
) -> FloatArray:
    """Return what each row misses by when it is left out; the mean is left out with it, hence 1 / n."""
    leverage = np.minimum(squares @ (1 / damped) + 1 / len(y), 1 - 1e-9)
    missed: FloatArray = (y - turned @ (target / damped)) / (1 - leverage)
    return missed
