"""What an answer comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.conclusion import agree, conclusion


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B\n", "b"),
        ("(c) because", "c"),
        ("B. apple", "b"),
        ("the answer is: C", "c"),
        ("A: 06/11/2019", "06/11/2019"),
        ("Reasons.\n#### 1,200", "1200"),
        ("so it is 1200.0 dollars.", "1200"),
        ("He sold it for $7,000.", "7000"),
        ("\\boxed{42}", "42"),
        ("Reasons.\nParis. \n\n", "paris"),
        ("Yes!!", "yes"),
        ('{"b": 1, "a": 2}', '{"a":2,"b":1}'),
    ],
)
def test_an_answer_comes_to_its_option_number_json_or_last_line(text: str, expected: str) -> None:
    assert conclusion(text) == expected


@pytest.mark.parametrize("text", ["", "  \n ", "..."])
def test_what_says_nothing_agrees_with_nothing(text: str) -> None:
    assert conclusion(text) is None
    assert not agree(conclusion(text), conclusion(text))


def test_the_last_mark_wins_over_the_last_line() -> None:
    assert conclusion("The answer is 17.\nThe answer is 18.\nI hope that helps with all 5.") == "18"


@given(st.text())
def test_every_text_has_one_conclusion_or_none(text: str) -> None:
    found = conclusion(text)

    assert found is None or found == found.casefold().strip() or found.startswith(("{", "["))
