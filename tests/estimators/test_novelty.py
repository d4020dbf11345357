"""Novelty: known kinds are familiar, a left-out kind is not, and the number is a share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.query import Query
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.novelty import Novelty

CODE = "def add(a, b):\n    return a + b\n\nassert add(1, 2) == 3\n"
CHINESE = "法国的首都是哪座城市？请用一句话回答，并说明理由。"
ARITHMETIC = "Tom has 12 apples and buys 3 bags with 4 apples each. He gives away 5 apples. How many apples has he now?"
CHOICE = (
    "Which of the following is an example of a fixed cost for a firm in the short run?\n"
    "A. Wages of hourly workers\nB. Rent\nC. Raw materials\nD. Fuel\nAnswer:"
)


def novelty_of(bundled: Bundled, text: str) -> float:
    novelty = bundled.predict([Query.of(text)]).novelty
    assert novelty is not None
    return float(novelty[0])


@pytest.mark.parametrize("text", [ARITHMETIC, CHOICE])
def test_what_the_bundled_router_was_trained_on_is_familiar(bundled: Bundled, text: str) -> None:
    assert novelty_of(bundled, text) < 0.25


@pytest.mark.parametrize("text", [CODE, CHINESE, "", "?" * 500, "\x00\xff" * 300])
def test_what_it_never_saw_is_new(bundled: Bundled, text: str) -> None:
    assert novelty_of(bundled, text) > 0.75


@given(st.text(st.characters(), max_size=100))
@settings(deadline=None, max_examples=50)
def test_novelty_of_any_text_is_a_share(text: str) -> None:
    assert 0 <= novelty_of(Bundled.load(), text) <= 1


def test_of_the_left_out_themselves_half_lie_beyond_one_half(bundled: Bundled) -> None:
    columns = bundled.knowledge.kinds.columns
    known, kinds = np.arange(len(columns)) < len(columns) // 2, bundled.knowledge.kinds.labels
    masks = {str(kind): kinds == kind for kind in np.unique(kinds[~known])}

    novelty = Novelty.fit(columns, masks, known)

    beyond = novelty.of(columns[~known]) > 0.5
    assert beyond.mean() == pytest.approx(0.5, abs=0.15)


def test_a_product_that_is_at_hand_is_not_needed_again(bundled: Bundled) -> None:
    novelty, columns = bundled.knowledge.novelty, bundled.knowledge.kinds.columns

    assert (novelty.of(columns) == novelty.of(columns, columns @ novelty.matrix)).all()
