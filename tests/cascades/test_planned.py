"""Planned: a trained cascade as a strategy, one lookup a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from switchpoint.cascades.planned import Planned
from switchpoint.core.attempt import Attempt, Verdict
from switchpoint.core.bounds import Bounded
from switchpoint.core.decision import Accept, Call, Hold, Reason, Verify
from switchpoint.core.errors import NoAnswer, NoEligibleModel, UnknownModel, UpstreamRefused
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine
from switchpoint.upstreams.fake import Fake
from tests.cascades.toys import SHARED_ERRORS, plan
from tests.doubles import answered, catalog, failed

MODELS = catalog("mini", "mid", "big")
QUERY = Query.of("A, B, C or D?")
AGREE = (answered("mini", text="A"), answered("mid", text="The answer is (a)."))
DIFFER = (answered("mini", text="A"), answered("mid", text="B"))


def planned(willingness_usd: float = 0.3, scored: list[bool] | None = None) -> Planned:
    verifiers = {"mini": "reader"} if scored else {}
    return Planned(
        "c", MODELS, plan(SHARED_ERRORS, scored=scored), willingness_usd=willingness_usd, verifiers=verifiers
    )


def read(text: str, score: float) -> Attempt:
    return replace(answered("mini", text=text), verdicts=(Verdict(score=score, verifier="reader"),))


class TestAsking:
    def test_begins_with_a_cheap_model_and_holds_its_answer(self) -> None:
        step = planned().next(QUERY, ())

        assert isinstance(step, Call) and step.hold is Hold.ALL
        assert step.decision.reason is Reason.FIRST_OF_CASCADE
        assert step.decision.cost_usd == {"mini": 0.001, "mid": 0.002, "big": 0.1}

    def test_another_cheap_one_is_an_opinion_and_the_strong_one_an_escalation(self) -> None:
        opinion = planned().next(QUERY, AGREE[:1])
        escalation = planned(willingness_usd=1.0).next(QUERY, DIFFER)

        assert (opinion.decision.model, opinion.decision.reason) == ("mid", Reason.OPINION)
        assert (escalation.decision.model, escalation.decision.reason) == ("big", Reason.ESCALATED)
        assert "believed" in escalation.decision.detail

    def test_is_the_same_for_the_same_attempts(self) -> None:
        one = planned()

        assert one.next(QUERY, DIFFER) == one.next(QUERY, DIFFER) == planned().next(QUERY, DIFFER)

    def test_by_default_pays_what_training_chose(self) -> None:
        by_default = Planned("c", MODELS, plan(SHARED_ERRORS, willingness_usd=1e-6))

        assert by_default.willingness_usd == 1e-6
        assert by_default.next(QUERY, ()) == planned(willingness_usd=1e-6).next(QUERY, ())

    def test_streams_the_only_model_it_will_ask_straight_through(self) -> None:
        step = planned(willingness_usd=0.0).next(QUERY, ())

        assert (step.decision.model, step.hold) == ("mini", Hold.NOTHING)

    def test_a_model_that_the_catalog_does_not_hold_is_refused(self) -> None:
        with pytest.raises(UnknownModel):
            Planned("c", catalog("mini", "big"), plan(SHARED_ERRORS))


class TestAccepting:
    def test_takes_an_answer_on_which_the_cheap_ones_agree(self) -> None:
        step = planned().next(QUERY, AGREE)

        assert isinstance(step, Accept) and step.reason == "believed 0.85"

    def test_takes_the_answer_that_is_believed_most_whoever_was_asked_last(self) -> None:
        outvoted = (answered("big", text="C"), answered("mini", text="A"), answered("mid", text="C"))

        step = planned().next(QUERY, outvoted)

        assert isinstance(step, Accept) and step.attempt in (0, 2)

    def test_counts_only_the_newest_answer_of_a_model(self) -> None:
        again = (answered("mini", text="B"), *AGREE)

        assert planned().next(QUERY, again).reason == planned().next(QUERY, AGREE).reason


class TestTheVerifier:
    SCORED = (True, False, False)

    def test_is_asked_before_anything_else_is_decided(self) -> None:
        step = planned(scored=list(self.SCORED)).next(QUERY, (answered("mini", text="A"),))

        assert step == Verify(attempt=0, verifier="reader")

    def test_is_not_asked_about_models_that_it_cannot_tell(self) -> None:
        step = planned(scored=list(self.SCORED)).next(QUERY, (read("A", 0.9), answered("mid", text="B")))

        assert not isinstance(step, Verify)

    def test_its_score_decides_whether_more_is_asked(self) -> None:
        sure, unsure = (
            planned(willingness_usd=0.05, scored=list(self.SCORED)).next(QUERY, (read("A", score),))
            for score in (0.9, 0.1)
        )

        assert isinstance(sure, Accept) and isinstance(unsure, Call)

    def test_that_failed_counts_as_the_lowest_score(self) -> None:
        failing, low = (
            planned(scored=list(self.SCORED)).next(QUERY, (read("A", score),)) for score in (float("nan"), 0.0)
        )

        assert failing == low


class TestAModelThatCannotAnswer:
    def test_is_left_out_when_it_failed(self) -> None:
        step = planned().next(QUERY, (failed("mini", retryable=False),))

        assert step.decision.model in ("mid", "big")
        assert planned().next(QUERY, (failed("mini"), answered("mini", text="A"))) == Call(
            decision=planned().next(QUERY, AGREE[:1]).decision, hold=Hold.ALL
        )

    def test_is_left_out_when_it_may_not_take_the_query(self) -> None:
        only = replace(QUERY, allow=frozenset({"mid"}))

        step = planned().next(only, ())

        assert (step.decision.model, step.hold) == ("mid", Hold.NOTHING)

    def test_does_not_keep_the_best_in_hand_from_being_given(self) -> None:
        step = planned(willingness_usd=1.0).next(QUERY, (*DIFFER, failed("big", retryable=False)))

        assert isinstance(step, Accept)

    def test_is_named_where_nobody_can(self) -> None:
        with pytest.raises(NoEligibleModel, match="mini"):
            planned().next(QUERY, tuple(failed(model) for model in MODELS.ids))
        with pytest.raises(NoEligibleModel):
            planned().next(replace(QUERY, allow=frozenset({"nobody"})), ())

    async def test_of_which_all_fail_is_no_answer(self) -> None:
        gone = UpstreamRefused("no such model", status=404)
        engine = Engine(
            catalog=MODELS,
            upstreams={"fake": Fake(dict.fromkeys(MODELS.ids, [gone] * 3))},
            sink=lambda record: None,
            default_model="big",
        )

        with pytest.raises((NoAnswer, NoEligibleModel)):
            await engine.run(planned(), QUERY)


class TestTheCostLimit:
    CAPPED = replace(QUERY, parameters={"max_tokens": 97})
    MINI_USD = 100e-6  # at most; mid costs ten times, big a hundred times that

    def test_the_worst_case_is_known_before_it_starts(self) -> None:
        assert isinstance(planned(), Bounded)
        assert planned().worst_case(self.CAPPED).calls == 3
        assert planned().worst_case(self.CAPPED).cost_usd == pytest.approx(111 * self.MINI_USD, rel=0.02)

    def test_leaves_out_whom_the_run_could_not_pay_for(self) -> None:
        limited = replace(self.CAPPED, max_cost_usd=12 * self.MINI_USD)

        assert planned(willingness_usd=1.0).next(limited, DIFFER) == Accept(
            attempt=0, reason=planned(willingness_usd=0.0).next(QUERY, DIFFER).reason
        )
        assert planned().worst_case(limited).calls == 2


def test_leaving_a_model_out_does_not_change_the_prices_of_the_plan() -> None:
    one = planned()
    before = one.plan.price(0.3).copy()

    one.next(replace(QUERY, allow=frozenset({"mid"})), ())

    np.testing.assert_array_equal(one.plan.price(0.3), before)
    assert one.next(QUERY, ()) == planned().next(QUERY, ())
