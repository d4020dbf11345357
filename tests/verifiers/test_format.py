"""Format: the form that a configuration wants an answer to have."""

from typing import Any

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers.format import format_check


async def score(text: str, **settings: Any) -> float:
    return (await format_check(**settings)(Query.of("q"), Answer(text=text, body={}))).score


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *[("letter", text) for text in ("B", "(b)", "C.", " D ")],
        *[("number", text) for text in ("42", "-1,250.5", "$3", "30%", ".5", "1e3")],
        *[("date", text) for text in ("2024-02-29", "05/12/2020", "March 5, 2020", "5 March 2020")],
        ("json", '{"a": [1]}'),
        ("one_line", "all of it"),
    ],
)
async def test_an_answer_in_the_form_scores_one(form: str, text: str) -> None:
    assert await score(text, form=form) == 1.0


@pytest.mark.parametrize(
    ("form", "text"),
    [
        *[("letter", text) for text in ("", "AB", "The answer is B", "7")],
        *[("number", text) for text in ("", "nan", "inf", "12 apples", "1 2")],
        *[("date", text) for text in ("2023-02-29", "tomorrow", "")],
        *[("json", text) for text in ("{", "[" * 10_000)],
        *[("one_line", text) for text in ("", "one\ntwo")],
        *[(form, "9" * 30_000) for form in ("letter", "number", "json")],
    ],
)
async def test_an_answer_without_the_form_scores_zero(form: str, text: str) -> None:
    assert await score(text, form=form) == 0.0


async def test_the_form_can_be_that_of_what_the_answer_comes_to() -> None:
    assert await score("Both are wrong, so the answer is (B).", form="letter", of="conclusion") == 1.0
    assert await score("Nobody knows.", form="letter", of="conclusion") == 0.0


async def test_a_pattern_must_match_the_whole_text_and_takes_linear_time() -> None:
    assert await score("AB-12", pattern="[A-Z]+-[0-9]+") == 1.0
    assert await score("see AB-12", pattern="[A-Z]+-[0-9]+") == 0.0
    assert await score("a" * 10_000 + "!", pattern="(a+)+") == 0.0
    assert await score("\ud800", pattern=".") == 1.0


async def test_words_are_counted_up_to_a_limit() -> None:
    assert await score("one two three", max_words=3) == 1.0
    assert await score("one two three four", max_words=3) == 0.0
    assert await score("word " * 200_000, max_words=3) == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs a form"),
        ({"form": "poem"}, "'poem'"),
        ({"max_words": 0}, "at least 1"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": r"(a)\1"}, "not a regular expression"),
    ],
)
def test_settings_that_say_nothing_sensible_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        format_check(**settings)
