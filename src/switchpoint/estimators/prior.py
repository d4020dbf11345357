"""MeanQuality: the estimator that ignores the query. Whatever beats it has learned something from the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State


class MeanQuality:
    """Predicts the same quality for every query.

    models, quality : what is already known, shape (n_models,); or fit it.
    """

    kind = "mean_quality"

    def __init__(self, models: Sequence[str] = (), quality: FloatArray | None = None) -> None:
        self._models = tuple(models)
        self._quality: FloatArray | None = quality

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn the mean observed quality of each model; NaN for one that was never observed."""
        self._models, self._quality = outcomes.models, outcomes.mean_quality()
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
        return State(kind=self.kind, models=self.models_, tensors={"quality": self._fitted()})

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        return cls(artifact.manifest.models, artifact.tensors["quality"])

    def _fitted(self) -> FloatArray:
        if self._quality is None:
            raise NotFittedError(self)
        return self._quality
