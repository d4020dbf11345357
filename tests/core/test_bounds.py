"""Bounds: the most that a call, or a run, can take; known before it starts."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.bounds import Bounded, Bounds, affordable, in_turn, worst_case
from switchpoint.core.query import Query
from tests.doubles import model

QUERY = Query.of("x" * 400)  # about 100 tokens
CAPPED = replace(QUERY, parameters={"max_tokens": 50})
MINI, BIG = model("mini", "1"), model("big", "10")

limits = st.none() | st.floats(0, 1e6)
bounds = st.builds(
    Bounds, calls=st.integers(0, 9), input_tokens=st.none() | st.integers(0, 9), latency_s=limits, cost_usd=limits
)


class TestWorstCase:
    def test_is_every_input_token_and_every_output_token_that_the_cap_allows_at_list_prices(self) -> None:
        assert worst_case(BIG, CAPPED) == Bounds(
            calls=1, input_tokens=100, output_tokens=50, latency_s=None, cost_usd=pytest.approx(150 * 10e-6)
        )

    def test_without_a_cap_neither_output_nor_cost_is_bounded(self) -> None:
        found = worst_case(BIG, QUERY)

        assert (found.output_tokens, found.cost_usd) == (None, None)

    def test_every_sample_and_every_choice_counts(self) -> None:
        sampled = replace(MINI, samples=3)

        found = worst_case(sampled, replace(CAPPED, parameters={"max_tokens": 50, "n": 2}))

        assert (found.input_tokens, found.output_tokens) == (300, 300)

    def test_the_preamble_is_paid_for_too(self) -> None:
        shown = replace(MINI, preamble=({"role": "system", "content": "y" * 40},))

        assert worst_case(shown, QUERY).input_tokens == 110

    @pytest.mark.parametrize(
        ("asked", "fixed", "writes", "cap"),
        [
            ({"max_tokens": 50}, {}, None, 50),
            ({"max_completion_tokens": 40, "max_tokens": 50}, {}, None, 40),
            ({"max_tokens": 50}, {"max_tokens": 70}, None, 70),  # the model's parameters are the ones that are sent
            ({"max_tokens": 50}, {}, 20, 20),
            ({}, {}, 20, 20),
            ({"max_tokens": "many"}, {}, None, None),
            ({"max_tokens": True}, {}, None, None),
        ],
    )
    def test_the_smallest_cap_that_holds_counts(self, asked, fixed, writes, cap) -> None:
        capped = replace(MINI, parameters=fixed, max_output_tokens=writes)

        assert worst_case(capped, replace(QUERY, parameters=asked)).output_tokens == cap

    def test_a_model_without_a_price_has_no_bound_on_its_cost(self) -> None:
        assert worst_case(model("free?", None), CAPPED).cost_usd is None

    def test_a_machine_paid_by_the_hour_is_bounded_by_the_deadline(self) -> None:
        hourly = replace(MINI, usd_per_hour=Decimal(36))

        assert worst_case(hourly, replace(QUERY, deadline_s=10.0)).cost_usd == pytest.approx(0.1)
        assert worst_case(hourly, QUERY).cost_usd is None

    def test_the_sooner_of_two_deadlines_holds(self) -> None:
        assert worst_case(MINI, replace(QUERY, deadline_s=10.0), deadline_s=4.0).latency_s == 4.0


class TestBounds:
    @given(bounds, bounds)
    def test_adding_never_lowers_a_bound_and_unknown_stays_unknown(self, one: Bounds, other: Bounds) -> None:
        together = one + other

        for part, with_other in zip(vars_of(one), vars_of(together), strict=True):
            assert with_other is None or (part is not None and with_other >= part)

    @given(bounds)
    def test_nothing_adds_nothing(self, one: Bounds) -> None:
        assert one + Bounds() == one

    def test_a_run_takes_no_longer_than_its_deadline_however_many_calls_it_makes(self) -> None:
        found = in_turn([MINI, BIG], replace(CAPPED, deadline_s=3.0))

        assert (found.calls, found.latency_s) == (2, 3.0)
        assert found.cost_usd == pytest.approx(150 * 11e-6)

    def test_a_strategy_that_tells_its_worst_case_is_bounded(self) -> None:
        class Once:
            def worst_case(self, query: Query) -> Bounds:
                return worst_case(MINI, query)

        assert isinstance(Once(), Bounded) and not isinstance(object(), Bounded)


class TestAffordable:
    def test_without_a_limit_every_eligible_model_is(self) -> None:
        assert affordable([MINI, BIG], CAPPED) == [MINI, BIG]
        assert affordable([MINI, BIG], replace(CAPPED, allow=frozenset({"big"}))) == [BIG]

    def test_a_model_that_would_take_the_worst_case_over_the_limit_is_left_out(self) -> None:
        mini_usd, big_usd = 150e-6, 1500e-6

        assert affordable([MINI, BIG], replace(CAPPED, max_cost_usd=mini_usd + big_usd)) == [MINI, BIG]
        assert affordable([MINI, BIG], replace(CAPPED, max_cost_usd=big_usd)) == [MINI]

    def test_where_no_cap_is_known_the_expected_cost_counts(self) -> None:
        expected_usd = MINI.expected_cost_usd(100) + BIG.expected_cost_usd(100)

        assert affordable([MINI, BIG], replace(QUERY, max_cost_usd=1.001 * expected_usd)) == [MINI, BIG]
        assert affordable([MINI, BIG], replace(QUERY, max_cost_usd=0.999 * expected_usd)) == [MINI]

    def test_a_model_of_unknown_price_takes_nothing_off_the_limit(self) -> None:
        unpriced = model("free?", None)

        assert affordable([unpriced, MINI], replace(CAPPED, max_cost_usd=150e-6)) == [unpriced, MINI]

    def test_a_model_is_excluded_for_what_it_may_cost_where_the_answer_is_capped(self) -> None:
        limited = replace(CAPPED, max_cost_usd=1e-4)

        assert BIG.exclusion(limited, 100) == "may cost 0.001500 USD, over the limit of 0.000100"
        assert BIG.exclusion(replace(QUERY, max_cost_usd=1e-4), 100).startswith("expected to cost")


def vars_of(bounds: Bounds) -> list[float | None]:
    return [bounds.calls, bounds.input_tokens, bounds.output_tokens, bounds.latency_s, bounds.cost_usd]
