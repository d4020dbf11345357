"""Novelty: known kinds are familiar, a left-out kind is not, and the number is a share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.query import Query
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.novelty import Novelty, merged, separation

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


def test_most_of_the_left_out_lie_beyond_one_half_and_most_of_the_known_below(bundled: Bundled) -> None:
    columns = bundled.knowledge.kinds.columns
    known, kinds = np.arange(len(columns)) < len(columns) // 2, bundled.knowledge.kinds.labels
    masks = {str(kind): kinds == kind for kind in np.unique(kinds)}

    novelty = Novelty.fit(columns, masks, known).of(columns)

    assert (novelty[~known] > 0.5).mean() > 0.8
    assert (novelty[known] > 0.5).mean() < 0.2


def test_a_kind_that_was_left_out_of_the_training_is_seen_as_new(bundled: Bundled) -> None:
    columns, labels = bundled.knowledge.kinds.columns, bundled.knowledge.kinds.labels
    code = np.array(bundled.knowledge.kinds.names)[labels] == "human_eval"
    masks = {str(kind): labels == kind for kind in np.unique(labels[~code])}

    novelty = Novelty.fit(columns, masks, ~code).of(columns[code])

    assert (novelty > 0.5).mean() > 0.9


def test_with_nothing_to_leave_out_all_is_familiar(bundled: Bundled) -> None:
    columns = bundled.knowledge.kinds.columns

    novelty = Novelty.fit(columns, {}, np.ones(len(columns), dtype=bool)).of(columns)

    assert (novelty < 0.01).all()


def test_two_names_for_one_kind_are_one_kind(bundled: Bundled) -> None:
    kinds = bundled.knowledge.kinds
    names = [f"{kinds.names[label]} {row % 2}" for row, label in enumerate(kinds.labels)]

    found = merged(kinds.columns, names)

    assert len(np.unique(found)) == len(kinds.names)
    assert all(len(np.unique(found[kinds.labels == kind])) == 1 for kind in np.unique(kinds.labels))


def test_samples_of_one_kind_are_no_distance_apart_on_average(bundled: Bundled) -> None:
    columns = np.tile(bundled.knowledge.kinds.columns, (4, 1))
    part = np.random.default_rng(0).integers(0, 4, len(columns))

    apart = separation(columns, [part == number for number in range(4)])

    assert np.abs(apart[~np.eye(4, dtype=bool)]).max() < 0.5


def test_a_kind_that_was_left_out_is_new_also_where_the_others_have_two_names_each(bundled: Bundled) -> None:
    kinds = bundled.knowledge.kinds
    code = np.isin(np.array(kinds.names)[kinds.labels], ["human_eval", "mbpp"])
    columns, labels = kinds.columns[~code], kinds.labels[~code]
    domains = [f"{label}-{row % 2}" for row, label in enumerate(labels)]

    novelty = Novelty.fit(*bundled.knowledge.ground(columns, domains)).of(kinds.columns[code])

    assert (novelty > 0.5).mean() > 0.8


@pytest.mark.parametrize("n_domains", [1, 3, 60])
def test_with_few_kinds_or_a_crowd_of_them_the_bundled_kinds_are_what_is_new(bundled: Bundled, n_domains: int) -> None:
    kinds = bundled.knowledge.kinds
    own = np.isin(np.array(kinds.names)[kinds.labels], ["mmlu", "gsm8k", "math"])
    columns = np.tile(kinds.columns[own], (3, 1))
    domains = [str(row % n_domains) for row in range(len(columns))]

    everything, of_kind, known = bundled.knowledge.ground(columns, domains)

    assert known.sum() == len(columns) < len(everything)
    assert "human_eval" in of_kind


def test_a_product_that_is_at_hand_is_not_needed_again(bundled: Bundled) -> None:
    novelty, columns = bundled.knowledge.novelty, bundled.knowledge.kinds.columns

    assert (novelty.of(columns) == novelty.of(columns, columns @ novelty.matrix)).all()
