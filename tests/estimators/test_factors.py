"""Factors: it recovers abilities, borrows between models, learns from battles, and takes in new models cheaply."""

import numpy as np
import pytest

from switchpoint.estimators.battles import Battles
from switchpoint.estimators.factors import Factors
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import N_SURFACE

DIM = 8


def make_reading(n: int, seed: int = 0) -> Reading:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = np.hstack([vectors, np.zeros((n, N_SURFACE)), np.ones((n, 1))]).astype(np.float32)
    return Reading(("",) * n, columns)


def true_logits(reading: Reading) -> np.ndarray:
    """Two models that are good at opposite things, and one that is a little of both; some texts are hard for all."""
    trait, hard = reading.vectors[:, 0], reading.vectors[:, 1]
    return np.stack([8 * trait, -8 * trait, 0 * trait], axis=1) - 6 * hard[:, None] + [0.5, 0.0, -0.5]


def draw(logits: np.ndarray, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)


@pytest.fixture(scope="module")
def reading() -> Reading:
    return make_reading(3000)


@pytest.fixture(scope="module")
def fitted(reading: Reading) -> Factors:
    return Factors.fit(reading, draw(true_logits(reading)), ridge=5.0, trace=5.0)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_the_formula_is_bias_plus_ability_times_traits_minus_difficulty() -> None:
    row = Reading(("",), np.append(np.zeros(N_SURFACE + 2), 1.0)[None].astype(np.float32))
    row.columns[0, 0] = 1.0
    traits, difficulty = np.zeros((N_SURFACE + 3, 2)), np.zeros(N_SURFACE + 3)
    traits[0], difficulty[0], difficulty[-1] = [2.0, -1.0], 0.5, 0.25

    p = Factors(np.array([0.1, -0.3]), np.array([[1.0, 0.5], [0.0, 2.0]]), traits, difficulty).predict(row)

    assert np.log(p / (1 - p))[0] == pytest.approx([0.1 + 1.5 - 0.75, -0.3 - 2.0 - 0.75])


def test_abilities_and_difficulty_are_recovered(fitted: Factors) -> None:
    fresh = make_reading(500, seed=5)
    p = fitted.predict(fresh)

    logits, truth = np.log(p / (1 - p)), true_logits(fresh)

    assert correlation(logits[:, 0] - logits[:, 1], truth[:, 0] - truth[:, 1]) > 0.97
    assert correlation(fresh.columns @ fitted.difficulty, fresh.vectors[:, 1]) > 0.95


def test_a_model_with_few_outcomes_borrows_what_is_hard_from_the_others(reading: Reading) -> None:
    quality = draw(true_logits(reading))
    quality[10:, 2] = np.nan

    together = Factors.fit(reading, quality, ridge=5.0, trace=5.0).predict(reading)[:, 2]
    alone = Factors.fit(reading, quality[:, [2]], ridge=5.0, trace=5.0).predict(reading)[:, 0]

    easy = -reading.vectors[:, 1]
    assert correlation(together, easy) > correlation(alone, easy) + 0.2


def test_battles_recover_the_differences(reading: Reading) -> None:
    rng, logits = np.random.default_rng(3), true_logits(reading)
    a = rng.integers(0, 3, len(reading))
    b = (a + rng.integers(1, 3, len(reading))) % 3
    rows = np.arange(len(reading))
    won = draw((logits[rows, a] - logits[rows, b])[:, None])[:, 0]

    p = Factors.fit_preferences(reading, Battles(a, b, won, 3), ridge=5.0, trace=5.0).predict(reading)

    found = np.log(p / (1 - p))
    assert found.mean(axis=1) == pytest.approx(0, abs=1e-3)
    assert correlation(found[:, 0] - found[:, 1], logits[:, 0] - logits[:, 1]) > 0.95


def test_ties_alone_make_models_equal(reading: Reading) -> None:
    n = len(reading)

    battles = Battles(np.zeros(n, int), np.ones(n, int), np.full(n, 0.5), 2)

    assert Factors.fit_preferences(reading, battles).predict(reading) == pytest.approx(0.5, abs=1e-4)


def test_a_model_joins_from_tens_of_outcomes_and_leaves_the_others_as_they_were(fitted: Factors) -> None:
    few, fresh = make_reading(60, seed=7), make_reading(500, seed=8)
    own = true_logits(few)[:, 0]

    wider = fitted.join(few, draw(own[:, None])[:, 0])

    assert (wider.predict(fresh)[:, :3] == fitted.predict(fresh)).all()
    assert correlation(wider.predict(fresh)[:, 3], true_logits(fresh)[:, 0]) > 0.8


@pytest.mark.parametrize(("ability", "like"), [(0.0, 2), (1.0, 0)])
def test_a_model_without_outcomes_stands_where_it_is_said_to_stand(fitted: Factors, ability: float, like: int) -> None:
    fresh = make_reading(50, seed=9)

    wider = fitted.join(make_reading(0), np.zeros(0), ability)

    assert wider.predict(fresh)[:, 3] == pytest.approx(wider.predict(fresh)[:, like], abs=1e-5)


def test_outcomes_that_were_not_observed_do_not_move_a_model_that_joins(fitted: Factors) -> None:
    some = make_reading(40, seed=10)

    assert (fitted.join(some, np.full(40, np.nan)).bias == fitted.join(make_reading(0), np.zeros(0)).bias).all()


def test_rows_without_any_outcome_change_nothing(reading: Reading, fitted: Factors) -> None:
    quality = np.vstack([draw(true_logits(reading)), np.full((1000, 3), np.nan)])
    more = make_reading(1000, seed=11)
    both = Reading(("",) * 4000, np.vstack([reading.columns, more.columns]))

    assert (Factors.fit(both, quality, ridge=5.0, trace=5.0).predict(more) == fitted.predict(more)).all()
