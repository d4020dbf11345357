"""The blind mix: the cheapest way to near-best quality that looks at no query."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.evaluation.evidence import blind_mix
from tests.evaluation.toys import make_outcomes


def test_a_mix_is_the_point_of_the_single_models_line_at_98_percent():
    outcomes = make_outcomes([[0.48, 1.0]] * 10, cost_usd=[1.0, 11.0], models=["mini", "max"])

    found = blind_mix(outcomes, outcomes, "max", resamples=10)

    assert (found.low, found.high) == ("mini", "max")
    assert found.share == pytest.approx(0.5 / 0.52)
    assert found.quality_ratio.value == pytest.approx(0.98)
    assert found.cost_ratio.value == pytest.approx((1 + 10 * 0.5 / 0.52) / 11)


def test_a_cheaper_model_that_is_nearly_as_good_needs_no_mixing():
    outcomes = make_outcomes([[0.99, 1.0]] * 10, cost_usd=[1.0, 10.0], models=["mini", "max"])

    found = blind_mix(outcomes, outcomes, "max", resamples=10)

    assert (found.low, found.share) == ("mini", 0.0)
    assert found.cost_ratio.value == pytest.approx(0.1)


def test_models_and_share_are_chosen_on_training_rows_alone():
    train = make_outcomes([[0.48, 1.0]] * 10, cost_usd=[1.0, 11.0])
    test = make_outcomes([[1.0, 0.5]] * 10, cost_usd=[1.0, 11.0])

    assert blind_mix(train, test, "m1", resamples=10).share == blind_mix(train, train, "m1", resamples=10).share


@pytest.mark.parametrize("cost", [[np.nan, 1.0], [1.0, np.nan], [0.0, 0.0]])
def test_without_costs_there_is_no_mix(cost):
    outcomes = make_outcomes([[0.5, 1.0]] * 10, cost_usd=cost)

    assert blind_mix(outcomes, outcomes, "m1") is None


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0.01, 10)), min_size=2, max_size=5))
def test_a_mix_never_costs_more_than_the_best_constant_on_its_own_rows(models):
    quality, cost = np.array(models).T
    outcomes = make_outcomes([quality] * 6, cost_usd=cost)
    best = outcomes.models[int(np.lexsort((cost, -quality))[0])]

    found = blind_mix(outcomes, outcomes, best, resamples=5)

    assert 0 <= found.share <= 1
    assert found.cost_ratio.value <= 1 + 1e-9
    assert found.quality_ratio.value >= 0.98 - 1e-9
