"""Baselines: what every router is compared with, run through the same evaluation.

The cheapest and the best single model ignore the query; so does a random choice, made here. Prompt length looks at one
number: `switchpoint.estimators.length`. The oracle is `switchpoint.evaluation.metrics.best_columns`.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, interval
from switchpoint.evaluation.curve import two_model_curve
from switchpoint.evaluation.metrics import apgr


class ByDraw:
    """A number drawn from the query's id and the model's name: random, and the same every time."""

    def __init__(self, models: Sequence[str]) -> None:
        self.models_ = tuple(models)

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Return uniform numbers in [0, 1)."""
        drawn = [[_drawn(query.id, model) for model in self.models_] for query in queries]
        return Prediction(mean=np.array(drawn).reshape(len(queries), len(self.models_)))


def best_single(train: Outcomes) -> str:
    """Return the model of the highest mean quality, ties to the cheaper; chosen on training outcomes only.

    Raises DataError when nothing is observed.
    """
    quality = train.mean_quality()
    if np.isnan(quality).all():
        raise DataError(f"{train.name}: no outcome is observed, so no model is the best.")
    cost = np.nan_to_num(train.mean_cost_usd(), nan=np.inf)
    best = np.lexsort((cost, -np.nan_to_num(quality, nan=-1.0)))[0]
    return train.models[int(best)]


def cheapest(models: Sequence[str], cost_usd: FloatArray) -> str | None:
    """Return the model of the lowest mean cost, shape (n_models,); None where any cost is unknown."""
    return None if np.isnan(cost_usd).any() else models[int(cost_usd.argmin())]


def random_apgr(weak: FloatArray, strong: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Return what a router that draws the order reaches: 0.5 expected, and the range of its luck on these queries.

    Both of shape (n_queries,). Any APGR inside the range may be luck too.
    """
    random = np.random.default_rng(seed)
    scores = (random.random(len(weak)) for _ in range(resamples))
    draws = np.array([apgr(two_model_curve(score, weak, strong)) for score in scores])
    expected = float(apgr(two_model_curve(np.zeros(len(weak)), weak, strong)))
    return interval(expected, draws)


def _drawn(query_id: str, model: str) -> float:
    digest = blake2b(f"{query_id}\0{model}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
