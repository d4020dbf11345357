"""Reading: what is read of a batch of queries, once, for every member that learns or predicts from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.static import N_SURFACE


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows are queries.

    texts : the routed text of each.
    columns : vector, surface and a 1 of each, shape (n_queries, n_columns), as a reader makes them.
    kinds : the domain of each where it is known, which is in training only; else empty.
    cost_usd : what each model's answer cost, shape (n_queries, n_models), NaN is unknown; in training only, else None.
    """

    texts: tuple[str, ...]
    columns: FloatArray
    kinds: tuple[str, ...] = ()
    cost_usd: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def vectors(self) -> FloatArray:
        """Embeddings, shape (n_queries, dim), rows of norm 1 or 0."""
        return self.columns[:, : -1 - N_SURFACE]

    @property
    def surface(self) -> FloatArray:
        """Standardised lexical features, shape (n_queries, N_SURFACE); see `lexical.NAMES`."""
        return self.columns[:, -1 - N_SURFACE : -1]

    def take(self, rows: IntArray | BoolArray | Sequence[int]) -> Reading:
        """Return these rows, in this order."""
        index = np.arange(len(self.columns))[np.asarray(rows)]
        kinds = tuple(self.kinds[i] for i in index) if self.kinds else ()
        cost_usd = None if self.cost_usd is None else self.cost_usd[index]
        return Reading(tuple(self.texts[i] for i in index), self.columns[index], kinds, cost_usd)
