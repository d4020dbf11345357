"""Outcomes: what is known about models on queries; Preferences: who won. Both are what estimators learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from switchpoint.core.errors import DataError, UnknownModel
from switchpoint.core.query import BoolArray, FloatArray, IntArray, Query

MEASURED = ("input_tokens", "output_tokens", "latency_s", "confidence")
"""What else may be known of an answer; confidence is the geometric mean of its tokens' probabilities."""

ObjectArray = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Observed quality and cost of models on queries; rows follow `queries`, columns follow `models`.

    quality : shape (n_queries, n_models), in [0, 1]; NaN is not observed, never zero.
    cost_usd : shape (n_queries, n_models); NaN is unknown.
    input_tokens, output_tokens, latency_s, confidence : of the answers, shape (n_queries, n_models), NaN is unknown;
        None where nothing is known of any.
    responses : texts of the answers, None where not recorded, shape (n_queries, n_models); None where none was read.
    domains : shape (n_queries,), the subject or source of each query; may be all the same.
    name : what the outcomes are of, for reports.
    """

    queries: tuple[Query, ...]
    models: tuple[str, ...]
    quality: FloatArray
    cost_usd: FloatArray
    domains: tuple[str, ...]
    name: str = "outcomes"
    input_tokens: FloatArray | None = None
    output_tokens: FloatArray | None = None
    latency_s: FloatArray | None = None
    confidence: FloatArray | None = None
    responses: ObjectArray | None = None

    def __post_init__(self) -> None:
        shape = (len(self.queries), len(self.models))
        for column, values in self.measured().items():
            if values.shape != shape:
                raise DataError(
                    f"{self.name}: {column} {values.shape} does not fit {shape[0]} queries and {shape[1]} models."
                )
        if self.responses is not None and self.responses.shape != shape:
            raise DataError(
                f"{self.name}: responses {self.responses.shape} do not fit {shape[0]} x {shape[1]} outcomes."
            )
        if self.quality.shape != shape or self.cost_usd.shape != shape or len(self.domains) != shape[0]:
            raise DataError(
                f"{self.name}: quality {self.quality.shape}, cost {self.cost_usd.shape} and {len(self.domains)} "
                f"domains do not fit {shape[0]} queries and {shape[1]} models."
            )

    def __len__(self) -> int:
        return len(self.queries)

    def measured(self) -> dict[str, Any]:
        """Return the arrays of those of `MEASURED` of which something is known, by name."""
        found = {name: getattr(self, name) for name in MEASURED}
        return {name: values for name, values in found.items() if values is not None}

    @property
    def written(self) -> BoolArray:
        """Where the text of the answer is known, shape (n_queries, n_models)."""
        if self.responses is None:
            return np.zeros(self.quality.shape, dtype=bool)
        found = np.array([text is not None for text in self.responses.ravel()], dtype=bool)
        return found.reshape(self.quality.shape)

    def take(self, rows: IntArray | Sequence[int]) -> Outcomes:
        """Return these rows, in this order; a row may be taken twice."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            queries=tuple(self.queries[i] for i in index),
            domains=tuple(self.domains[i] for i in index),
            quality=self.quality[index],
            cost_usd=self.cost_usd[index],
            responses=None if self.responses is None else self.responses[index],
            **{name: values[index] for name, values in self.measured().items()},
        )

    def of(self, models: Sequence[str]) -> Outcomes:
        """Return the columns of these models, in this order; raises UnknownModel for one that is missing."""
        columns = [self.column(model) for model in models]
        return replace(
            self,
            models=tuple(models),
            quality=self.quality[:, columns],
            cost_usd=self.cost_usd[:, columns],
            responses=None if self.responses is None else self.responses[:, columns],
            **{name: values[:, columns] for name, values in self.measured().items()},
        )

    def column(self, model: str) -> int:
        """Return the column of a model; raises UnknownModel, which names the nearest one."""
        try:
            return self.models.index(model)
        except ValueError:
            raise UnknownModel(model, self.models) from None

    def mean_quality(self) -> FloatArray:
        """Mean observed quality of each model, shape (n_models,); NaN for a model without any."""
        return _nanmean(self.quality)

    def mean_cost_usd(self) -> FloatArray:
        """Mean known cost of each model, shape (n_models,); NaN for a model without any."""
        return _nanmean(self.cost_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """Battles: for query i, `result[i]` is 1 if model `a[i]` won, 0 if `b[i]` won, 0.5 for a tie."""

    queries: tuple[Query, ...]
    a: tuple[str, ...]
    b: tuple[str, ...]
    result: FloatArray


def _nanmean(values: FloatArray) -> FloatArray:
    counts = (~np.isnan(values)).sum(axis=0)
    sums = np.nansum(values, axis=0)
    means: FloatArray = np.divide(sums, counts, out=np.full(values.shape[1], np.nan), where=counts > 0)
    return means
