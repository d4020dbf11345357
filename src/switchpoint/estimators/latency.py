"""Latency: how long each model's answer to a query will take, in the middle case and in the slow one.

problem   a caller waits for the whole answer, and long answers take long; the mean says little, for waits have a tail
formula   seconds = (start + per_token · predicted output tokens) · ratio; ratio: the 50th or 90th percentile of
          observed over predicted
source    the line: Theil 1950, Sen 1968, the median of the slopes of pairs, which a quarter of outliers cannot bend
differs   neither slope nor start is below 0; beyond `MAX_PAIRS` pairs are drawn, always the same ones
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.core.record import Record
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.tokens import OutputTokens, restored, stored

MIN_ROWS = 8
"""Below this no slope is fitted: the median is all that can be said."""
MAX_PAIRS = 100_000


class Pace(NamedTuple):
    """How fast models are; each of shape (n_models,), NaN for one that was never timed.

    typical_tokens : the median length of its answers, which stands in where nothing is predicted.
    p50, p90 : percentiles of observed over predicted seconds.
    """

    start_s: FloatArray
    per_token_s: FloatArray
    typical_tokens: FloatArray
    p50: FloatArray
    p90: FloatArray

    def seconds(self, tokens: FloatArray) -> FloatArray:
        """Return the seconds on the line, shape (n_queries, n_models); tokens NaN where nothing is predicted."""
        return self.start_s + self.per_token_s * np.where(np.isnan(tokens), self.typical_tokens, tokens)


class Latency:
    """Predicts the median seconds of each model's whole answer; NaN for a model that was never timed.

    tokens : predicts the length of answers; fitted, and looked up by the id of the model. Where it is missing or knows
        nothing of a model, answers count as long as they usually are.
    """

    kind = "latency"

    def __init__(self, tokens: OutputTokens | None = None) -> None:
        self.tokens = tokens
        self._models: tuple[str, ...] = ()
        self._pace: Pace | None = None

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from `outcomes.latency_s` and, where they are known, `outcomes.output_tokens`."""
        shape, self._models = outcomes.quality.shape, outcomes.models
        seconds = np.full(shape, np.nan) if outcomes.latency_s is None else outcomes.latency_s
        counted = np.full(shape, np.nan) if outcomes.output_tokens is None else outcomes.output_tokens
        return self._learn(seconds.T, counted.T, self._expected(outcomes.queries).T)

    def fit_records(self, records: Iterable[Record], models: Sequence[str]) -> Self:
        """Learn from the answered attempts of records; those of other models are passed over.

        A record need not hold its query, so the spread is found around the true lengths of the answers.
        """
        self._models = tuple(models)
        timed = _timed(records, self._models)
        counted = [rows[:, 1] for rows in timed]
        return self._learn([rows[:, 0] for rows in timed], counted, counted)

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        self._fitted()
        return self._models

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict the median, in seconds, shape (n_queries, n_models)."""
        pace = self._fitted()
        return Prediction(mean=pace.seconds(self._expected(queries)) * pace.p50)

    def p90(self, queries: Sequence[Query]) -> FloatArray:
        """Return the seconds that nine answers of ten stay within, shape (n_queries, n_models)."""
        pace = self._fitted()
        return pace.seconds(self._expected(queries)) * pace.p90

    def state(self) -> State:
        """Return the pace, and the lines of `tokens` where there are some."""
        return stored(self.kind, self.models_, self.tokens, self._fitted()._asdict())

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError where its reader has changed."""
        made = cls(restored(artifact))
        made._models = artifact.manifest.models
        made._pace = Pace(*(artifact.tensors[name] for name in Pace._fields))
        return made

    def _learn(
        self, seconds: Iterable[FloatArray], counted: Iterable[FloatArray], expected: Iterable[FloatArray]
    ) -> Self:
        """Fit each model to observed seconds, counted tokens and the tokens that would be predicted; (n_rows,) each."""
        paces = [_fit(*each) for each in zip(seconds, counted, expected, strict=True)]
        self._pace = Pace(*np.array(paces, dtype=np.float64).reshape(-1, len(Pace._fields)).T)
        return self

    def _expected(self, queries: Sequence[Query]) -> FloatArray:
        """Return predicted tokens, shape (n_queries, n_models), NaN where nothing is predicted."""
        expected = np.full((len(queries), len(self._models)), np.nan)
        if self.tokens is not None:
            known = [model for model in self._models if model in self.tokens.models_]
            predicted = self.tokens.predict(queries).mean
            for model in known:
                expected[:, self._models.index(model)] = predicted[:, self.tokens.models_.index(model)]
        return expected

    def _fitted(self) -> Pace:
        if self._pace is None:
            raise NotFittedError(self)
        return self._pace


def _timed(records: Iterable[Record], models: Sequence[str]) -> list[FloatArray]:
    """Return seconds and output tokens of each model's answered attempts, shape (n_attempts, 2), NaN where unknown."""
    rows: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
    for attempt in (attempt for record in records for attempt in record.attempts):
        if attempt.answer is not None and attempt.answered and attempt.decision.model in rows:
            tokens = None if attempt.answer.usage is None else attempt.answer.usage.output_tokens
            rows[attempt.decision.model].append((attempt.latency_s, np.nan if tokens is None else tokens))
    return [np.array(each, dtype=np.float64).reshape(-1, 2) for each in rows.values()]


def _fit(seconds: FloatArray, counted: FloatArray, expected: FloatArray) -> tuple[float, float, float, float, float]:
    """Fit one model; returns the fields of `Pace`."""
    timed = ~np.isnan(seconds)
    if not timed.any():
        return (np.nan,) * 5
    both = timed & ~np.isnan(counted)
    # Without a length of any answer it does not matter which one stands in: the slope is 0.
    typical = float(np.median(counted[both])) if both.any() else 0.0
    start, slope = (
        _line(counted[both], seconds[both]) if both.sum() >= MIN_ROWS else (float(np.median(seconds[timed])), 0.0)
    )
    predicted = start + slope * np.where(np.isnan(expected[timed]), typical, expected[timed])
    # An upstream that answers at once leaves no line to be a multiple of.
    ratios = seconds[timed] / predicted if (predicted > 0).all() else np.ones(1)
    p50, p90 = np.quantile(ratios, (0.5, 0.9))
    return start, slope, typical, float(p50), float(p90)


def _line(tokens: FloatArray, seconds: FloatArray) -> tuple[float, float]:
    """Return start and slope of the robust line through (tokens, seconds), neither below 0."""
    n = len(tokens)
    first, second = (
        np.triu_indices(n, 1)
        if n * (n - 1) // 2 <= MAX_PAIRS
        else np.random.default_rng(0).integers(0, n, size=(2, MAX_PAIRS))
    )
    apart = tokens[second] != tokens[first]
    rises = (seconds[second] - seconds[first])[apart] / (tokens[second] - tokens[first])[apart]
    slope = max(float(np.median(rises)), 0.0) if len(rises) else 0.0
    start = float(np.median(seconds - slope * tokens))
    if start < 0:  # then the line goes through the origin
        start, slope = 0.0, float(np.median(seconds / np.maximum(tokens, 1.0)))
    return start, slope
