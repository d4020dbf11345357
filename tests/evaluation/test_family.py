import numpy as np
import pytest

from switchpoint.core.estimate import Prediction
from switchpoint.evaluation.family import family, willingnesses
from switchpoint.evaluation.replay import estimates
from tests.evaluation.toys import make_outcomes

QUALITY = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]
OUTCOMES = make_outcomes(QUALITY, cost_usd=[1.0, 5.0])
EVEN = make_outcomes([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0]], cost_usd=[1.0, 5.0])


def seen(outcomes, mean):
    return estimates(Prediction(mean=np.asarray(mean, dtype=float)), outcomes, outcomes.mean_cost_usd())


def test_operating_points_lie_between_the_edges_at_which_choices_change():
    points = willingnesses(seen(OUTCOMES, [[0.0, 0.4], [0.5, 0.7], [0.5, 0.9], [0.9, 0.1]]))

    # Four dollars more buy .4, .2, .4 and less than nothing: the edges are 10 and 20 USD per point.
    assert points[0] == 0
    assert points[-1] == np.inf
    assert ((points[1:-1] > 10) & (points[1:-1] < 20)).all()


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
