"""Judges: an opinion that cannot be read is unknown, and a comparison does not depend on the order."""

import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError, UpstreamUnreachable
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.fake import Fake
from switchpoint.verifiers.asking import Asking
from switchpoint.verifiers.judge import Comparator, Judge, Rubric, read_score, read_scores
from tests.doubles import model

QUERY = Query.of("Why is the sky blue?")
GOOD, BAD = Answer(text="Rayleigh scattering.", body={}), Answer(text="Because of the sea.", body={})


def judging(*turns: object, **more: object) -> Judge:
    return Judge(Asking(model("judge"), Fake({"judge": turns})), **more)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ('{"score": 10}', 1.0),
        ('{"score": 1}', 0.0),
        ('I think {"score": 2}, no, {"score": 5.5}', 0.5),
        ("Both facts hold.\n**10/10**", 1.0),
        ("Score: 5.5", 0.5),
    ],
)
async def test_the_score_is_the_opinion_on_the_scale_of_the_rubric(said: str, score: float) -> None:
    assert (await judging(said)(QUERY, GOOD)).score == pytest.approx(score)


@pytest.mark.parametrize("said", ["good", "", '{"score": 11}', '{"score": true}', '{"score": "NaN"}', "8 of 9 facts"])
async def test_an_opinion_that_cannot_be_read_is_unknown_and_paid_for(said: str) -> None:
    verdict = await judging(said)(QUERY, GOOD)

    assert math.isnan(verdict.score)
    assert verdict.cost_usd > 0
    assert verdict.detail == "the judge gave no score that can be read"


async def test_a_judge_that_cannot_be_reached_leaves_an_unknown_score_that_costs_nothing() -> None:
    verdict = await judging(UpstreamUnreachable("no route"))(QUERY, GOOD)

    assert (math.isnan(verdict.score), verdict.cost_usd) == (True, 0)
    assert verdict.detail == "asking failed: UpstreamUnreachable"


async def test_an_opinion_in_the_reasoning_field_is_read() -> None:
    class Reasoning:
        async def complete(self, model: Model, query: Query) -> Answer:
            return Answer(text="", body={"choices": [{"message": {"reasoning": 'It is right. {"score": 10}'}}]})

    assert (await Judge(Asking(model("judge"), Reasoning()))(QUERY, GOOD)).score == 1.0


async def test_a_rubric_says_what_is_scored_and_on_which_scale() -> None:
    fake = Fake({"judge": ['{"score": 3}']})

    verdict = await Judge(Asking(model("judge"), fake), rubric=Rubric("naming {its} source", 0, 4))(QUERY, GOOD)

    assert verdict.score == 0.75
    assert "from 0 (useless) to 4 (perfect) for naming {its} source" in fake.calls[0][1].messages[0]["content"]


async def test_the_judge_sees_the_turns_of_a_conversation() -> None:
    fake = Fake({"judge": ['{"score": 3}']})
    turns = ({"role": "user", "content": "Capital of Italy?"}, {"role": "assistant", "content": "Rome."})

    await Judge(Asking(model("judge"), fake))(Query(id="q", messages=(*turns, QUERY.messages[0])), GOOD)

    assert "user: Capital of Italy?\n\nassistant: Rome.\n\nuser: Why" in fake.calls[0][1].messages[1]["content"]


async def test_an_answer_without_text_is_not_asked_about() -> None:
    verdict = await judging('{"score": 10}')(QUERY, Answer(text="", body={}))

    assert (math.isnan(verdict.score), verdict.cost_usd) == (True, 0)


@pytest.mark.parametrize("rubric", [Rubric(" "), Rubric(low=10, high=1), Rubric(high=math.nan), Rubric(high=math.inf)])
def test_a_rubric_without_text_or_scale_is_refused(rubric: Rubric) -> None:
    with pytest.raises(ConfigError, match="a scale from low to high"):
        judging("5", rubric=rubric)


@given(st.text(max_size=300))
def test_whatever_is_said_a_score_is_on_the_scale_or_unknown(text: str) -> None:
    found = read_score(text, 1, 10)

    assert found is None or 1 <= found <= 10


def test_of_several_objects_the_last_one_with_all_fields_counts() -> None:
    said = '{"first": 2, "second": 9} ... {"first": 7, "second": 3} {"first": 1}'

    assert read_scores(said, ("first", "second"), 1, 10) == (7.0, 3.0)


def comparator(opinion: object, **more: object) -> Comparator:
    """A judge whose scores of (first, second) the test says."""

    def says(model: Model, query: Query) -> str:
        shown = query.messages[1]["content"]
        first, second = (re.search(rf"{name} answer\n(.*)", shown)[1] for name in ("first", "second"))
        scores = opinion(first, second)
        return scores if isinstance(scores, str) else f'{{"first": {scores[0]}, "second": {scores[1]}}}'

    return Comparator(Asking(model("judge"), Fake(says)), **more)


def honest(first: str, second: str) -> tuple[float, ...]:
    return tuple(8.0 if text == GOOD.text else 5.0 for text in (first, second))


async def test_the_better_answer_is_probably_better_in_either_place() -> None:
    judge = comparator(honest)

    forward, backward = await judge.compare(QUERY, GOOD, BAD), await judge.compare(QUERY, BAD, GOOD)

    assert forward.probability == pytest.approx(1 / (1 + math.exp(-3)))
    assert backward.probability == pytest.approx(1 - forward.probability)


@pytest.mark.parametrize("scores", [(9, 4), (4, 9), (5, 5)])
async def test_an_opinion_that_only_follows_the_order_is_a_tie(scores: tuple) -> None:
    compared = await comparator(lambda first, second: scores).compare(QUERY, GOOD, BAD)

    assert compared.probability == 0.5
    assert compared.cost_usd > 0


async def test_one_order_alone_says_nothing() -> None:
    half = comparator(lambda first, second: (9, 2) if first == GOOD.text else "I cannot say")

    assert math.isnan((await half.compare(QUERY, GOOD, BAD)).probability)


async def test_equal_answers_are_a_tie_that_nobody_is_asked_about() -> None:
    assert await comparator(honest).compare(QUERY, GOOD, GOOD) == (0.5, Decimal(0))


def test_a_slope_that_turns_opinions_around_is_refused() -> None:
    with pytest.raises(ConfigError, match="slope must be above 0"):
        comparator(honest, slope=-1.0)
