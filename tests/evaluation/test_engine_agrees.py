"""Evaluation scores choices in bulk; the deployed loop over recorded answers must come to the same, query by query."""

import math
from functools import partial

import numpy as np
import pytest

from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.estimators.mean import MeanCost
from switchpoint.evaluation.replay import choose, estimates, played, replay
from switchpoint.routers.policies import Explore, MaxUtility, StrongIfWorth
from switchpoint.routers.router import Router
from switchpoint.upstreams.replay import Replay
from tests.doubles import Table

MODELS = ("mini", "mid", "big")
RANDOM = np.random.default_rng(0)
QUERIES = tuple(Query.of(f"question {n}") for n in range(60))
OUTCOMES = Outcomes(
    queries=QUERIES,
    models=MODELS,
    quality=RANDOM.integers(0, 2, size=(60, 3)).astype(float),
    cost_usd=RANDOM.uniform(0.001, 0.01, size=(60, 3)),
    domains=("toy",) * 60,
)
QUALITY = Table(MODELS, [0, 0, 0], **{q.text: row for q, row in zip(QUERIES, RANDOM.random((60, 3)), strict=True)})
COST = MeanCost(MODELS, OUTCOMES.mean_cost_usd())


def engine() -> Engine:
    rows = (
        {"model": model, "text": query.text, "response": "", "cost_usd": OUTCOMES.cost_usd[i, j]}
        for i, query in enumerate(QUERIES)
        for j, model in enumerate(MODELS)
    )
    catalog = Catalog(Model(id=model, upstream="replay", upstream_model=model) for model in MODELS)
    upstreams = {"replay": Replay.from_rows(rows)}
    return Engine(catalog=catalog, upstreams=upstreams, sink=lambda record: None, default_model="big")


@pytest.mark.parametrize(
    "policy",
    [
        MaxUtility(0.0),
        MaxUtility(0.01),
        MaxUtility(math.inf),
        StrongIfWorth("mini", "big", 0.6),
        Explore(MaxUtility(0.01), 0.3),
    ],
    ids=str,
)
async def test_scoring_choices_in_bulk_equals_running_the_engine_over_the_recording(policy) -> None:
    running = engine()
    router = Router("r", running.catalog, QUALITY, COST, policy)
    seen = estimates(QUALITY.predict(QUERIES), OUTCOMES, OUTCOMES.mean_cost_usd())

    bulk = played(OUTCOMES, choose(policy, seen))
    ran = await replay(partial(running.run, router), OUTCOMES)

    np.testing.assert_array_equal(bulk.columns, ran.columns)
    np.testing.assert_allclose(bulk.quality, ran.quality)
    np.testing.assert_allclose(bulk.cost_usd, ran.cost_usd)
