"""Budget: what was spent sets what will be."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.errors import ConfigError
from switchpoint.core.record import Record
from switchpoint.routers.budget import HIGHEST_USD, MAX_ASKED, WARM_UP, Budget, Budgeted, Budgets, observed, upgrades_of
from switchpoint.routers.policies import Explore
from tests.doubles import estimates

NAN = math.nan
CHEAP, DEAR = 0.001, 0.01


def decision(model="b", quality=(0.5, 0.9), cost=(CHEAP, DEAR), reason=Reason.ESTIMATED, router="r"):
    names = "abcdefgh"[: len(quality)]
    return Decision(
        model=model,
        router=router,
        reason=reason,
        quality=dict(zip(names, quality, strict=True)),
        cost_usd=dict(zip(names, cost, strict=True)),
    )


def record(made, cost_usd=0.01):
    bill = None if cost_usd is None else Decimal(str(cost_usd))
    return Record(
        id="r", at=datetime(2026, 1, 1, tzinfo=UTC), query_id="q", route="r", strategy="r",
        attempts=(Attempt(decision=made, cost_usd=bill, latency_s=0.0),), accepted=0, outcome="answered",
        decide_s=0.0, latency_s=0.0,
    )  # fmt: skip


def spent(budget, gaps, bills=(1.0, 1.0), seed=0):
    """Replay queries whose dear model is better by `gaps`; return the mean cost. bills: real costs by estimates."""
    draws = np.random.default_rng(seed).random(len(gaps))
    total = 0.0
    for gap, draw, bill in zip(gaps, draws, np.repeat(bills, -(-len(gaps) // 2)), strict=False):
        quality = (0.9 - gap, 0.9)
        column = int(Budgeted(budget)(estimates([quality], [[CHEAP, DEAR]], draw=np.array([draw])))[0][0])
        cost = (CHEAP, DEAR)[column] * bill
        total += cost
        budget.update(record(decision("ab"[column], quality), cost))
    return total / len(gaps)


GAPS = np.random.default_rng(1).beta(1, 5, 5_000)


class TestTarget:
    @pytest.mark.parametrize("target", [2.0, 5.0, 9.0])
    def test_is_met_on_steady_traffic(self, target):
        assert spent(Budget(target), GAPS) * 1_000 == pytest.approx(target, rel=0.05)

    def test_is_met_where_the_mix_of_queries_shifts_half_way(self):
        gaps = np.concatenate([GAPS[:2_500], GAPS[2_500:] * 4])

        assert spent(Budget(4.0), gaps) * 1_000 == pytest.approx(4.0, rel=0.05)

    def test_is_met_where_prices_double_half_way_and_the_estimates_do_not_know_it(self):
        assert spent(Budget(4.0), GAPS, bills=(1.0, 2.0)) * 1_000 == pytest.approx(4.0, rel=0.05)

    def test_is_met_where_all_queries_look_alike(self):
        # One price for all: no willingness buys the dear model for a part of them.
        assert spent(Budget(4.0), np.full(5_000, 0.2)) * 1_000 == pytest.approx(4.0, rel=0.05)

    def test_is_not_exceeded_by_much_after_a_quiet_time_in_which_nothing_dear_was_worth_it(self):
        budget = Budget(5.0)
        spent(budget, np.full(3_000, -0.1))  # the dear model is worse: the budget cannot be spent

        assert spent(budget, GAPS[:1_000]) * 1_000 == pytest.approx(5.0, rel=0.1)

    def test_below_the_cheapest_model_is_met_as_nearly_as_can_be_and_leaves_no_debt_behind(self):
        budget = Budget(0.5)

        assert spent(budget, GAPS[:1_000]) == pytest.approx(CHEAP)
        assert budget.spending.balance_usd >= -1_000 * 0.0005

    @pytest.mark.parametrize("wrong", [0.0, -1.0, NAN, math.inf])
    def test_must_be_an_amount(self, wrong):
        with pytest.raises(ConfigError, match="above 0 and finite"):
            Budget(wrong)


class TestStart:
    def test_is_at_the_willingness_that_was_tuned(self):
        e = estimates([[0.5, 0.9]], [[CHEAP, DEAR]])

        assert Budgeted(Budget(5.0))(e)[0].tolist() == [0]
        assert Budgeted(Budget(5.0, start_usd=1.0))(e)[0].tolist() == [1]

    def test_ends_once_a_few_records_are_known(self):
        budget = Budget(5.0, start_usd=1.0)

        dials = [(budget.update(record(decision())), budget.spending.dial.low_usd)[1] for _ in range(WARM_UP)]

        assert dials[:-1] == [1.0] * (WARM_UP - 1) and dials[-1] != 1.0


class TestPolicy:
    def test_is_the_same_function_until_the_budget_is_updated(self):
        budget = Budget(5.0)
        spent(budget, GAPS[:100])
        e = estimates(np.stack([0.9 - GAPS[:50], np.full(50, 0.9)], axis=1), [[CHEAP, DEAR]] * 50)

        first, again = Budgeted(budget)(e), Budgeted(budget)(e)

        assert (first[0] == again[0]).all() and (first[1] == 1).all()

    def test_never_chooses_a_model_of_unknown_cost_however_much_there_is_to_spend(self):
        budget = Budget(1_000.0)
        spent(budget, GAPS[:50])

        assert budget.spending.dial.low_usd == HIGHEST_USD
        assert Budgeted(budget)(estimates([[0.5, 0.6, 0.9]], [[1, 2, NAN]]))[0].tolist() == [1]

    def test_may_be_explored(self):
        columns, propensities = Explore(Budgeted(Budget(5.0)), 0.2)(estimates([[0.5, 0.9]] * 100, [[1, 2]] * 100))

        assert set(columns) == {0, 1} and set(propensities.round(3)) == {0.9, 0.1}


class TestLearning:
    def test_an_unknown_bill_is_taken_to_be_the_estimate_as_far_as_estimates_are_right(self):
        assert observed(record(decision(), None), scale=2.0).spent_usd == pytest.approx(2 * DEAR)

    def test_nothing_is_learned_where_neither_bill_nor_estimate_is_known(self):
        assert observed(record(decision(cost=(NAN, NAN)), None)) is None

    def test_a_choice_that_no_willingness_made_offers_no_upgrade(self):
        seen = observed(record(decision(reason=Reason.NO_EVIDENCE)))

        assert (seen.base_usd, seen.upgrades) == (DEAR, ())

    def test_upgrades_climb_the_hull_and_skip_what_is_never_worth_it(self):
        base, steps = upgrades_of(decision("a", (0.5, 0.55, 0.9, 0.4), (1.0, 3.0, 5.0, 2.0)))

        assert base == 1.0
        assert steps == ((pytest.approx(10.0), 4.0),)

    def test_models_of_unknown_quality_or_cost_take_no_part(self):
        base, steps = upgrades_of(decision("a", (0.5, NAN, 0.9, 0.7), (1.0, 3.0, NAN, 2.0)))

        assert (base, steps) == (1.0, ((pytest.approx(5.0), 1.0),))

    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 10)), min_size=1, max_size=6))
    def test_upgrades_lead_by_rising_prices_to_the_best_model(self, points):
        quality, cost = zip(*points, strict=True)

        base, steps = upgrades_of(decision("a", quality, cost))

        prices = [step.price_usd for step in steps]
        best = max(points, key=lambda point: (point[0], -point[1]))
        assert all(b >= a * (1 - 1e-9) for a, b in pairwise(prices))
        assert base + sum(step.extra_usd for step in steps) == pytest.approx(best[1])


class TestBudgets:
    def test_each_record_reaches_the_budget_of_the_router_that_decided(self):
        budgets = Budgets()
        mine, other = budgets.configured("r", 5.0, 0.0), budgets.asked("other", 5.0)

        budgets(record(decision()))
        budgets(record(decision(router="nobody")))

        assert (mine.spending.n_records, other.spending.n_records) == (1, 0)

    def test_a_caller_gets_the_same_budget_each_time(self):
        budgets = Budgets()

        assert budgets.asked("r:usd_per_1k=0.5", 0.5) is budgets.asked("r:usd_per_1k=0.5", 0.5)

    def test_a_successor_goes_on_with_what_was_spent_towards_an_unchanged_target(self):
        before = Budgets()
        configured, asked = before.configured("frugal", 1.0, 0.0), before.asked("frugal:usd_per_1k=2.0", 2.0)

        after = Budgets(before)

        assert after.configured("frugal", 1.0, 0.5) is configured
        assert after.asked("frugal:usd_per_1k=2.0", 2.0) is asked
        assert Budgets(before).configured("frugal", 3.0, 0.0) is not configured

    def test_callers_cannot_make_more_budgets_than_are_kept(self):
        budgets = Budgets()
        first = budgets.asked("first", 1.0)

        for number in range(MAX_ASKED):
            budgets.asked(f"r{number}", 1.0)

        assert budgets.asked("first", 1.0) is not first
