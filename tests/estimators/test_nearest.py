"""Members that ask neighbours: kNN, and benchmark-data routing."""

import numpy as np
import pytest

from switchpoint.core.query import FloatArray
from switchpoint.estimators.knn import Knn
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.shnitzer import GRID, Shnitzer
from switchpoint.estimators.static import N_SURFACE


def reading(vectors: FloatArray, kinds: tuple[str, ...] = ()) -> Reading:
    """Vectors of norm 1 with a surface that says nothing, and the 1."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    columns = np.hstack([unit, np.zeros((len(unit), N_SURFACE)), np.ones((len(unit), 1))])
    return Reading(("",) * len(unit), columns.astype(np.float32), kinds)


def angles(degrees: FloatArray, kinds: tuple[str, ...] = ()) -> Reading:
    turned = np.radians(degrees)
    return reading(np.column_stack([np.cos(turned), np.sin(turned)]), kinds)


def test_a_neighbour_weighs_by_its_cosine_and_the_mean_by_its_rows() -> None:
    knn = Knn.fit(angles(np.array([0.0, 90.0])), np.array([[1.0], [0.0]]), k=2, temperature=0.5, prior_rows=2.0)

    found = knn.predict(angles(np.array([0.0])))[0, 0]

    far = np.exp(-1 / 0.5)
    assert found == pytest.approx((1 + 2 * 0.5) / (1 + far + 2), abs=1e-6)


def test_only_the_k_closest_are_heard() -> None:
    knn = Knn.fit(angles(np.array([0.0, 10.0, 20.0])), np.array([[1.0], [1.0], [0.0]]), k=2, prior_rows=0.0)

    assert knn.predict(angles(np.array([0.0])))[0, 0] == pytest.approx(1)


def test_a_neighbour_that_was_not_observed_is_left_out() -> None:
    knn = Knn.fit(angles(np.array([0.0, 10.0])), np.array([[np.nan, 1.0], [1.0, 0.0]]), k=2, prior_rows=0.0)

    assert knn.predict(angles(np.array([0.0])))[0, 0] == pytest.approx(1)


def test_where_no_neighbour_was_observed_the_prior_is_left() -> None:
    knn = Knn.fit(angles(np.array([0.0, 90.0])), np.array([[np.nan], [1.0]]), k=1)

    assert knn.predict(angles(np.array([0.0])))[0, 0] == pytest.approx(knn.prior[0])


def shifting(n: int = 400) -> tuple[Reading, FloatArray]:
    """Two models; between domains neither helps the other, inside one the side of the circle decides."""
    random = np.random.default_rng(0)
    base, side = np.repeat([0.0, 180.0], n // 2), np.tile([-15.0, 15.0], n // 2)
    quality = np.column_stack([side > 0, side < 0]).astype(float)
    return angles(base + side + random.normal(0, 2, n), ("a",) * (n // 2) + ("b",) * (n // 2)), quality


def test_near_neighbours_that_were_right_are_believed_and_far_ones_are_not() -> None:
    member = Shnitzer.fit(*shifting(), k=5)

    near, far = member.reliability[0, 0], member.reliability[GRID == 1][0, 0]

    assert near > 0.8
    assert far < 0.2


def test_farther_neighbours_are_never_believed_more() -> None:
    member = Shnitzer.fit(*shifting(), k=5)

    assert (np.diff(member.reliability, axis=0) <= 0).all()


def test_s3_of_a_query_is_the_reliability_of_what_its_neighbours_say() -> None:
    train, quality = shifting()
    member = Shnitzer.fit(train, quality, k=5, s3=True)

    found = member.predict(train.take([0, 1]))

    p = [np.interp(0.0, GRID, curve) for curve in member.reliability.T]
    assert found[0] == pytest.approx([1 - p[0], p[1]], abs=0.02)
    assert found[1] == pytest.approx([p[0], 1 - p[1]], abs=0.02)


def test_s3_is_one_half_where_the_neighbours_tell_nothing() -> None:
    random = np.random.default_rng(0)
    noise = Shnitzer.fit(angles(random.random(600) * 360), random.integers(0, 2, (600, 1)) * 1.0, k=5, s3=True)

    assert noise.reliability == pytest.approx(0.5, abs=0.12)


def test_the_scores_of_a_task_follow_their_formulas() -> None:
    train, quality = shifting()
    member = Shnitzer.fit(train, quality, k=5, s3=True)
    task = train.take(np.flatnonzero(quality[:, 0] == 1)[:30])

    s1, s2, s3 = member.task_scores(task)

    p = member.predict(task.take([0]))[0, 0]
    assert s1 == pytest.approx([1, 0])
    assert s2.tolist() == [1, 0]
    assert s3[0] == pytest.approx(p, abs=0.02)
    assert s3[1] == pytest.approx(1 - member.predict(task)[:, 0].mean(), abs=0.2)
