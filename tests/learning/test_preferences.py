"""Whoever scored higher on a query won it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import DataError, UnknownModel
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.preferences import preferences_of

MODELS = ("small", "large", "huge")


def outcomes(quality):
    quality = np.array(quality, dtype=float)
    return Outcomes(
        queries=tuple(Query.of(f"q{i}") for i in range(len(quality))),
        models=MODELS,
        quality=quality,
        cost_usd=np.full_like(quality, np.nan),
        domains=("d",) * len(quality),
    )


def battles(found):
    ids = [query.full_text for query in found.queries]
    return list(zip(ids, found.a, found.b, found.result.tolist(), strict=True))


def test_every_pair_that_was_observed_is_a_battle():
    found = preferences_of(outcomes([[1, 0, 1], [0.2, np.nan, 0.9], [np.nan, 1, np.nan]]))

    assert battles(found) == [
        ("q0", "small", "large", 1.0),
        ("q0", "small", "huge", 0.5),
        ("q0", "large", "huge", 0.0),
        ("q1", "small", "huge", 0.0),
    ]


def test_scores_within_the_band_are_a_tie():
    found = preferences_of(outcomes([[0.3, 0.2, 0.0]]), tie=0.1)

    assert found.result.tolist() == [0.5, 1.0, 1.0]


def test_pairs_can_be_chosen_and_say_who_is_a():
    found = preferences_of(outcomes([[0, 1, 0.5]]), pairs=[("huge", "small")])

    assert battles(found) == [("q0", "huge", "small", 1.0)]


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=10), st.floats(0, 0.5))
def test_turning_every_pair_around_turns_every_result_around(rows, tie):
    there = preferences_of(outcomes(rows), tie=tie, pairs=[("small", "large")])
    back = preferences_of(outcomes(rows), tie=tie, pairs=[("large", "small")])

    np.testing.assert_array_equal(there.result, 1 - back.result)


@pytest.mark.parametrize("tie", [-0.1, 1.0, float("nan")])
def test_a_band_outside_its_range_is_refused(tie):
    with pytest.raises(DataError, match=r"must be in \[0, 1\)"):
        preferences_of(outcomes([[0, 1, 1]]), tie=tie)


def test_outcomes_without_a_pair_are_refused():
    with pytest.raises(DataError, match="no query has the scores of two models"):
        preferences_of(outcomes([[1, np.nan, np.nan]]))


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(UnknownModel, match="Did you mean 'large'"):
        preferences_of(outcomes([[0, 1, 1]]), pairs=[("small", "lagre")])
