"""Cascade: a belief and a rule as a strategy; and Separate, the simplest belief."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.belief import NOT_CALLED, Evidence, nothing_known
from switchpoint.cascades.cascade import Cascade
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.rules import Index, Routing, Threshold
from switchpoint.cascades.separate import Separate
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Accept, Call, Decision, Hold, Reason, Step, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from tests.doubles import Table, answered, catalog, failed

MODELS = catalog("mini", "mid", "big")
QUERY = Query.of("hello")
PRIOR = [0.6, 0.7, 0.9]
COST_USD = [0.001, 0.01, 0.1]


def cascade(**more: object) -> Cascade:
    settings: dict[str, object] = {
        "name": "index",
        "catalog": MODELS,
        "belief": Separate(MODELS.ids, [0.5, 0.5, 0.5]),
        "rule": Index(bernoulli),
        "quality": Table(MODELS.ids, PRIOR),
        "cost": Table(MODELS.ids, COST_USD),
        "willingness_usd": 0.5,
        "verifier": "checks",
    }
    return Cascade(**{**settings, **more})  # type: ignore[arg-type]


def decision(step: Step) -> Decision:
    assert isinstance(step, Call), step
    return step.decision


class TestCascade:
    def test_the_model_of_the_largest_reservation_value_is_called_first_and_held(self) -> None:
        step = cascade().next(QUERY, ())

        assert decision(step).model == "mini" and decision(step).reason is Reason.FIRST_OF_CASCADE
        assert isinstance(step, Call) and step.hold is Hold.ALL

    def test_the_decision_says_what_was_believed_and_what_it_costs(self) -> None:
        made = decision(cascade().next(QUERY, ()))

        assert made.quality == dict(zip(MODELS.ids, PRIOR, strict=True))
        assert made.cost_usd == dict(zip(MODELS.ids, COST_USD, strict=True))
        assert made.detail == "first: 0.60 ± 0.49 believed"

    def test_the_newest_answer_is_verified_before_anything_is_decided(self) -> None:
        assert cascade().next(QUERY, (answered("mini"),)) == Verify(attempt=0, verifier="checks")

    def test_a_good_answer_is_accepted(self) -> None:
        step = cascade().next(QUERY, (answered("mini", 0.99),))

        assert step == Accept(attempt=0, reason="nothing more is worth its price")

    def test_a_bad_answer_is_followed_by_a_model_believed_better(self) -> None:
        made = decision(cascade().next(QUERY, (answered("mini", 0.05),)))

        assert (made.model, made.reason) == ("mid", Reason.ESCALATED)
        assert made.quality["mini"] == pytest.approx(0.05)

    def test_a_model_believed_worse_is_asked_for_another_opinion(self) -> None:
        free = cascade(cost=Table(MODELS.ids, [0.0, 0.0, 0.0]))

        made = decision(free.next(QUERY, (answered("big", 0.8),)))

        assert (made.reason, made.model) == (Reason.OPINION, "mini")

    def test_in_the_end_the_answer_of_the_highest_posterior_mean_is_given(self) -> None:
        attempts = (answered("mini", 0.2), answered("big", 0.4), answered("mid", 0.3))

        assert cascade().next(QUERY, attempts) == Accept(attempt=1, reason="no other model may be called")

    def test_who_will_pay_nothing_stops_at_the_first_answer(self) -> None:
        stingy = cascade().at(0.0)

        assert decision(stingy.next(QUERY, ())).model == "mini"
        assert isinstance(stingy.next(QUERY, (answered("mini", 0.0),)), Accept)

    def test_a_verifier_that_failed_leaves_the_prior(self) -> None:
        made = decision(cascade().next(QUERY, (answered("mini", math.nan),)))

        assert made.quality["mini"] == PRIOR[0]

    def test_the_seconds_of_an_answer_have_a_price(self) -> None:
        slow = Table(MODELS.ids, [0.0, 0.0, 100.0])
        strong = cascade(rule=Routing(), willingness_usd=math.inf)

        assert decision(strong.next(QUERY, ())).model == "big"
        waiting = cascade(rule=Routing(), willingness_usd=10.0, latency=slow, usd_per_s=1.0)
        assert decision(waiting.next(QUERY, ())).model == "mid"

    def test_answers_are_compared_by_what_they_come_to(self) -> None:
        seen: list[Evidence] = []

        class Spy(Separate):
            def posterior(self, prior, evidence):  # type: ignore[no-untyped-def]
                seen.append(evidence)
                return super().posterior(prior, evidence)

        attempts = (answered("big", 0.1, text="It is 4."), answered("mini", 0.1, text="#### 4"))
        cascade(belief=Spy(MODELS.ids, PRIOR)).next(QUERY, attempts)

        assert seen[0].conclusion.tolist() == [[0, NOT_CALLED, 0]]

    def test_a_threshold_on_the_posterior_is_a_rule_like_any_other(self) -> None:
        chain = cascade(rule=Threshold(order=[0, 2], thresholds=[0.8]))

        assert isinstance(chain.next(QUERY, (answered("mini", 0.8),)), Accept)
        assert decision(chain.next(QUERY, (answered("mini", 0.79),))).model == "big"


class TestWhoMayBeCalled:
    def test_the_only_one_streams_straight_through_and_is_not_verified(self) -> None:
        alone = replace(QUERY, allow=frozenset({"mid"}))

        step = cascade().next(alone, ())

        assert isinstance(step, Call) and (step.decision.model, step.hold) == ("mid", Hold.NOTHING)
        assert isinstance(cascade().next(alone, (answered("mid"),)), Accept)

    def test_the_last_of_several_is_held_since_an_earlier_answer_may_be_better(self) -> None:
        step = cascade().at(1e6).next(QUERY, (answered("mini", 0.1), answered("mid", 0.1)))

        assert isinstance(step, Call) and (step.decision.model, step.hold) == ("big", Hold.ALL)

    def test_max_calls_ends_it(self) -> None:
        once = cascade(max_calls=1)

        first = once.next(QUERY, ())
        assert isinstance(first, Call) and first.hold is Hold.NOTHING
        assert once.next(QUERY, (answered("mini"),)) == Accept(attempt=0, reason="no other model may be called")

    def test_what_was_spent_counts_against_the_limit(self) -> None:
        # "hello" and 1,000 tokens: mini may cost 0.001, mid 0.01, big 0.1 USD.
        poor = replace(QUERY, parameters={"max_tokens": 1_000}, max_cost_usd=0.012)
        spent = replace(answered("mid", 0.1), cost_usd=None)

        assert decision(cascade().next(poor, (spent,))).model == "mini"
        assert isinstance(cascade().next(replace(poor, max_cost_usd=0.0105), (spent,)), Accept)

    def test_a_failed_call_is_no_answer(self) -> None:
        assert decision(cascade().next(QUERY, (failed("mini"),))).model == "mini"

    def test_nobody_is_told_with_the_reasons(self) -> None:
        with pytest.raises(NoEligibleModel, match="mid: not allowed"):
            cascade().next(replace(QUERY, allow=frozenset()), ())


def test_the_worst_case_is_the_dearest_calls_it_may_make() -> None:
    query = replace(QUERY, parameters={"max_tokens": 1_000})

    two = cascade(max_calls=2).worst_case(query)

    assert (two.calls, two.output_tokens) == (2, 2_000)
    assert two.cost_usd == pytest.approx(0.11, rel=0.01)
    assert cascade().worst_case(QUERY).cost_usd is None  # no cap on the answer is known


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cost": Table(["mini"], [1.0])}, "Table knows the models mini; the cascade has mini, mid, big"),
        ({"belief": Separate(["a"], [0.5])}, "Separate knows the models a"),
        ({"usd_per_s": 1.0}, "no latency is estimated"),
        ({"max_calls": 0}, "max_calls must be 1 or more"),
    ],
)
def test_parts_that_do_not_fit_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        cascade(**settings)


def test_it_is_a_strategy() -> None:
    strategy: Strategy = cascade()

    assert strategy.name == "index"


class TestSeparate:
    def test_before_an_answer_there_is_the_prior_and_without_one_the_means(self) -> None:
        belief = Separate(["a", "b"], [0.3, 0.6])

        assert belief.posterior(None, nothing_known(1, 2)).mean.tolist() == [[0.3, 0.6]]
        assert belief.posterior(np.array([[0.1, 0.2]]), nothing_known(1, 2)).mean.tolist() == [[0.1, 0.2]]

    def test_after_it_the_calibrated_score_and_no_spread(self) -> None:
        evidence = Evidence(np.array([[0, NOT_CALLED]]), np.array([[0.8, math.nan]]))

        mean, spread = Separate(["a", "b"], [0.3, 0.6], slope=2.0, intercept=-1.0).posterior(None, evidence)

        assert mean[0] == pytest.approx([1 / (1 + math.exp(1 - 2 * math.log(4))), 0.6])
        assert spread[0] == pytest.approx([0.0, math.sqrt(0.24)])

    @given(score=st.floats(1e-5, 1 - 1e-5))
    def test_slope_1_and_intercept_0_take_a_score_as_it_is(self, score: float) -> None:
        assert Separate(["a"], [0.5]).calibrated(np.array([score])) == pytest.approx(score)

    @pytest.mark.parametrize("score", [0.0, 1.0])
    def test_even_a_certain_score_leaves_a_probability(self, score: float) -> None:
        found = Separate(["a"], [0.5], slope=50.0).calibrated(np.array([score]))

        assert 0.0 <= found[0] <= 1.0

    def test_means_must_match_the_models(self) -> None:
        with pytest.raises(ConfigError, match="Got 1 for 2 models"):
            Separate(["a", "b"], [0.5])


def test_deciding_is_pure() -> None:
    attempts: tuple[Attempt, ...] = (answered("mini", 0.2),)

    assert cascade().next(QUERY, attempts) == cascade().next(QUERY, attempts)
