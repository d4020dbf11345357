"""Neighbourhoods: known kinds or clusters, and means that are shrunk."""

import numpy as np
import pytest

from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.neighbourhoods import PRIOR_ROWS, Neighbourhoods, kmeans, usable
from switchpoint.estimators.static import N_SURFACE


def two_groups(n: int = 200) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, 4)) * 0.1
    x[: n // 2, 0] += 1
    x[n // 2 :, 1] += 1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def columns(x: np.ndarray) -> np.ndarray:
    """Vectors with a surface that says nothing, and the 1."""
    return np.hstack([x, np.zeros((len(x), N_SURFACE)), np.ones((len(x), 1))]).astype(np.float32)


def predicted(x: np.ndarray, quality: np.ndarray) -> np.ndarray:
    found = Neighbourhoods.fit(columns(x), x.shape[1], quality)
    return sigmoid(found.logits(columns(x) @ found.places))


def test_two_groups_are_found() -> None:
    centroids = kmeans(two_groups(), 2, unit=True)

    assert sorted(centroids.argmax(axis=1).tolist()) == [0, 1]
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)


def test_the_same_seed_gives_the_same_centroids() -> None:
    assert (kmeans(two_groups(), 7, seed=3) == kmeans(two_groups(), 7, seed=3)).all()


def test_more_clusters_than_rows_is_no_error() -> None:
    assert kmeans(two_groups(4), 9).shape == (9, 4)


def test_without_rows_the_centroids_are_zero() -> None:
    assert not kmeans(np.zeros((0, 4)), 3).any()


def test_quality_is_that_of_the_neighbourhood() -> None:
    x = two_groups()
    quality = np.repeat([1.0, 0.0], 100)[:, None]

    good, bad = predicted(x, quality)[[0, -1], 0]

    assert good > 0.8
    assert bad < 0.2


def test_few_rows_are_shrunk_to_the_mean() -> None:
    x, quality = two_groups(4), np.array([[1.0], [1.0], [1.0], [0.0]])

    assert np.ptp(predicted(x, quality)) < 4 / PRIOR_ROWS


def test_a_model_without_outcomes_gets_one_half() -> None:
    assert predicted(two_groups(40), np.full((40, 1), np.nan)) == pytest.approx(0.5)


def test_known_kinds_take_the_place_of_clusters() -> None:
    x = two_groups()
    quality = np.repeat([1.0, 0.0], 100)[:, None]
    kinds = ["sums"] * 100 + ["proofs"] * 100

    found = Neighbourhoods.fit(columns(x), 4, quality, kinds)

    assert found.places.shape[1] == 2
    assert sigmoid(found.logits(columns(x) @ found.places))[[0, -1], 0] == pytest.approx([0.9, 0.1], abs=0.09)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [([], False), (["a"] * 50, False), (["a"] * 8 + ["b"] * 8, True), (["a", "b"], False), (list("abcdefgh"), False)],
)
def test_kinds_are_used_where_there_are_several_with_enough_texts(kinds: list[str], expected: bool) -> None:
    assert usable(kinds) is expected
