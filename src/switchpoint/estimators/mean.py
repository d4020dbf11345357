"""Means: estimators that ignore the query. Whatever beats them has learned something from the text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State


class Mean(ABC):
    """Predicts the same for every query: what was observed of each model on average.

    models, means : what is already known, shape (n_models,), NaN is unknown; or fit it.
    """

    kind: ClassVar[str]

    def __init__(self, models: Sequence[str] = (), means: FloatArray | None = None) -> None:
        self._models = tuple(models)
        self._means: FloatArray | None = None if means is None else np.asarray(means, dtype=np.float64)

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn the mean of each model; NaN for one that was never observed."""
        self._models, self._means = outcomes.models, self._observed(outcomes)
        return self

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        self._fitted()
        return self._models

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict shape (n_queries, n_models), every row the same."""
        return Prediction(mean=np.tile(self._fitted(), (len(queries), 1)))

    def state(self) -> State:
        """Return the means."""
        return State(kind=self.kind, models=self.models_, tensors={"means": self._fitted()})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        return cls(artifact.manifest.models, artifact.tensors["means"])

    @staticmethod
    @abstractmethod
    def _observed(outcomes: Outcomes) -> FloatArray: ...

    def _fitted(self) -> FloatArray:
        if self._means is None:
            raise NotFittedError(self)
        return self._means


class MeanQuality(Mean):
    """Predicts the mean observed quality of each model, in [0, 1]."""

    kind = "mean_quality"

    @staticmethod
    def _observed(outcomes: Outcomes) -> FloatArray:
        return outcomes.mean_quality()


class MeanCost(Mean):
    """Predicts what a model's answers have cost on average, in USD."""

    kind = "mean_cost"

    @staticmethod
    def _observed(outcomes: Outcomes) -> FloatArray:
        return outcomes.mean_cost_usd()
