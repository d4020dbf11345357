"""Ratings: the closed sets of words, and texts as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.rating import WAYS, as_data


@pytest.mark.parametrize("way", WAYS)
def test_every_way_goes_from_a_word_for_easy_to_a_word_for_hard(way: str) -> None:
    ease = list(WAYS[way].values())

    assert (min(ease), max(ease)) == (0.0, 1.0)
    assert ease in (sorted(ease), sorted(ease, reverse=True))


@given(st.text())
def test_a_text_as_data_has_its_length_and_no_angle_brackets(text: str) -> None:
    data = as_data(text)

    assert len(data) == len(text)
    assert not set(data) & {"<", ">"}
    assert as_data(data) == data
