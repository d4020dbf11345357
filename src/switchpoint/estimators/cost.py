"""What an answer would cost by list prices, before anything is known; observed bills are `mean.MeanCost`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Self

import numpy as np

from switchpoint.core.estimate import Prediction
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.estimators.artifact import Artifact, State


class ListPriceCost:
    """List prices times the estimated input and the expected output; the vectorised `Model.expected_cost_usd`.

    Needs no fitting. NaN where a price is unknown.
    """

    kind = "list_price"

    def __init__(self, models: Sequence[Model]) -> None:
        self.models_ = tuple(model.id for model in models)
        self._per_token_usd = np.array([_per_token_usd(model) for model in models], dtype=np.float64)
        self._fixed_usd = np.array([_output_usd(model) for model in models], dtype=np.float64)

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict USD, shape (n_queries, n_models)."""
        tokens = np.array([query.input_tokens for query in queries], dtype=np.float64)
        return Prediction(mean=tokens[:, None] * self._per_token_usd + self._fixed_usd)

    def state(self) -> State:
        """Return the prices."""
        tensors = {"per_token_usd": self._per_token_usd, "fixed_usd": self._fixed_usd}
        return State(kind=self.kind, models=self.models_, tensors=tensors)

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        found = cls(())
        found.models_ = artifact.manifest.models
        found._per_token_usd = artifact.tensors["per_token_usd"]
        found._fixed_usd = artifact.tensors["fixed_usd"]
        return found


def _per_token_usd(model: Model) -> float:
    return _usd(model.input_usd_per_mtok, model.samples)


def _output_usd(model: Model) -> float:
    return _usd(model.output_usd_per_mtok, model.samples * model.output_tokens)


def _usd(usd_per_mtok: Decimal | None, tokens: int) -> float:
    return float("nan") if usd_per_mtok is None else float(usd_per_mtok * tokens) / 1e6
