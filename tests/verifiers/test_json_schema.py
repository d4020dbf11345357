"""JSON schema: is the answer the JSON that was asked for."""

import math
from typing import Any

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers import schemas
from switchpoint.verifiers.json_schema import json_schema
from switchpoint.verifiers.needs import require
from switchpoint.verifiers.plain import checks

PERSON = {
    "type": "object",
    "properties": {"age": {"$ref": "#/$defs/age"}},
    "required": ["age"],
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


def asking(schema: Any) -> Query:
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    return Query(id="q", messages=(), parameters={"response_format": wanted})


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ('{"age": 3}', None),
        ('{"age": -3}', "the JSON breaks the schema: minimum"),
        ('{"age": "3"}', "the JSON breaks the schema: type"),
        ("{}", "the JSON breaks the schema: required"),
        ('```json\n{"age": 3}\n```', "not the JSON asked for"),
        ('{"age": NaN}', "not the JSON asked for"),
        ("[" * 5_000, "not the JSON asked for"),
        ("", "not the JSON asked for"),
    ],
)
async def test_the_answer_must_obey_the_schema(text: str, detail: str | None) -> None:
    verdict = await json_schema(asking(PERSON), Answer(text=text, body={}))

    assert (verdict.score, verdict.detail) == (1.0 if detail is None else 0.0, detail)


@pytest.mark.parametrize(("text", "score"), [('{"a": 1}', 1.0), ("[1]", 0.0), ("{a: 1}", 0.0)])
async def test_json_without_a_schema_must_be_an_object(text: str, score: float) -> None:
    query = Query(id="q", messages=(), parameters={"response_format": {"type": "json_object"}})

    assert (await json_schema(query, Answer(text=text, body={}))).score == score


async def test_where_no_json_was_asked_for_any_text_will_do() -> None:
    assert (await json_schema(Query.of("Hello"), Answer(text="Hello", body={}))).score == 1.0


@pytest.mark.parametrize("schema", [{"type": "nonsense"}, {"$ref": "https://example.com/x"}, {"$ref": "#"}, [1]])
async def test_a_schema_that_cannot_be_read_leaves_the_score_unknown_and_is_no_plain_fault(schema: Any) -> None:
    answer = Answer(text='{"age": 3}', body={})

    assert math.isnan((await json_schema(asking(schema), answer)).score)
    assert (await checks(asking(schema), answer)).score == 1.0


@pytest.mark.parametrize(
    ("pattern", "broken"), [("^(a+)+$", "pattern"), ("^a", None), ("(?=a)b", None), ("\ud800", "pattern")]
)
def test_patterns_take_linear_time_and_unknown_ones_are_passed_over(pattern: str, broken: str | None) -> None:
    assert schemas.broken_keyword("a" * 5_000 + "!", {"pattern": pattern}) == broken


def test_pattern_properties_are_matched_too() -> None:
    schema = {"patternProperties": {"^n_": {"type": "integer"}}}

    assert schemas.broken_keyword({"n_a": 1, "other": "x"}, schema) is None
    assert schemas.broken_keyword({"n_a": "x"}, schema) == "type"


@pytest.mark.parametrize(
    ("items", "broken"),
    [([1, 2], None), ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], "uniqueItems"), ([1, True], None), ("aa", None)],
)
def test_unique_items_are_told_apart_as_json(items: Any, broken: str | None) -> None:
    assert schemas.broken_keyword(items, {"uniqueItems": True}) == broken


def test_many_items_are_compared_without_comparing_each_with_each() -> None:
    items = [{"a": n} for n in range(8_000)]

    assert schemas.broken_keyword(items, {"uniqueItems": True}) is None
    assert schemas.broken_keyword([*items, {"a": 0}], {"uniqueItems": True}) == "uniqueItems"


@pytest.mark.parametrize(("schema", "broken"), [(True, None), (False, "false")])
def test_a_schema_may_be_a_boolean(schema: bool, broken: str | None) -> None:
    assert schemas.broken_keyword({}, schema) == broken


async def test_without_the_libraries_the_verifiers_that_need_them_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("switchpoint.verifiers.needs.installed", lambda: False)

    require(["checks", "arithmetic"])
    with pytest.raises(ConfigError, match=r"'json_schema' needs .*switchpoint\[verify\]"):
        require(["checks", "json_schema"])


async def test_without_the_libraries_checks_still_want_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchpoint.verifiers.json_schema.installed", lambda: False)

    assert (await checks(asking(PERSON), Answer(text="{}", body={}))).score == 1.0
    assert (await checks(asking(PERSON), Answer(text="{", body={}))).score == 0.0
