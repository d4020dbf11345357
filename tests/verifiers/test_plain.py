"""Checks and confidence: what needs nothing but the answer."""

import math
from typing import Any

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.plain import checks, confidence

QUERY = Query.of("What is 2 + 2?")
TOOLS = Query(
    id="q", messages=QUERY.messages, parameters={"tools": [{"type": "function", "function": {"name": "add"}}]}
)


def calling(name: str) -> dict[str, Any]:
    return {"choices": [{"message": {"tool_calls": [{"id": "1", "function": {"name": name, "arguments": "{}"}}]}}]}


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (Answer(text="4", finish_reason="stop", body={}), None),
        (Answer(text="   ", body={}), "empty"),
        (Answer(text="4 and then", finish_reason="length", body={}), "cut off at the limit of tokens"),
        (Answer(text="4", finish_reason="content_filter", body={}), "withheld by a filter of content"),
        (Answer(text="I'm sorry, but I can't help.", body={}), "a refusal"),
        (Answer(text="the same again " * 50, body={}), "ends in a loop"),
        (Answer(text="", body=calling("add")), None),
        (Answer(text="", body=calling("subtract")), "a tool that the request does not have"),
    ],
)
async def test_checks_find_what_is_plainly_wrong_and_name_it(answer: Answer, detail: str | None) -> None:
    verdict = await checks(TOOLS, answer)

    assert (verdict.score, verdict.detail) == (1.0 if detail is None else 0.0, detail)


@pytest.mark.parametrize(
    "body", [{}, {"choices": None}, {"choices": []}, {"choices": [3]}, {"choices": [{"message": []}]}]
)
async def test_an_answer_of_another_shape_is_judged_by_its_text(body: dict[str, Any]) -> None:
    assert (await checks(QUERY, Answer(text="4", body=body))).score == 1.0
    assert (await checks(QUERY, Answer(text="", body=body))).detail == "empty"


async def test_confidence_is_the_geometric_mean_of_the_token_probabilities() -> None:
    answer = Answer(text="4", logprobs=(math.log(0.9), math.log(0.4)), body={})

    assert (await confidence(QUERY, answer)).score == pytest.approx(math.sqrt(0.36))


async def test_confidence_is_unknown_without_log_probabilities() -> None:
    assert math.isnan((await confidence(QUERY, Answer(text="4", body={}))).score)
