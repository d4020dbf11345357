"""Agreement: opinions one at a time until enough of them agree, else the final model."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.agreement import Agreement, odds
from switchpoint.core.attempt import Attempt
from switchpoint.core.bounds import Bounds
from switchpoint.core.decision import Accept, Call, Hold, Reason, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import Query
from tests.doubles import answered, catalog, failed

MODELS = catalog("mini", "mid", "small", "big")
QUERY = Query.of("How many?")


def pair(**more: object) -> Agreement:
    return Agreement("agree", MODELS, ["mini", "mid"], "big", **more)  # type: ignore[arg-type]


def three(final: str | None = "big", **more: object) -> Agreement:
    return Agreement("agree", MODELS, ["mini", "mid", "small"], final, **more)  # type: ignore[arg-type]


def said(**texts: str) -> tuple[Attempt, ...]:
    return tuple(answered(model, text=text) for model, text in texts.items())


def called(step: Step) -> tuple[str, Reason, Hold]:
    assert isinstance(step, Call)
    return step.decision.model, step.decision.reason, step.hold


class TestTwoThatMustAgree:
    def test_each_is_asked_in_turn_and_held(self) -> None:
        assert called(pair().next(QUERY, ())) == ("mini", Reason.FIRST_OF_CASCADE, Hold.ALL)
        assert called(pair().next(QUERY, said(mini="4"))) == ("mid", Reason.OPINION, Hold.ALL)

    def test_answers_that_come_to_the_same_are_settled_by_the_first(self) -> None:
        step = pair().next(QUERY, said(mini="The answer is 4.", mid="#### 4"))

        assert step == Accept(attempt=0, reason="2 of 2 answers agree")

    @pytest.mark.parametrize(("mini", "mid"), [("4", "5"), ("", "4"), ("", "")])
    def test_answers_that_differ_or_say_nothing_go_to_the_final_model(self, mini: str, mid: str) -> None:
        step = pair().next(QUERY, said(mini=mini, mid=mid))

        # Without a word the first already cannot be agreed with; either way the last answer streams straight through.
        assert called(step) == ("big", Reason.ESCALATED, Hold.NOTHING)

    def test_the_final_answer_is_taken_as_it_is(self) -> None:
        step = pair().next(QUERY, said(mini="4", mid="5", big="6"))

        assert isinstance(step, Accept) and step.attempt == 2

    def test_a_voter_that_may_not_be_asked_leaves_it_to_the_final_model(self) -> None:
        narrowed = replace(QUERY, allow=frozenset({"mini", "big"}))

        assert called(pair().next(narrowed, ()))[0] == "big"


class TestMoreOpinions:
    def test_a_failed_call_is_no_vote_and_is_asked_again(self) -> None:
        step = three().next(QUERY, (failed("mini"), *said(mid="4")))

        assert called(step)[0] == "mini"

    def test_a_lead_of_two_is_reached_after_a_stray_answer(self) -> None:
        four = Agreement("agree", MODELS, ["mini", "mid", "small"], "big", most=4)
        attempts = said(mini="5", mid="4", small="4")

        assert called(four.next(QUERY, attempts))[0] == "mini"
        assert four.next(QUERY, (*attempts, *said(mini="4"))) == Accept(attempt=1, reason="3 of 4 answers agree")

    def test_no_opinion_is_drawn_that_could_not_settle_it(self) -> None:
        assert called(three(lead=3).next(QUERY, said(mini="4", mid="5")))[0] == "big"

    def test_unanimity_is_a_lead_of_all(self) -> None:
        step = three(lead=3).next(QUERY, said(mini="4", mid="4", small="4"))

        assert step == Accept(attempt=0, reason="3 of 3 answers agree")

    def test_a_model_named_twice_is_sampled_twice(self) -> None:
        twice = Agreement("agree", MODELS, ["mini", "mini"], "big")

        assert called(twice.next(QUERY, said(mini="4")))[:2] == ("mini", Reason.OPINION)
        assert isinstance(twice.next(QUERY, (*said(mini="4"), *said(mini="4"))), Accept)

    def test_without_a_final_model_the_leader_is_taken_and_the_reason_says_so(self) -> None:
        step = three(final=None, lead=3).next(QUERY, said(mini="5", mid="4", small="4"))

        assert step == Accept(attempt=1, reason="no agreement: 2 of 3 gave this answer")

    def test_without_a_final_model_every_voter_is_asked_though_none_can_settle_it(self) -> None:
        assert called(three(final=None, lead=3).next(QUERY, said(mini="5", mid="4")))[0] == "small"

    def test_the_only_voter_that_may_be_asked_streams_straight_through(self) -> None:
        alone = replace(QUERY, allow=frozenset({"mid"}))

        assert called(three().next(alone, ())) == ("mid", Reason.FIRST_OF_CASCADE, Hold.NOTHING)
        assert isinstance(three().next(alone, said(mid="4")), Accept)

    def test_nobody_to_ask_is_told_with_the_reasons(self) -> None:
        with pytest.raises(NoEligibleModel, match="big: not allowed"):
            three().next(replace(QUERY, allow=frozenset()), ())


class TestBetaStopping:
    def test_four_of_four_are_enough_for_95_percent_and_three_are_not(self) -> None:
        stopping = Agreement("agree", MODELS, ["mini"], None, confidence=0.95, most=8)
        answers = said(mini="4") * 4

        assert isinstance(stopping.next(QUERY, answers[:3]), Call)
        assert stopping.next(QUERY, answers) == Accept(attempt=0, reason="4 of 4 answers agree")

    def test_fewer_than_three_answers_never_settle_it(self) -> None:
        stopping = Agreement("agree", MODELS, ["mini"], None, confidence=0.6, most=3)

        assert isinstance(stopping.next(QUERY, said(mini="4") * 2), Call)

    @pytest.mark.parametrize(("votes", "runner_up", "expected"), [(3, 0, 15 / 16), (4, 0, 31 / 32), (2, 2, 0.5)])
    def test_the_odds_of_a_few_answers(self, votes: int, runner_up: int, expected: float) -> None:
        assert odds(votes, runner_up) == expected

    @settings(deadline=None)  # the first example imports SciPy
    @given(votes=st.integers(0, 40), runner_up=st.integers(0, 40))
    def test_the_odds_are_those_of_the_beta_distribution(self, votes: int, runner_up: int) -> None:
        special = pytest.importorskip("scipy.special")

        assert odds(votes, runner_up) == pytest.approx(1 - special.betainc(votes + 1, runner_up + 1, 0.5), abs=1e-12)


class TestBounds:
    def test_the_worst_case_is_everybody(self) -> None:
        query = replace(QUERY, parameters={"max_tokens": 10}, deadline_s=5.0)

        bounds = three().worst_case(query)

        assert bounds.calls == 4 and bounds.output_tokens == 40 and bounds.latency_s == 5.0

    def test_what_the_caller_cannot_pay_for_is_not_asked(self) -> None:
        poor = replace(QUERY, parameters={"max_tokens": 10}, max_cost_usd=2e-4)  # big alone may cost 1e-2

        assert three().worst_case(poor) == Bounds(
            calls=2, input_tokens=4, output_tokens=20, latency_s=None, cost_usd=pytest.approx(1.32e-4)
        )
        assert isinstance(three().next(poor, said(mini="4", mid="5")), Accept)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"final": "mini"}, "'mini' is a voter and the final model"),
        ({"lead": 4}, "3 opinions never agree enough"),
        ({"lead": 0}, "lead must be 1 or more"),
        ({"confidence": 0.95}, "3 opinions never agree enough"),
        ({"confidence": 1.0}, "confidence must be between 0.5 and 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        three(**settings)  # type: ignore[arg-type]


@given(texts=st.lists(st.sampled_from(["1", "2", "3", ""]), min_size=6, max_size=6), lead=st.integers(1, 6))
def test_stopping_early_never_changes_what_is_given(texts: list[str], lead: int) -> None:
    """Against drawing on until the lead is there or nothing is left, which needs no thought."""
    strategy = Agreement("agree", MODELS, ["mini", "mid"], "big", lead=lead, most=6)
    attempts: list[Attempt] = []
    while isinstance(step := strategy.next(QUERY, attempts), Call) and step.decision.model != "big":
        attempts.append(answered(step.decision.model, text=texts[len(attempts)]))

    assert (None if isinstance(step, Call) else texts[step.attempt]) == by_hand(texts, lead)  # type: ignore[union-attr]


def by_hand(texts: list[str], lead: int) -> str | None:
    for drawn in range(1, len(texts) + 1):
        votes = Counter(text for text in texts[:drawn] if text).most_common(2)
        if votes and votes[0][1] - (votes[1][1] if len(votes) > 1 else 0) >= lead:
            return votes[0][0]
    return None
