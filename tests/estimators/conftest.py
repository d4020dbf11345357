"""Outcomes made up for these tests: two models, of which the weak one fails on what looks like mathematics."""

import numpy as np
import pytest

from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.bundled import Bundled

EASY = ("Which city is the capital of {}?", "Who wrote the novel about {}?", "Say something kind about {}.")
HARD = ("Compute {} * 17 + 3^2.", "Solve for x: {}x - 4 = 12.", "What is the integral of x^{} from 0 to 1?")


def make_outcomes(n: int = 120, models: tuple[str, ...] = ("small", "large"), seed: int = 0) -> Outcomes:
    random = np.random.default_rng(seed)
    hard = np.arange(n) % 2 == 1
    texts = [(HARD if h else EASY)[i % 3].format(random.integers(1000)) for i, h in enumerate(hard)]
    chance = np.stack([np.where(hard, 0.15, 0.9), *[np.full(n, 0.9)] * (len(models) - 1)], axis=1)
    return Outcomes(
        queries=tuple(Query.of(text, id=str(i)) for i, text in enumerate(texts)),
        models=models,
        quality=(random.random(chance.shape) < chance).astype(float),
        cost_usd=np.tile(np.arange(1.0, len(models) + 1) / 1000, (n, 1)),
        domains=tuple("maths" if h else "chat" for h in hard),
        name="made up",
    )


def make_model(name: str, **fields: object) -> Model:
    return Model(id=name, upstream="fake", upstream_model=name, **fields)


@pytest.fixture(scope="session")
def outcomes() -> Outcomes:
    return make_outcomes()


@pytest.fixture(scope="session")
def bundled() -> Bundled:
    return Bundled.load()
