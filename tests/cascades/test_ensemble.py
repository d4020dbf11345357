"""Ensemble: every model answers, then one answer is chosen or written."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.combine import CANDIDATE_CHARS, Best, Fuse, Rank, Vote, bubble
from switchpoint.cascades.ensemble import Ensemble
from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Accept, Call, Hold, Reason, Verify
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.query import Query
from tests.doubles import answered, catalog

MODELS = catalog("big", "mid", "mini", "judge")
THREE = ["big", "mid", "mini"]
QUERY = Query.of("How many?")


def ensemble(combine: object = None, models: list[str] = THREE) -> Ensemble:
    return Ensemble("all", MODELS, models, combine or Vote())  # type: ignore[arg-type]


def said(**texts: str) -> tuple[Attempt, ...]:
    return tuple(answered(model, text=text) for model, text in texts.items())


ALL = said(big="5", mid="4", mini="4")


class TestEveryEnsemble:
    def test_every_model_is_called_before_anything_is_chosen(self) -> None:
        steps = [ensemble().next(QUERY, ALL[:number]) for number in range(3)]

        assert [step.decision.model for step in steps if isinstance(step, Call)] == THREE
        assert {(s.decision.reason, s.hold) for s in steps if isinstance(s, Call)} == {(Reason.ENSEMBLE, Hold.ALL)}

    def test_one_that_may_not_be_called_is_left_out(self) -> None:
        narrowed = replace(QUERY, allow=frozenset({"mid", "mini"}))

        assert ensemble().next(narrowed, ALL[1:]) == Accept(attempt=0, reason="2 of 2 answers agree")

    def test_the_only_one_that_may_be_called_streams_straight_through(self) -> None:
        narrowed = replace(QUERY, allow=frozenset({"mid"}))

        step = ensemble(Rank(MODELS["judge"])).next(narrowed, ())

        assert isinstance(step, Call) and step.hold is Hold.NOTHING
        assert ensemble(Best("checks")).next(narrowed, ALL[1:2]) == Accept(attempt=0, reason="the only answer")

    def test_a_model_named_twice_is_sampled_twice(self) -> None:
        step = ensemble(models=["mid", "mid"]).next(QUERY, ALL[1:2])

        assert isinstance(step, Call) and step.decision.model == "mid"

    def test_nobody_to_call_is_told_with_the_reasons(self) -> None:
        with pytest.raises(NoEligibleModel, match="big: not allowed"):
            ensemble().next(replace(QUERY, allow=frozenset()), ())

    def test_one_model_is_no_ensemble(self) -> None:
        with pytest.raises(ConfigError, match="at least two models"):
            ensemble(models=["mid"])


class TestVote:
    def test_the_majority_wins_with_its_first_answer(self) -> None:
        assert ensemble().next(QUERY, ALL) == Accept(attempt=1, reason="2 of 3 answers agree")

    @pytest.mark.parametrize("texts", [("1", "2", "3"), ("", "", "")])
    def test_without_a_majority_the_model_that_is_named_first_wins(self, texts: tuple[str, str, str]) -> None:
        attempts = said(mini=texts[2], big=texts[0], mid=texts[1])

        step = ensemble().next(QUERY, attempts)

        assert isinstance(step, Accept) and attempts[step.attempt].decision.model == "big"


class TestBestOf:
    def test_each_answer_is_verified_once(self) -> None:
        attempts = (answered("big", 0.3), answered("mid"), answered("mini"))

        assert ensemble(Best("checks")).next(QUERY, attempts) == Verify(attempt=1, verifier="checks")

    @pytest.mark.parametrize(
        ("scores", "best"), [((0.3, 0.9, 0.5), 1), ((0.5, 0.5, 0.5), 0), ((math.nan, 0.0, math.nan), 1)]
    )
    def test_the_highest_score_wins_and_the_first_of_equals(self, scores: tuple[float, ...], best: int) -> None:
        attempts = [answered(model, score) for model, score in zip(THREE, scores, strict=True)]

        assert ensemble(Best("checks")).next(QUERY, attempts) == Accept(attempt=best, reason="best of 3")


class TestRank:
    def test_the_ranker_is_shown_the_conversation_and_both_answers(self) -> None:
        step = ensemble(Rank(MODELS["judge"])).next(QUERY, ALL)

        assert isinstance(step, Call) and step.decision.model == "judge" and step.hold is Hold.ALL
        assert step.messages is not None and step.messages[:-1] == QUERY.messages
        assert "<answer_a>\n5\n" in step.messages[-1]["content"] and "<answer_b>\n4\n" in step.messages[-1]["content"]

    def test_what_the_caller_asked_of_the_form_is_not_asked_of_the_ranker(self) -> None:
        strict = replace(QUERY, parameters={"tools": [{}], "response_format": {"type": "json_object"}, "seed": 1})

        step = ensemble(Rank(MODELS["judge"])).next(strict, ALL)

        assert isinstance(step, Call)
        assert step.parameters == {"tool_choice": "none", "response_format": {"type": "text"}}

    def test_after_the_last_comparison_the_leader_is_accepted(self) -> None:
        replies = [answered("judge", text=reply) for reply in ("B", "The better answer is A", "**A**")]

        step = ensemble(Rank(MODELS["judge"])).next(QUERY, (*ALL, *replies))

        assert step == Accept(attempt=1, reason="ranked first of 3")

    def test_a_candidate_may_rank_too(self) -> None:
        step = ensemble(Rank(MODELS["big"])).next(QUERY, (*ALL, answered("big", text="A")))

        assert isinstance(step, Call) and step.decision.detail == "compares big with mini"

    def test_where_the_ranker_may_not_be_asked_the_leader_so_far_is_taken(self) -> None:
        narrowed = replace(QUERY, allow=frozenset(THREE))

        step = ensemble(Rank(MODELS["judge"])).next(narrowed, ALL)

        assert step == Accept(attempt=0, reason="ranked first until the ranking broke off")

    @given(order=st.permutations(range(5)))
    def test_a_ranker_without_a_favourite_place_finds_the_best(self, order: list[int]) -> None:
        replies: list[str | None] = []
        while (shown := (found := bubble(order, iter(replies)))[1]) is not None:
            replies.append("a" if shown[0] > shown[1] else "b")

        assert found[0] == 4 and 4 <= len(replies) <= 8

    @pytest.mark.parametrize("reply", ["a", "b", None, "neither"])
    def test_a_ranker_that_always_says_the_same_keeps_the_first(self, reply: str | None) -> None:
        assert bubble([7, 8, 9], iter([reply] * 10)) == (7, None)


class TestFuse:
    def test_the_fuser_is_shown_every_answer_and_streams_straight_through(self) -> None:
        step = ensemble(Fuse(MODELS["judge"])).next(QUERY, ALL)

        assert isinstance(step, Call) and step.hold is Hold.NOTHING
        assert (step.decision.model, step.decision.reason) == ("judge", Reason.FUSED)
        assert step.messages is not None and "<answer_3>\n4\n" in step.messages[-1]["content"]

    def test_its_answer_is_accepted(self) -> None:
        step = ensemble(Fuse(MODELS["big"])).next(QUERY, (*ALL, answered("big", text="4 and 5")))

        assert step == Accept(attempt=3, reason="fused from 3 answers")

    def test_where_it_may_not_be_asked_the_vote_decides(self) -> None:
        narrowed = replace(QUERY, allow=frozenset(THREE))

        assert ensemble(Fuse(MODELS["judge"])).next(narrowed, ALL) == Accept(attempt=1, reason="2 of 3 answers agree")

    def test_long_answers_are_cut(self) -> None:
        long = said(big="x" * 100_000, mid="y")

        step = ensemble(Fuse(MODELS["judge"]), ["big", "mid"]).next(QUERY, long)

        assert isinstance(step, Call) and step.messages is not None
        assert step.messages[-1]["content"].count("x") < CANDIDATE_CHARS + 20


@pytest.mark.parametrize(
    ("combine", "calls"), [(Vote(), 3), (Best("checks"), 3), (Rank(MODELS["judge"]), 7), (Fuse(MODELS["judge"]), 4)]
)
def test_the_worst_case_counts_what_combining_takes(combine: object, calls: int) -> None:
    capped = replace(QUERY, parameters={"max_tokens": 10})

    bounds = ensemble(combine).worst_case(capped)

    assert bounds.calls == calls and bounds.output_tokens == 10 * calls
