"""Tool calls: what the request allows, and what it does not."""

import json
import math
from typing import Any

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.query import Query
from switchpoint.verifiers.tool_calls import tool_calls

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "pattern": "^[A-Z]"},
        "unit": {"enum": ["C", "F"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "now"}},
    {"type": "custom", "custom": {"name": "shell"}},
]


def call(name: str = "weather", arguments: Any = '{"city": "Paris"}', id: str = "1") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def answer(*calls: Any, text: str = "") -> Answer:
    return Answer(text=text, body={"choices": [{"message": {"tool_calls": list(calls)}}]})


def query(*earlier: Any, **parameters: Any) -> Query:
    messages = ({"role": "user", "content": "Weather in Paris?"}, *earlier)
    return Query(id="q", messages=messages, parameters={"tools": TOOLS, **parameters})


def failed(result: str) -> Query:
    return query(
        {"role": "assistant", "tool_calls": [call()]}, {"role": "tool", "tool_call_id": "1", "content": result}
    )


@pytest.mark.parametrize(
    "made",
    [
        answer(call()),
        answer(call("now", "")),
        answer(call(arguments={"city": "Paris"})),
        answer(call(arguments='{"city": "Paris", "unit": "C", "days": 7}')),
        answer({"type": "custom", "custom": {"name": "shell", "input": "ls"}}),
        Answer(text="It is sunny.", body={}),
    ],
)
async def test_a_call_that_the_request_allows_scores_one(made: Answer) -> None:
    assert (await tool_calls(query(), made)).score == 1.0


@pytest.mark.parametrize(
    ("made", "detail"),
    [
        (call("wether"), "a tool that the request does not have"),
        (call(arguments='{"city": '), "tool arguments that are not JSON"),
        (call(arguments="[1]"), "tool arguments that are not an object"),
        (call(arguments="{}"), "tool arguments break the schema: required"),
        (call(arguments='{"city": "Paris", "unit": "K"}'), "tool arguments break the schema: enum"),
        (call(arguments='{"city": "Paris", "days": 8}'), "tool arguments break the schema: maximum"),
        (call(arguments='{"city": "paris"}'), "tool arguments break the schema: pattern"),
        (call(arguments='{"city": "Paris", "x": 1}'), "tool arguments break the schema: additionalProperties"),
        (3, "a tool that the request does not have"),
        ({"function": None}, "a tool that the request does not have"),
    ],
)
async def test_a_call_that_is_not_allowed_scores_zero_and_says_why(made: Any, detail: str) -> None:
    verdict = await tool_calls(query(), answer(call(), made))

    assert (verdict.score, verdict.detail) == (0.0, detail)


@pytest.mark.parametrize(
    ("made", "choice", "detail"),
    [
        (answer(text="Sunny."), "required", "no tool call where one is required"),
        (
            answer(text="Sunny."),
            {"type": "function", "function": {"name": "now"}},
            "no tool call where one is required",
        ),
        (answer(call()), {"type": "function", "function": {"name": "now"}}, "another tool than the one demanded"),
        (answer(call()), "none", "a tool call where none is allowed"),
    ],
)
async def test_the_tool_choice_of_the_request_is_kept(made: Answer, choice: Any, detail: str) -> None:
    assert (await tool_calls(query(tool_choice=choice), made)).detail == detail


async def test_several_calls_are_a_fault_only_where_the_request_says_so() -> None:
    several = answer(call(), call("now", "{}"))

    assert (await tool_calls(query(), several)).score == 1.0
    assert (await tool_calls(query(parallel_tool_calls=False), several)).score == 0.0


@pytest.mark.parametrize("result", ["Error: no such city", '{"error": "timeout"}', '{"is_error": true}'])
async def test_repeating_a_call_that_failed_is_a_fault_however_it_is_written(result: str) -> None:
    again = answer(call(arguments=json.dumps({"city": "Paris"}, indent=2), id="2"))

    assert (await tool_calls(failed(result), again)).detail == "repeats a tool call that failed before"


async def test_repeating_a_call_that_succeeded_is_fine() -> None:
    assert (await tool_calls(failed('{"error": null, "sky": "clear"}'), answer(call(id="2")))).score == 1.0


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "https://example.com/schema.json"}, 7])
async def test_a_schema_that_cannot_be_read_leaves_the_score_unknown(schema: Any) -> None:
    tools = [{"type": "function", "function": {"name": "weather", "parameters": schema}}]

    assert math.isnan((await tool_calls(query(tools=tools), answer(call()))).score)
