"""Attempts: which of the answers in hand is the best."""

import math
from dataclasses import replace

import pytest

from switchpoint.core.attempt import best_answered
from tests.doubles import answered, failed


@pytest.mark.parametrize(
    ("attempts", "best"),
    [
        ((), None),
        ((failed("a"),), None),
        ((answered("a", 0.4), answered("b", 0.3)), 0),
        ((answered("a", 0.4), answered("b", 0.4)), 1),
        ((answered("a", 0.0), answered("b", math.nan)), 0),
        ((answered("a", 0.0), answered("b")), 0),
        ((answered("a", math.nan), answered("b"), failed("c")), 1),
    ],
)
def test_the_best_answer_has_the_highest_latest_score_and_the_later_wins_ties(attempts, best) -> None:
    assert best_answered(attempts) == best


def test_an_answer_about_other_answers_is_never_the_best() -> None:
    aside = replace(answered("ranker", 1.0), aside=True)

    assert best_answered((answered("a", 0.1), aside)) == 0
    assert best_answered((aside,)) is None
