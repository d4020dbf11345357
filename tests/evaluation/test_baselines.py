import numpy as np
import pytest

from switchpoint.core.errors import DataError
from switchpoint.core.query import Query
from switchpoint.evaluation.baselines import ByDraw, best_single, cheapest, random_apgr
from tests.evaluation.toys import make_outcomes


def test_the_best_single_model_has_the_highest_mean_of_what_was_observed():
    train = make_outcomes([[1.0, np.nan, 0.0], [0.0, 0.9, np.nan]])

    assert best_single(train) == "m1"


def test_of_equally_good_single_models_the_cheaper_is_best():
    assert best_single(make_outcomes([[1.0, 1.0]], cost_usd=[2.0, 1.0])) == "m1"


def test_without_an_observation_no_model_is_the_best():
    with pytest.raises(DataError, match="no outcome is observed"):
        best_single(make_outcomes([[np.nan]]))


def test_which_model_is_cheapest_is_unknown_where_any_cost_is():
    assert cheapest(("a", "b"), np.array([2.0, 1.0])) == "b"
    assert cheapest(("a", "b"), np.array([2.0, np.nan])) is None


def test_a_random_choice_is_even_and_the_same_every_time():
    queries = [Query.of(f"question {i}") for i in range(3_000)]

    mean = ByDraw(("a", "b", "c")).predict(queries).mean

    np.testing.assert_array_equal(mean, ByDraw(("a", "b", "c")).predict(queries).mean)
    np.testing.assert_allclose(np.bincount(mean.argmax(axis=1)) / 3_000, 1 / 3, atol=0.03)


def test_luck_is_around_a_half_and_narrower_with_more_queries():
    random = np.random.default_rng(0)
    weak, strong = (random.random(800) < p for p in (0.5, 0.8))

    few, many = (random_apgr(weak[:n].astype(float), strong[:n].astype(float), 200) for n in (80, 800))

    assert few.value == many.value == pytest.approx(0.5)
    assert few.low < many.low < 0.5 < many.high < few.high
