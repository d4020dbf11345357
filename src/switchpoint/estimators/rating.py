"""RatedQuality: quality from one number that was found out about the query before deciding, such as a rating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.logistic import fit_logistic, sigmoid

EDGE = 0.01
"""Signals are read between this and one minus this: nobody who rates is ever surer."""
C = 1.0
"""Inverse ridge of the slope."""
STRONG_LOGIT = 3.0
"""A model that is stated to be strong is taken to be right on 95 % of the queries, whatever their rating."""


class RatedQuality:
    """Predicts ``sigmoid(slope · log-odds of the signal + intercept)``: a line for each model.

    signal : its name in `Query.signals`, part of what was learned: a line fitted to one rater never reads another.
    slope, intercept : shape (n_models,).
    mean : shape (n_models,), in [0, 1]: predicted for queries without the signal, whose novelty is 1. With the signal
        the novelty is 0, because whoever rated has read the query and does not say how far it is from others.

    Source: causal_llm of RouteLLM (Ong et al. 2024), whose score is the rating itself. Differs: a line per model turns
    it into a quality, so that any number of models and prices can be weighed.
    """

    kind = "rated"

    def __init__(
        self,
        signal: str = "",
        models: Sequence[str] = (),
        slope: FloatArray | None = None,
        intercept: FloatArray | None = None,
        mean: FloatArray | None = None,
    ) -> None:
        self.signal = signal
        self._models = tuple(models)
        flat = np.zeros(len(self._models))
        self._slope = flat if slope is None else slope
        self._intercept = flat if intercept is None else intercept
        self._mean = sigmoid(self._intercept) if mean is None else mean

    @classmethod
    def stated(cls, signal: str, models: Sequence[str], ability: FloatArray) -> Self:
        """Make one without outcomes, from abilities, shape (n_models,), in [0, 1].

        The signal is taken at its word for the weak model and means nothing for the strong one; a model between them
        stands between them. A score to order queries by, not a probability.
        """
        ability = np.clip(np.asarray(ability, dtype=np.float64), 0.0, 1.0)
        return cls(signal, models, slope=1.0 - ability, intercept=STRONG_LOGIT * ability)

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn the lines from the queries that carry the signal, the means from all.

        A model without any outcome gets one half; without a signal anywhere there is no line, only the mean.
        """
        x, quality = self._log_odds(outcomes.queries), outcomes.quality
        lines = np.array([_line(x, column) for column in quality.T]).reshape(-1, 2)
        self._models = outcomes.models
        self._slope, self._intercept = lines.T
        self._mean = np.nan_to_num(outcomes.mean_quality(), nan=0.5)
        return self

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        if not self._models:
            raise NotFittedError(self)
        return self._models

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict shape (n_queries, n_models)."""
        shape = (len(queries), len(self.models_))
        x = self._log_odds(queries)[:, None]
        known = ~np.isnan(x)
        lines = sigmoid(np.where(known, x, 0.0) * self._slope + self._intercept)
        mean = np.where(known, lines, self._mean).reshape(shape)
        return Prediction(mean=mean, novelty=np.where(known[:, 0], 0.0, 1.0))

    def state(self) -> State:
        """Return the lines, the means, and the name of the signal that they read."""
        tensors = {"slope": self._slope, "intercept": self._intercept, "mean": self._mean}
        return State(kind=self.kind, models=self.models_, settings={"signal": self.signal}, tensors=tensors)

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        return cls(artifact.manifest.settings["signal"], artifact.manifest.models, **artifact.tensors)

    def _log_odds(self, queries: Sequence[Query]) -> FloatArray:
        """Log-odds of the signal, shape (n_queries,); NaN where it is absent."""
        found = np.array([query.signals.get(self.signal, np.nan) for query in queries], dtype=np.float64)
        p = np.clip(found, EDGE, 1.0 - EDGE)
        log_odds: FloatArray = np.log(p / (1.0 - p))
        return log_odds


def _line(x: FloatArray, quality: FloatArray) -> tuple[float, float]:
    """Slope and intercept of one model on the rows where both numbers are known."""
    known = ~np.isnan(x) & ~np.isnan(quality)
    slopes, intercept = fit_logistic(x[known, None], quality[known], c=C)
    return float(slopes[0]), intercept
