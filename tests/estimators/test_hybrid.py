"""Hybrid: the three labels are those of the paper, and t* is the tolerance that tells queries apart best."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.estimators.hybrid import (
    Hybrid,
    best_tolerance,
    chances,
    deterministic,
    matches,
    mean_difference,
    probabilistic,
    reference_of,
    transformed,
)
from tests.estimators.test_factors import make_reading

SMALL, LARGE = 0, 1


def test_the_deterministic_label_compares_single_scores() -> None:
    quality = np.array([[1, 1], [0, 1], [1, 0], [0, 0], [0.7, 0.8], [0, 1]])

    labels = deterministic(make_reading(6), quality, 0.2)

    assert labels.match[:, SMALL].tolist() == [1, 0, 1, 1, 1, 0]


@given(right=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_the_probabilistic_label_is_the_share_of_pairs_of_answers_that_match(right: tuple[int, int]) -> None:
    small, large = ([1] * n + [0] * (10 - n) for n in sorted(right))
    share = np.mean([s >= b for s, b in product(small, large)])
    quality = np.tile([np.mean(small), np.mean(large)], (3, 1))
    quality[1:] = [0.1, 0.95]

    assert probabilistic(make_reading(3), quality, 0.0).match[0, SMALL] == pytest.approx(share)


def test_a_single_score_is_averaged_with_its_neighbours() -> None:
    reading = make_reading(200)
    quality = (reading.vectors[:, :1] > 0).astype(float)

    smooth = chances(reading, quality)[:, 0]

    assert len(set(smooth.round(6).tolist())) > 5
    assert smooth.mean() == pytest.approx(quality.mean(), abs=0.1)


def test_repeated_answers_are_taken_as_they_are() -> None:
    quality = np.random.default_rng(0).integers(0, 11, (50, 2)) / 10

    assert (chances(make_reading(50), quality) == quality).all()


def test_a_tolerance_of_a_whole_point_is_always_met() -> None:
    quality = np.array([[0.0, 1.0], [0.2, 0.9]])

    for label in (deterministic, probabilistic):
        assert (label(make_reading(2), quality, 1.0).match == 1).all()


@given(y=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_the_mean_difference_is_that_over_all_pairs(y: list[float]) -> None:
    values = np.array(y)

    assert mean_difference(values) == pytest.approx(np.abs(values[:, None] - values).mean(), abs=1e-12)


def test_the_best_tolerance_spreads_the_labels_of_a_model_that_is_far_behind() -> None:
    ahead, error = np.linspace(-0.8, -0.4, 50), np.full(50, 0.05)

    found = best_tolerance(ahead, error)

    assert found == pytest.approx(0.6, abs=0.02)
    assert mean_difference(matches(ahead, error, 0.0)) < 0.01 < mean_difference(matches(ahead, error, found))


def test_the_transformed_label_has_its_own_tolerance_for_every_model() -> None:
    reading = make_reading(400)
    chance = np.stack([0.3 + 0.2 * reading.vectors[:, 0], 0.6 + 0.2 * reading.vectors[:, 0], np.full(400, 0.9)], axis=1)

    labels = transformed(reading, (np.random.default_rng(0).random(chance.shape) < chance).astype(float), 0.0)

    assert labels.tolerance[0] > labels.tolerance[1] > labels.tolerance[2] == 0
    assert 0.2 < labels.match[:, 0].mean() < 0.8


@pytest.mark.parametrize("label", ["det", "prob", "trans"])
def test_the_small_model_matches_where_it_did_well_and_the_reference_always(label: str) -> None:
    reading = make_reading(800)
    easy = reading.vectors[:, 0] > 0
    chance = np.stack([np.where(easy, 0.9, 0.2), np.full(800, 0.9)], axis=1)

    quality = (np.random.default_rng(0).random(chance.shape) < chance).astype(float)

    p = Hybrid.fit(reading, quality, label).predict(reading)

    assert (p[:, LARGE] == 1).all()
    assert p[easy, SMALL].mean() > p[~easy, SMALL].mean() + 0.1


def test_a_lower_threshold_sends_more_to_the_small_model_without_new_training() -> None:
    reading = make_reading(800)
    quality = (np.random.default_rng(0).random((800, 2)) < [0.6, 0.9]).astype(float)

    match = Hybrid.fit(reading, quality).predict(reading)[:, SMALL]

    shares = [(match >= threshold).mean() for threshold in (1.0, 0.65, 0.6, 0.0)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0


def test_a_query_without_the_reference_teaches_nothing() -> None:
    quality = np.array([[1.0, np.nan], [np.nan, 1.0], [0.0, 1.0]])

    for label in (deterministic, probabilistic, transformed):
        assert np.isnan(label(make_reading(3), quality, 0.0).match[:, SMALL]).tolist() == [True, True, False]


def test_the_reference_is_the_best_on_average() -> None:
    assert reference_of(np.array([[0.0, 1.0, np.nan], [1.0, 1.0, 0.0]])) == LARGE
