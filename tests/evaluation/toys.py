"""Toy outcomes and estimators, and where the recorded outcomes lie."""

import os
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query

WEAK, STRONG = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"


def make_outcomes(quality, cost_usd=None, models=None, texts=None, name="toy"):
    quality = np.asarray(quality, dtype=float)
    cost = np.full(quality.shape, np.nan) if cost_usd is None else np.broadcast_to(cost_usd, quality.shape)
    texts = texts or [f"question {i}" for i in range(len(quality))]
    return Outcomes(
        queries=tuple(Query.of(text, id=f"q{i}") for i, text in enumerate(texts)),
        models=tuple(models or [f"m{j}" for j in range(quality.shape[1])]),
        quality=quality,
        cost_usd=np.array(cost, dtype=float),
        domains=("toy",) * len(quality),
        name=name,
    )


class Table:
    """An estimator that knows a prediction for each query id."""

    def __init__(self, outcomes, mean, novelty=None):
        self.models_ = outcomes.models
        self.mean = dict(zip([query.id for query in outcomes.queries], np.asarray(mean, dtype=float), strict=True))
        self.novelty = novelty

    def predict(self, queries):
        novelty = None if self.novelty is None else np.full(len(queries), self.novelty)
        return Prediction(mean=np.array([self.mean[query.id] for query in queries]), novelty=novelty)


def recorded(folder):
    """The folder of recorded outcomes of this name; skips the test where they are absent."""
    root = Path(os.environ.get("SWITCHPOINT_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (root / folder).is_dir():
        pytest.skip(f"recorded outcomes {folder} are not at {root}; set SWITCHPOINT_DATA to their folder")
    return root / folder
