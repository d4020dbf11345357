"""Clusters: centroids, and means that are shrunk."""

import numpy as np
import pytest

from switchpoint.estimators.clusters import PRIOR_ROWS, Clusters, kmeans
from switchpoint.estimators.logistic import sigmoid


def two_groups(n: int = 200) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, 4)) * 0.1
    x[: n // 2, 0] += 1
    x[n // 2 :, 1] += 1
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


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

    good, bad = sigmoid(Clusters.fit(x, quality).logits(x[[0, -1]]))[:, 0]

    assert good > 0.8
    assert bad < 0.2


def test_few_rows_are_shrunk_to_the_mean() -> None:
    x, quality = two_groups(4), np.array([[1.0], [1.0], [1.0], [0.0]])

    predicted = sigmoid(Clusters.fit(x, quality).logits(x))

    assert np.ptp(predicted) < 4 / PRIOR_ROWS


def test_a_model_without_outcomes_gets_one_half() -> None:
    x = two_groups(40)

    predicted = sigmoid(Clusters.fit(x, np.full((40, 1), np.nan)).logits(x))

    assert predicted == pytest.approx(0.5)
