"""PromptLength: the longer the prompt, the stronger the model. The baseline that every learned router must beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from switchpoint.core.errors import ConfigError, NotFittedError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.artifact import Artifact, State

REFERENCE_CHARS = (50, 72, 96, 121, 142, 160, 179, 200, 222, 246, 272, 308, 348, 390, 434, 512, 698, 1043, 1486)
"""Lengths that 5 %, 10 %, … 95 % of the bundled router's training texts stay under, until it is fitted to others."""
LONGEST_CHARS = 10_000_000


class PromptLength:
    """Predicts ``1 - |ability - F(length)|``, with F the share of the reference queries that are shorter.

    Each model is best at the length that suits its ability; between the weakest and the strongest the order is that of
    the length itself, and the strong one's win rate is F. A score, not a probability.

    ability : shape (n_models,), in [0, 1]; by default in the order of the models, the first weakest.
    lengths : sorted lengths of reference queries in characters.
    """

    kind = "prompt_length"

    def __init__(
        self,
        models: Sequence[str] = (),
        ability: FloatArray | None = None,
        lengths: FloatArray | Sequence[int] = REFERENCE_CHARS,
    ) -> None:
        self._models = tuple(models)
        self._ability = np.linspace(0, 1, len(self._models)) if ability is None else np.clip(ability, 0, 1)
        self._lengths = np.sort(np.asarray(lengths, dtype=np.float64))

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn the lengths, and the abilities: where each mean quality lies between the lowest and the highest."""
        quality = np.nan_to_num(outcomes.mean_quality(), nan=0.5)
        low, high = quality.min(), quality.max()
        self._models = outcomes.models
        self._ability = (quality - low) / (high - low) if high > low else np.ones(len(quality))
        self._lengths = np.sort([float(len(query.full_text)) for query in outcomes.queries])
        return self

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        if not self._models:
            raise NotFittedError(self)
        return self._models

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict shape (n_queries, n_models)."""
        ability = self._ability[: len(self.models_)]
        lengths = np.array([float(len(query.full_text)) for query in queries])
        # Longer counts for more everywhere, also between the reference lengths and beyond the last of them.
        known = np.log1p([0.0, *self._lengths, LONGEST_CHARS])
        shorter = np.interp(np.log1p(lengths), known, np.linspace(0, 1, len(known)))
        return Prediction(mean=1 - np.abs(ability - shorter[:, None]))

    def gap_quantile(self, strong_share: float) -> float:
        """Return the gap between the strongest and the weakest model that `strong_share` of the references reach."""
        if not 0 <= strong_share <= 1:
            raise ConfigError(f"strong_share must be in [0, 1]. Got {strong_share!r}.")
        shorter = 1 - strong_share
        return float(abs(self._ability.min() - shorter) - abs(self._ability.max() - shorter))

    def state(self) -> State:
        """Return the abilities and the lengths."""
        tensors = {"ability": self._ability, "lengths": self._lengths}
        return State(kind=self.kind, models=self.models_, tensors=tensors)

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        return cls(artifact.manifest.models, artifact.tensors["ability"], artifact.tensors["lengths"])
