"""Verifiers: a score in [0, 1] for an answer already produced; each is in the room's table."""

import math
from importlib import import_module

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers import VERIFIERS
from switchpoint.verifiers.plain import checks, confidence

QUERY = Query.of("What is 2 + 2?")
JSON_QUERY = Query(id="q", messages=QUERY.messages, parameters={"response_format": {"type": "json_object"}})
TOOL_BODY = {"choices": [{"message": {"tool_calls": [{"id": "1"}]}}]}


@pytest.mark.parametrize("name", VERIFIERS)
@pytest.mark.parametrize("answer", [Answer(text="4", logprobs=(-0.1,), body={}), Answer(text="", body={})])
async def test_every_verifier_gives_a_score_in_range_or_none_at_all(name: str, answer: Answer) -> None:
    module, function = VERIFIERS[name].split(":")

    verdict = await getattr(import_module(module), function)(QUERY, answer)

    assert math.isnan(verdict.score) or 0.0 <= verdict.score <= 1.0
    assert verdict.cost_usd == 0


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (Answer(text="4", finish_reason="stop", body={}), 1.0),
        (Answer(text="   ", body={}), 0.0),
        (Answer(text="4 and then", finish_reason="length", body={}), 0.0),
        (Answer(text="I'm sorry, but I can't help.", body={}), 0.0),
        (Answer(text="", body=TOOL_BODY), 1.0),
    ],
)
async def test_checks_find_what_is_plainly_wrong(answer: Answer, score: float) -> None:
    assert (await checks(QUERY, answer)).score == score


@pytest.mark.parametrize(("text", "score"), [('{"a": 1}', 1.0), ("{a: 1}", 0.0)])
async def test_checks_want_json_where_json_was_asked_for(text: str, score: float) -> None:
    assert (await checks(JSON_QUERY, Answer(text=text, body={}))).score == score


async def test_confidence_is_the_geometric_mean_of_the_token_probabilities() -> None:
    answer = Answer(text="4", logprobs=(math.log(0.9), math.log(0.4)), body={})

    assert (await confidence(QUERY, answer)).score == pytest.approx(math.sqrt(0.36))


async def test_confidence_is_unknown_without_log_probabilities() -> None:
    assert math.isnan((await confidence(QUERY, Answer(text="4", body={}))).score)
