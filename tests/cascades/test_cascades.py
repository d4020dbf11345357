"""Cascades: what is tried next after an answer or a failure."""

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.resilient import MAX_RETRY_AFTER_S, Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Accept, Call, GiveUp, Hold, Reason, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import Query
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, answered, catalog, failed

THREE = catalog("mini", "mid", "big")
QUERY = Query.of("hello")


def cascade(threshold: float = 0.7) -> ThresholdCascade:
    return ThresholdCascade("careful", THREE, ["mini", "mid", "big"], "checks", threshold)


def router() -> Router:
    return Router("r", THREE, Table(THREE.ids, [0.3, 0.6, 0.9]), Table(THREE.ids, [1, 2, 3]), MaxUtility(math.inf))


class TestThresholdCascade:
    def test_the_cheapest_is_called_first_and_its_answer_is_held(self) -> None:
        step = cascade().next(QUERY, ())

        assert isinstance(step, Call)
        assert (step.decision.model, step.decision.reason) == ("mini", Reason.FIRST_OF_CASCADE)
        assert step.hold is Hold.ALL

    def test_an_answer_is_verified_before_it_is_accepted(self) -> None:
        assert cascade().next(QUERY, (answered("mini"),)) == Verify(attempt=0, verifier="checks")

    def test_a_good_score_accepts(self) -> None:
        assert cascade().next(QUERY, (answered("mini", 0.7),)) == Accept(attempt=0, reason="verified")

    @pytest.mark.parametrize("score", [0.69, 0.0, math.nan])
    def test_a_low_or_unknown_score_escalates(self, score: float) -> None:
        step = cascade().next(QUERY, (answered("mini", score),))

        assert (step.decision.model, step.decision.reason) == ("mid", Reason.ESCALATED)

    def test_the_last_model_streams_straight_through_and_is_taken_as_it_is(self) -> None:
        tried = (answered("mini", 0.1), answered("mid", 0.1))
        step = cascade().next(QUERY, tried)

        assert (step.decision.model, step.hold) == ("big", Hold.NOTHING)
        assert cascade().next(QUERY, (*tried, answered("big"))) == Accept(attempt=2, reason="last of the cascade")

    def test_where_no_model_is_left_the_best_rejected_answer_is_taken(self) -> None:
        narrowed = replace(QUERY, allow=frozenset({"mini", "mid"}))

        step = cascade().next(narrowed, (answered("mini", 0.5), answered("mid", 0.2)))

        assert step == Accept(attempt=0, reason="last of the cascade")

    def test_ineligible_models_are_left_out(self) -> None:
        assert cascade().next(replace(QUERY, allow=frozenset({"big"})), ()).decision.model == "big"
        with pytest.raises(NoEligibleModel, match="mini: not allowed"):
            cascade().next(replace(QUERY, allow=frozenset()), ())

    def test_one_model_is_no_cascade(self) -> None:
        with pytest.raises(ConfigError, match="at least two models"):
            ThresholdCascade("c", THREE, ["mini"], "checks", 0.5)


class TestResilient:
    def test_nothing_changes_while_nothing_fails(self) -> None:
        assert Resilient(router(), THREE).next(QUERY, ()) == router().next(QUERY, ())

    def test_a_passing_failure_is_retried_with_growing_pauses(self) -> None:
        strategy = Resilient(router(), THREE, retries=2, backoff_s=1.0)

        first = strategy.next(QUERY, (failed("big"),))
        second = strategy.next(QUERY, (failed("big"), failed("big")))

        assert first.decision.model == second.decision.model == "big"
        assert first.decision.reason is Reason.RETRIED
        assert 0.5 <= first.delay_s < 1.5
        assert second.delay_s == 2 * first.delay_s

    def test_an_upstreams_own_advice_takes_the_place_of_the_backoff(self) -> None:
        step = Resilient(router(), THREE).next(QUERY, (failed("big", "RateLimited", retry_after_s=3.0),))

        assert (step.decision.model, step.delay_s) == ("big", 3.0)

    def test_too_long_a_pause_is_not_waited_for(self) -> None:
        patient = failed("big", "RateLimited", retry_after_s=MAX_RETRY_AFTER_S + 1)

        step = Resilient(router(), THREE).next(QUERY, (patient,))

        assert (step.decision.model, step.decision.reason, step.delay_s) == ("mid", Reason.FELL_BACK, 0.0)

    def test_a_hopeless_failure_falls_back_at_once(self) -> None:
        step = Resilient(router(), THREE).next(QUERY, (failed("big", "UpstreamRefused", retryable=False),))

        assert (step.decision.model, step.decision.reason) == ("mid", Reason.FELL_BACK)

    def test_a_model_that_failed_for_good_is_not_called_again(self) -> None:
        attempts = (failed("big", retryable=False), failed("mid", retryable=False))

        assert Resilient(router(), THREE).next(QUERY, attempts).decision.model == "mini"

    def test_when_all_have_failed_the_query_is_given_up(self) -> None:
        attempts = tuple(failed(m, retryable=False) for m in THREE.ids)

        assert isinstance(Resilient(router(), THREE).next(QUERY, attempts), GiveUp)

    def test_a_model_asked_for_by_name_is_never_replaced(self) -> None:
        strategy = Resilient(Fixed("big", THREE, "big"), THREE, retries=0)

        assert isinstance(strategy.next(QUERY, (failed("big"),)), GiveUp)

    def test_a_cascade_goes_on_with_the_next_model(self) -> None:
        step = Resilient(cascade(), THREE, retries=0).next(QUERY, (failed("mini"),))

        assert (step.decision.model, step.decision.reason) == ("mid", Reason.FELL_BACK)

    def test_a_rejected_answer_is_better_than_none(self) -> None:
        attempts = (answered("mini", 0.2), failed("mid", retryable=False), failed("big", retryable=False))

        assert Resilient(cascade(), THREE).next(QUERY, attempts) == Accept(attempt=0, reason="last of the cascade")

    def test_a_caller_who_may_use_nothing_is_told_why(self) -> None:
        with pytest.raises(NoEligibleModel):
            Resilient(router(), THREE).next(replace(QUERY, allow=frozenset()), ())


@pytest.mark.parametrize(
    "strategy", [Resilient(cascade(), THREE), Resilient(router(), THREE)], ids=["cascade", "router"]
)
@given(luck=st.lists(st.sampled_from(["ok", "bad", "fail", "dead"]), min_size=30, max_size=30))
def test_every_strategy_ends_and_accepts_only_answers(strategy: Resilient, luck: list[str]) -> None:
    attempts: list[Attempt] = []
    events = iter(luck)

    for _ in itertools.count():
        step = strategy.next(QUERY, attempts)
        match step:
            case Call(decision=decision):
                made = {"ok": answered, "bad": answered}.get(event := next(events))
                attempts.append(made(decision.model) if made else failed(decision.model, retryable=event == "fail"))
            case Verify(attempt=number):
                score = 0.0 if luck[number] == "bad" else 1.0
                attempts[number] = answered(attempts[number].decision.model, score)
            case Accept(attempt=number):
                assert attempts[number].answered
                return
            case GiveUp():
                assert not any(attempt.answered for attempt in attempts)
                return
