"""What every estimator that was fitted on outcomes keeps, and how its predictions fade far from them."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import numpy as np

from switchpoint.core.errors import NotFittedError
from switchpoint.core.query import FloatArray

TRUSTED = 0.5
"""Up to this novelty a prediction stands; from here to 1 it goes back, in a line, to the mean of each model."""


class Kept(Protocol):
    """All that fitting leaves behind, the bills among it."""

    @property
    def mean_cost_usd(self) -> FloatArray:
        """Mean known cost of each model's answers, shape (n_models,); NaN is unknown."""
        ...


K = TypeVar("K", bound=Kept)


class OnOutcomes(Generic[K]):
    """Holds the models and what fitting left behind; before that it says so."""

    def __init__(self) -> None:
        self._models: tuple[str, ...] = ()
        self._fit: K | None = None

    @property
    def models_(self) -> tuple[str, ...]:
        """The columns of a prediction; raises NotFittedError."""
        self._fitted()
        return self._models

    @property
    def mean_cost_usd_(self) -> FloatArray:
        """Mean known cost of each model's answers, shape (n_models,); NaN is unknown."""
        return self._fitted().mean_cost_usd

    def _fitted(self) -> K:
        if self._fit is None:
            raise NotFittedError(self)
        return self._fit


def faded(mean: FloatArray, prior: FloatArray, novelty: FloatArray) -> FloatArray:
    """Return predictions, shape (n_queries, n_models), that go back to `prior`, shape (n_models,), with the novelty."""
    doubt = np.clip((novelty - TRUSTED) / (1 - TRUSTED), 0, 1)[:, None]
    result: FloatArray = mean + doubt * (prior - mean)
    return result
