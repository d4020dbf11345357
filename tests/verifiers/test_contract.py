"""The contract of every verifier of the table: a score in [0, 1] or NaN, free of charge, for any answer whatever."""

import json
import math
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import Query
from switchpoint.verifiers import VERIFIERS

TEXTS = st.text(st.characters(), max_size=300) | st.text("0123456789+-*/()=<>%$x. \n", max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)
BODIES = st.fixed_dictionaries(
    {"choices": JSON | st.lists(st.fixed_dictionaries({"message": JSON | st.fixed_dictionaries({"tool_calls": JSON})}))}
)
QUERIES = [
    Query.of("What is 2 + 2?"),
    Query(id="none", messages=()),
    Query(
        id="image",
        messages=({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]},),
        parameters={"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "string"}}}},
    ),
    Query(id="odd", messages=({"role": "user"},), parameters={"response_format": 3, "tools": 4, "tool_choice": []}),
]
LONG = ["a" * 10**6, "(" * 10**6, "[" * 10**6, "1+1=" * 250_000, "```\n" * 250_000, "-" * 10**6 + "1", " " * 10**6]


def load(name: str) -> Verifier:
    module, function = VERIFIERS[name].split(":")
    return getattr(import_module(module), function)  # type: ignore[no-any-return]


def is_sound(verdict: Verdict) -> bool:
    return math.isnan(verdict.score) or 0.0 <= verdict.score <= 1.0


@pytest.mark.parametrize("name", VERIFIERS)
@given(text=TEXTS, body=BODIES, query=st.sampled_from(QUERIES))
async def test_any_answer_gets_a_score_in_range_or_none_at_all(name: str, text: str, body: Any, query: Query) -> None:
    assert is_sound(await load(name)(query, Answer(text=text, body=body)))


@pytest.mark.parametrize("name", VERIFIERS)
@pytest.mark.parametrize("text", LONG, ids=lambda text: repr(text[:4]))
async def test_an_answer_of_a_megabyte_is_scored_like_any_other(name: str, text: str) -> None:
    assert is_sound(await load(name)(QUERIES[2], Answer(text=text, body={})))


@pytest.mark.parametrize("name", VERIFIERS)
async def test_a_verdict_is_free_and_the_same_each_time(name: str) -> None:
    answer = Answer(text="2 + 2 = 4", logprobs=(-0.1,), body={})

    first, again = await load(name)(QUERIES[0], answer), await load(name)(QUERIES[0], answer)

    assert first == again
    assert first.cost_usd == 0


@pytest.mark.parametrize("name", VERIFIERS)
async def test_a_detail_never_quotes_the_answer(name: str) -> None:
    secret = "xyzzysecret"
    call = {"type": "function", "function": {"name": secret, "arguments": json.dumps({secret: secret})}}
    answer = Answer(text=f"{secret} (", finish_reason="stop", body={"choices": [{"message": {"tool_calls": [call]}}]})

    assert secret not in ((await load(name)(QUERIES[0], answer)).detail or "")
