"""Clusters of queries, known domains, and the performance-efficiency score of Avengers-Pro."""

import numpy as np
import pytest

from switchpoint.core.query import FloatArray
from switchpoint.estimators.clusters import BETA, AvengersPro, Clusters
from switchpoint.estimators.neighbourhoods import PRIOR_ROWS
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import N_SURFACE

X = np.repeat(np.eye(2), 40, axis=0)
"""Two groups of equal queries."""
QUALITY = np.repeat([[0.9, 0.6, 0.1], [0.2, 0.6, 0.4]], 40, axis=0)
COST_USD = np.repeat([[4.0, 2.0, 1.0], [3.0, 2.0, 1.0]], 40, axis=0)


def reading(x: FloatArray, cost_usd: FloatArray | None = None, kinds: tuple[str, ...] = ()) -> Reading:
    columns = np.hstack([x, np.zeros((len(x), N_SURFACE)), np.ones((len(x), 1))])
    return Reading(("",) * len(x), columns.astype(np.float32), kinds, cost_usd)


def score(alpha: float, *, cost_usd: FloatArray | None = COST_USD, ranks: bool = False, top: int = 1) -> FloatArray:
    train = reading(X, cost_usd)
    member = AvengersPro.fit(train, QUALITY, alpha=alpha, n_clusters=2, top=top, ranks=ranks)
    return member.predict(reading(np.eye(2)))


def test_a_cluster_has_its_own_quality_shrunk_to_the_mean() -> None:
    found = Clusters.fit(reading(X), QUALITY).predict(reading(np.eye(2)))

    overall = (40 * 0.9 + 40 * 0.2 + 0.5) / 81
    assert found[0, 0] == pytest.approx((40 * 0.9 + PRIOR_ROWS * overall) / (40 + PRIOR_ROWS), abs=0.01)


def test_known_domains_stand_for_clusters_only_where_they_are_asked_for() -> None:
    kinds = ("left", "right") * 40

    plain, asked = (Clusters.fit(reading(X, kinds=kinds), QUALITY, domains=d) for d in (False, True))

    assert plain.predict(reading(np.eye(2)))[0, 0] > 0.7
    assert asked.predict(reading(np.eye(2)))[0, 0] == pytest.approx(0.55, abs=0.02)


def test_the_score_mixes_scaled_quality_and_scaled_cost() -> None:
    first = score(0.7)[0]

    quality, cost = np.array([1.0, 0.5 / 0.8, 0.0]), np.array([1.0, 1 / 3, 0.0])
    assert first == pytest.approx(0.7 * quality + 0.3 * (1 - cost), abs=1e-6)


def test_alpha_one_looks_at_quality_alone_and_alpha_zero_at_cost() -> None:
    assert score(1.0).argmax(axis=1).tolist() == [0, 1]
    assert score(0.0).argmax(axis=1).tolist() == [2, 2]


def test_as_in_its_code_ranks_stand_for_scores() -> None:
    assert score(1.0, ranks=True)[0] == pytest.approx([1, 1 / 2, 1 / 3])


def test_near_clusters_weigh_by_their_distance() -> None:
    one, both = score(1.0, top=1), score(1.0, top=2)

    far = np.exp(-BETA)
    assert both[0] == pytest.approx((one[0] + far * one[1]) / (1 + far), abs=1e-6)


def test_without_costs_quality_alone_decides() -> None:
    assert score(0.5, cost_usd=None).argmax(axis=1).tolist() == [0, 1]
    assert (score(0.5, cost_usd=None) == score(0.5, cost_usd=np.full(COST_USD.shape, np.nan))).all()


def test_an_unknown_cost_is_not_free() -> None:
    unknown = COST_USD.copy()
    unknown[:, 2] = np.nan

    assert score(0.0, cost_usd=unknown)[0].argmax() == 1
