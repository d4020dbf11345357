"""RouteLLM's factorisation: the collapsed form is the same function, and training follows the published loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.estimators.battles import Battles
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.routellm import Collapsed, Weights, slope
from tests.estimators.test_factors import make_reading


def make_weights(seed: int, n_models: int = 3, width: int = 5, dim: int = 4) -> Weights:
    rng = np.random.default_rng(seed)
    return Weights(*(rng.normal(size=shape) for shape in ((n_models, width), (width,), (width, dim))))


def loss(weights: Weights, vectors: np.ndarray, winner: np.ndarray, loser: np.ndarray) -> float:
    lead = weights.strength(winner, vectors) - weights.strength(loser, vectors)
    return float(-np.log(sigmoid(lead)).mean())


@given(seed=st.integers(0, 2**32 - 1))
def test_the_collapsed_form_is_the_published_function(seed: int) -> None:
    weights, vectors = make_weights(seed), np.random.default_rng(seed).normal(size=(6, 4))
    strong, weak = np.full(6, 0), np.full(6, 2)

    published = weights.strength(strong, vectors) - weights.strength(weak, vectors)

    u = weights.collapse()
    assert vectors @ (u[:, 0] - u[:, 2]) == pytest.approx(published, abs=1e-9)


def test_the_slope_is_that_of_the_loss() -> None:
    weights, vectors = make_weights(1), np.random.default_rng(2).normal(size=(7, 4))
    winner, loser = np.array([0, 1, 2, 0, 1, 2, 0]), np.array([1, 2, 0, 2, 0, 1, 1])
    found = slope(weights, vectors, winner, loser)
    for part, gradient in zip(weights, found, strict=True):
        for place in np.ndindex(part.shape):
            part[place] += 1e-6
            above = loss(weights, vectors, winner, loser)
            part[place] -= 2e-6
            below = loss(weights, vectors, winner, loser)
            part[place] += 1e-6
            assert (above - below) / 2e-6 == pytest.approx(gradient[place], abs=1e-6)


def test_the_length_of_a_models_vector_does_not_matter() -> None:
    weights = make_weights(3)

    longer = weights._replace(models=weights.models * [[2.0], [5.0], [0.1]])

    assert longer.collapse() == pytest.approx(weights.collapse())


def test_a_model_that_wins_on_one_kind_of_text_is_preferred_there() -> None:
    reading = make_reading(800)
    first = (reading.vectors[:, 0] > 0).astype(float)

    p = Collapsed.fit(reading, np.stack([first, 1 - first], axis=1), epochs=30).predict(reading)

    assert ((p[:, 0] > 0.5) == (first == 1)).mean() > 0.85


def test_ties_teach_nothing() -> None:
    reading = make_reading(50)
    battles = Battles(np.zeros(50, int), np.ones(50, int), np.full(50, 0.5), 2)

    assert (Collapsed.fit_preferences(reading, battles).predict(reading) == 0.5).all()
    assert (Collapsed.fit(reading, np.ones((50, 2))).predict(reading) == 0.5).all()


def test_outcomes_and_the_battles_between_them_train_the_same_member() -> None:
    reading = make_reading(60)
    quality = np.random.default_rng(0).integers(0, 2, (60, 2)).astype(float)
    battles = Battles(np.zeros(60, int), np.ones(60, int), (1 + quality[:, 0] - quality[:, 1]) / 2, 2)

    assert (Collapsed.fit(reading, quality).vectors == Collapsed.fit_preferences(reading, battles).vectors).all()
