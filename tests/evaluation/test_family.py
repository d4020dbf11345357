import numpy as np
import pytest

from switchpoint.core.estimate import Prediction
from switchpoint.evaluation import family as of_family
from switchpoint.evaluation.family import family
from switchpoint.evaluation.replay import estimates
from tests.evaluation.toys import make_outcomes

QUALITY = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
OUTCOMES = make_outcomes(QUALITY, cost_usd=[1.0, 5.0])
EVEN = make_outcomes([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]], cost_usd=[1.0, 5.0])


def seen(outcomes, mean):
    return estimates(Prediction(mean=np.asarray(mean, dtype=float)), outcomes, outcomes.mean_cost_usd())


def test_a_router_that_knows_nothing_has_only_the_two_ends():
    found = family(seen(EVEN, np.full((4, 2), 0.5)), EVEN, best="m1").measure(resamples=20)

    assert found.aiq.value == pytest.approx(found.aiq_single_models.value) == pytest.approx((0.25 + 1.0) / 2)
    assert found.near_best_ratio.value == pytest.approx(found.near_best_ratio_single_models.value)


def test_the_cost_of_near_best_quality_is_read_from_the_hull():
    found = family(seen(EVEN, [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), EVEN, best="m1").measure(resamples=20)

    # Three of four go to the dear model for full quality; the mix below it loses a quarter per dollar.
    assert found.near_best_ratio.value == pytest.approx((4.0 - 0.02 / 0.75 * 3.0) / 5.0)


def test_a_router_that_knows_is_above_the_single_models():
    found = family(seen(OUTCOMES, QUALITY), OUTCOMES, best="m0").measure(resamples=20)

    assert found.aiq.value > found.aiq_single_models.value
    assert (found.curve.y >= found.single_curve.y - 1e-12).all()


def test_without_all_costs_there_is_no_curve_of_cost():
    half = make_outcomes(QUALITY, cost_usd=[1.0, np.nan])

    assert family(seen(half, QUALITY), half, best="m1") is None


def test_without_a_best_single_model_its_near_best_cost_is_unknown():
    found = family(seen(OUTCOMES, QUALITY), OUTCOMES, best=None).measure(resamples=20)

    assert np.isnan(found.near_best_ratio.value)
    assert found.aiq.value > 0


def test_a_resample_without_any_outcome_of_a_model_is_left_out():
    sparse = make_outcomes([[1.0, np.nan], [np.nan, 1.0]], cost_usd=[[1.0, np.nan], [np.nan, 2.0]])

    found = family(seen(sparse, [[0.5, 0.6], [0.5, 0.6]]), sparse, best="m1").measure(resamples=30)

    assert found.aiq.low <= found.aiq.value <= found.aiq.high


def test_the_ends_and_the_corners_of_the_hull_are_resampled_however_many_points_there_are(monkeypatch):
    random = np.random.default_rng(3)
    outcomes = make_outcomes(random.random((60, 3)), cost_usd=random.random((60, 3)) + np.arange(3))
    guesses = seen(outcomes, outcomes.quality + random.normal(0, 0.3, (60, 3)))
    exact = family(guesses, outcomes, best="m2").measure(resamples=20)
    monkeypatch.setattr(of_family, "RESAMPLED", 5)

    found = family(guesses, outcomes, best="m2").measure(resamples=20)

    assert found.aiq.value == pytest.approx(exact.aiq.value)
    np.testing.assert_allclose(found.curve.y, exact.curve.y)


def test_the_leaderboards_figures_are_read_from_the_hull():
    found = family(seen(EVEN, [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]]), EVEN, best="m1").measure(resamples=20)

    # Full quality for three dear calls and a cheap one: 16 dollars instead of 20.
    assert found.cost_save.value == pytest.approx(1 - 16 / 20)
    assert found.perf_gain.value == 0.0
    assert found.pareto_dist == 0.0


def test_a_router_that_errs_lies_off_the_joint_front():
    found = family(seen(EVEN, [[0.0, 0.1], [0.0, 0.9], [0.0, 0.2], [0.0, 0.3]]), EVEN, best="m1").measure(resamples=20)

    # The dear model for the one query that does not need it first: 2 USD and .25, dominated by 1 USD and .25.
    assert found.pareto_dist > 0


def test_groups_make_the_intervals_of_the_family_wider():
    random = np.random.default_rng(0)
    outcomes = make_outcomes(np.tile(random.random((20, 2)), (10, 1)), cost_usd=[1.0, 5.0])
    points = family(seen(outcomes, outcomes.quality), outcomes, best="m1")

    alone, grouped = points.measure(200).aiq, points.measure(200, groups=np.tile(np.arange(20), 10)).aiq

    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def luck_of(skill):
    """Measure a router of this skill on models that are right by chance, at two prices."""
    random = np.random.default_rng(0)
    easy = random.random(400) < 0.6
    right = np.stack([np.where(easy, random.random(400) < 0.9, random.random(400) < 0.2), random.random(400) < 0.8], 1)
    known = np.where(easy, 0.9, 0.2) if skill else random.random(400)
    outcomes = make_outcomes(right, cost_usd=[1.0, 5.0])
    noise = random.normal(0, 0.01, 400)
    return family(seen(outcomes, np.stack([known + noise, np.full(400, 0.8)], 1)), outcomes, best="m1").measure(100)


def test_a_router_that_draws_looks_better_than_single_models_and_is_not_better_than_luck():
    found = luck_of(skill=False)

    assert found.aiq.value > found.aiq_single_models.value
    assert found.aiq_shuffled.low <= found.aiq.value <= found.aiq_shuffled.high


def test_a_router_that_knows_is_beyond_what_luck_gives():
    found = luck_of(skill=True)

    assert found.aiq.value > found.aiq_shuffled.high
    assert found.near_best_ratio.value < found.near_best_ratio_shuffled.low
