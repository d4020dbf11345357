"""The frontier and the ceilings on recorded outcomes."""

import numpy as np
import pytest

from switchpoint.core.estimate import Prediction
from switchpoint.evaluation.baselines import ByDraw, best_single
from switchpoint.evaluation.ceiling import ceiling
from switchpoint.evaluation.family import at, family
from switchpoint.evaluation.frontier import frontier
from switchpoint.evaluation.replay import choose, estimates, played
from switchpoint.learning.datasets import read
from tests.evaluation.toys import recorded

pytestmark = pytest.mark.data


def seen(outcomes, mean):
    return estimates(Prediction(mean=mean), outcomes, outcomes.mean_cost_usd())


def test_points_give_what_playing_them_gives():
    outcomes = read(recorded("routerbench-arc"), "train")
    guesses = seen(outcomes, ByDraw(outcomes.models).predict(outcomes.queries).mean)
    points = frontier(guesses)
    some = np.linspace(0, len(points) - 1, 7).astype(int)

    games = [played(outcomes, choose(at(float(points.willingness_usd[k]), None), guesses)) for k in some]

    np.testing.assert_allclose(points.mean(outcomes.quality)[some], [np.nanmean(game.quality) for game in games])
    np.testing.assert_allclose(points.mean(outcomes.cost_usd)[some], [np.nanmean(game.cost_usd) for game in games])


def test_a_router_that_draws_is_not_beyond_luck_on_real_outcomes():
    outcomes = read(recorded("routerbench-arc"), "train")
    drawn = ByDraw(outcomes.models).predict(outcomes.queries).mean

    found = family(seen(outcomes, drawn), outcomes, best_single(outcomes)).measure(resamples=20)

    assert found.aiq_shuffled.low - 0.005 <= found.aiq.value <= found.aiq_shuffled.high + 0.005


def test_the_kind_of_a_query_is_worth_points_and_the_oracle_many_more():
    found = ceiling(read(recorded("llmrouter-9models"), "train"), resamples=100)

    assert found.class_map.low > found.best_single.value
    assert found.oracle.low > found.others_know.high
    assert found.permuted_oracle.low > found.oracle.high
