"""Policies: the arithmetic of a choice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Estimates
from switchpoint.routers.policies import CheapestAbove, CheapestWithin, Explore, MaxUtility, Random, StrongIfWorth
from tests.doubles import estimates

INF = math.inf
NAN = math.nan
UNIT = st.floats(0, 1)


@st.composite
def any_estimates(draw: st.DrawFn) -> Estimates:
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 5)))
    eligible = draw(arrays(bool, shape))
    eligible[:, 0] |= ~eligible.any(axis=1)
    return estimates(
        draw(arrays(float, shape, elements=st.one_of(UNIT, st.just(NAN)))),
        draw(arrays(float, shape, elements=st.one_of(st.just(NAN), st.floats(0, 10)))),
        eligible=eligible,
        draw=draw(arrays(float, shape[0], elements=st.floats(0, 1, exclude_max=True))),
    )


POLICIES = [
    MaxUtility(0.0),
    MaxUtility(0.5),
    MaxUtility(INF),
    CheapestAbove(0.5),
    CheapestWithin(0.1),
    Random({}),
    Random({"a": 1.0}),
    Explore(MaxUtility(1), 0.3),
]


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@given(given_estimates=any_estimates())
def test_every_policy_chooses_an_eligible_column_with_a_probability(policy, given_estimates: Estimates) -> None:
    columns, propensities = policy(given_estimates)

    assert given_estimates.eligible[np.arange(len(columns)), columns].all()
    assert ((propensities > 0) & (propensities <= 1)).all()


def without_unknowns(e: Estimates) -> Estimates:
    return e._replace(quality=np.nan_to_num(e.quality), cost_usd=np.nan_to_num(e.cost_usd))


@given(any_estimates(), st.floats(0.01, 5), st.floats(0.01, 5))
def test_more_willingness_never_buys_less_estimated_quality(e: Estimates, one: float, other: float) -> None:
    known = without_unknowns(e)
    rows = np.arange(len(known.quality))

    low = known.quality[rows, MaxUtility(min(one, other))(known)[0]]
    high = known.quality[rows, MaxUtility(max(one, other))(known)[0]]

    assert (high >= low - 1e-9).all()


def test_no_willingness_is_the_cheapest_and_infinite_willingness_the_best() -> None:
    e = estimates([[0.2, 0.9, 0.9]], [[1, 5, 4]])

    assert MaxUtility(0.0)(e)[0].tolist() == [0]
    assert MaxUtility(INF)(e)[0].tolist() == [2]  # of two equally good ones the cheaper


def test_a_point_of_quality_is_bought_at_its_price_and_not_above() -> None:
    e = estimates([[0.5, 0.6]], [[0.0, 0.01]])  # a tenth of a point for a cent: ten cents a point

    assert MaxUtility(0.09)(e)[0].tolist() == [0]
    assert MaxUtility(0.11)(e)[0].tolist() == [1]


def test_a_model_of_unknown_cost_is_not_chosen_where_cost_matters() -> None:
    e = estimates([[0.2, 0.9]], [[1, NAN]])

    assert MaxUtility(0.1)(e)[0].tolist() == [0]
    assert MaxUtility(INF)(e)[0].tolist() == [1]


def test_where_no_cost_is_known_quality_decides() -> None:
    assert MaxUtility(0.0)(estimates([[0.2, 0.9]], [[NAN, NAN]]))[0].tolist() == [1]


@pytest.mark.parametrize("wrong", [-1.0, NAN])
def test_willingness_is_a_number_from_zero_up(wrong: float) -> None:
    with pytest.raises(ConfigError, match="willingness_usd must be 0 or more"):
        MaxUtility(wrong)


def test_where_neither_cost_nor_quality_is_known_an_eligible_model_is_chosen() -> None:
    e = estimates([[NAN, NAN]], [[NAN, NAN]], eligible=np.array([[False, True]]))

    assert MaxUtility(1.0)(e)[0].tolist() == [1]


class TestCheapestAbove:
    def test_the_cheapest_model_above_the_floor_is_chosen_even_where_a_better_one_costs_hardly_more(self) -> None:
        e = estimates([[0.5, 0.8, 0.95]], [[1.0, 2.0, 2.1]])

        assert [CheapestAbove(floor)(e)[0].item() for floor in (0.0, 0.5, 0.6, 0.8, 0.9)] == [0, 0, 1, 1, 2]

    def test_where_no_model_is_above_the_floor_the_best_is_chosen(self) -> None:
        e = estimates([[0.2, 0.4, 0.3]], [[1, 2, 3]])

        assert CheapestAbove(0.9)(e)[0].tolist() == [1]

    def test_an_unknown_quality_is_above_no_floor(self) -> None:
        assert CheapestAbove(0.0)(estimates([[NAN, 0.4]], [[1, 2]]))[0].tolist() == [1]
        assert CheapestAbove(0.9)(estimates([[NAN, 0.4]], [[1, 2]]))[0].tolist() == [1]

    def test_an_unknown_cost_is_chosen_only_where_nothing_else_is_above_the_floor(self) -> None:
        e = estimates([[0.5, 0.9, 0.8]], [[1, NAN, 3]])

        assert CheapestAbove(0.7)(e)[0].tolist() == [2]
        assert CheapestAbove(0.85)(e)[0].tolist() == [1]

    def test_of_equally_cheap_models_and_where_no_cost_is_known_the_better_is_chosen(self) -> None:
        e = estimates([[0.6, 0.9], [0.6, 0.9]], [[1, 1], [NAN, NAN]])

        assert CheapestAbove(0.5)(e)[0].tolist() == [1, 1]


class TestCheapestWithin:
    def test_a_cheaper_model_is_taken_as_far_below_the_best_as_allowed(self) -> None:
        e = estimates([[0.5, 0.8, 0.9]], [[1, 2, 3]])

        assert [CheapestWithin(epsilon)(e)[0].item() for epsilon in (0.0, 0.05, 0.1, 0.3, 0.4, 1.0)] == [
            2,
            2,
            1,
            1,
            0,
            0,
        ]

    def test_the_best_is_that_of_the_eligible_models(self) -> None:
        e = estimates([[0.5, 0.6, 0.9]], [[1, 2, 3]], eligible=np.array([[True, True, False]]))

        assert CheapestWithin(0.1)(e)[0].tolist() == [0]

    def test_models_of_unknown_quality_are_left_to_queries_of_which_nothing_is_known(self) -> None:
        e = estimates([[NAN, 0.2, 0.9], [NAN, NAN, NAN]], [[1, 2, 3], [3, 2, 1]])

        assert CheapestWithin(0.8)(e)[0].tolist() == [1, 2]

    @given(any_estimates(), UNIT, UNIT)
    def test_more_tolerance_never_costs_more(self, e: Estimates, one: float, other: float) -> None:
        known = without_unknowns(e)
        rows = np.arange(len(known.quality))

        strict = known.cost_usd[rows, CheapestWithin(min(one, other))(known)[0]]
        lenient = known.cost_usd[rows, CheapestWithin(max(one, other))(known)[0]]

        assert (lenient <= strict).all()


@pytest.mark.parametrize("policy", [CheapestAbove, CheapestWithin])
@pytest.mark.parametrize("wrong", [-0.1, 1.1, NAN])
def test_a_floor_and_a_tolerance_are_parts_of_one(policy, wrong: float) -> None:
    with pytest.raises(ConfigError, match=r"must be in \[0, 1\]"):
        policy(wrong)


def test_the_strong_model_is_called_where_it_wins_often_enough() -> None:
    e = estimates([[0.5, 0.9], [0.8, 0.9]], [[1, 10], [1, 10]])  # win rates .7 and .55

    assert StrongIfWorth("a", "b", 0.6)(e)[0].tolist() == [1, 0]
    assert StrongIfWorth("a", "b", 0.0)(e)[0].tolist() == [1, 1]
    assert StrongIfWorth("a", "b", 1.0)(e)[0].tolist() == [0, 0]


def test_the_two_model_view_keeps_to_the_eligible() -> None:
    e = estimates(
        [[0.0, 1.0, 0.1]] * 3, [[1, 2, 3]] * 3, eligible=np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]], dtype=bool)
    )

    assert StrongIfWorth("a", "b", 0.9)(e)[0].tolist() == [0, 1, 2]


def test_a_random_share_is_met_over_many_draws() -> None:
    e = estimates([[0.5, 0.5]] * 1000, [[1, 1]] * 1000)

    columns, propensities = Random({"a": 0.3, "b": 0.7})(e)

    assert columns.mean() == pytest.approx(0.7, abs=0.002)
    assert propensities[columns == 1] == pytest.approx(0.7)


def test_exploring_undone_by_its_propensities_gives_the_value_of_every_model() -> None:
    quality = np.tile([0.9, 0.3], (1000, 1))
    e = estimates(quality, [[1, 1]] * 1000)

    columns, propensities = Explore(MaxUtility(INF), 0.2)(e)
    second = (columns == 1) / propensities * 0.3

    assert 0.05 < (columns == 1).mean() < 0.15
    assert second.mean() == pytest.approx(0.3, abs=0.01)
