"""Stacking: how several members become one estimator.

Few rows cannot carry fitted weights (on 434 of them one member takes all), so an ensemble averages unless it is told to
weigh; fitted weights are never negative, and all zero, which is each model's mean, where the members do not win.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from switchpoint.core.query import FloatArray


class Ensemble(NamedTuple):
    """Members that are heard together.

    members : kinds. fitted : whether their weights are fitted to predictions of rows that they had not seen.
    """

    members: tuple[str, ...]
    summary: str = ""
    fitted: bool = False

    def weigh(self, held_out: FloatArray, quality: FloatArray) -> FloatArray:
        """Return the weight of each member, shape (n_members,), 0 or more.

        held_out : logits of rows that the members had not seen, shape (n_members, n_queries, n_models).
        """
        return np.full(len(self.members), 1 / len(self.members))


ENSEMBLES: dict[str, Ensemble] = {}
"""Every ensemble by its kind."""
