"""Ranking: exact strengths from sums of wins, the published weights in the faithful form, and tiers that cut well."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from switchpoint.estimators.battles import Battles, wins_of
from switchpoint.estimators.ranking import Ranking, SimilarityElo, merged, strengths, tiers_of
from tests.estimators.test_factors import make_reading


def logits(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def published(vectors: np.ndarray, battles: Battles, query: np.ndarray) -> np.ndarray:
    """Strengths as RouteLLM's code finds them: battles doubled, a tie a win of each, one regression a query."""
    cosine = vectors @ query
    weight = 10 * 10 ** (cosine / cosine.max())
    x = np.zeros((len(weight), battles.n_models))
    x[np.arange(len(x)), battles.a], x[np.arange(len(x)), battles.b] = 1.0, -1.0
    first, second = np.ceil(battles.result), np.floor(battles.result)
    model = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(np.vstack([x, x]), np.append(first, second), sample_weight=np.append(weight, weight))
    return model.coef_[0] - model.coef_[0].mean()


def test_two_models_get_the_logit_of_their_win_rate() -> None:
    wins = np.array([[[0.0, 3e6], [1e6, 0.0]]])

    assert strengths(wins)[0] == pytest.approx([np.log(3) / 2, -np.log(3) / 2], abs=1e-6)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 7))
def test_newton_arrives_wherever_it_starts(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    wins = rng.uniform(0, 50, (3, n, n)) * (1 - np.eye(n))

    theta = strengths(wins)

    expected = ((wins + wins.swapaxes(1, 2)) / (1 + np.exp(theta[:, None, :] - theta[:, :, None]))).sum(axis=2)
    assert expected + 0.1 * theta == pytest.approx(wins.sum(axis=2), abs=1e-6)
    assert strengths(wins, np.linspace(-1, 1, n)) == pytest.approx(theta, abs=1e-6)


def test_a_model_that_never_lost_has_a_finite_strength() -> None:
    assert np.isfinite(strengths(np.array([[[0.0, 1000.0], [0.0, 0.0]]]))).all()


def test_without_wins_all_are_equal() -> None:
    assert (strengths(np.zeros((2, 3, 3))) == 0).all()


def test_the_faithful_form_gives_the_strengths_of_the_published_regression() -> None:
    reading, query = make_reading(300), make_reading(3, seed=4)
    rng = np.random.default_rng(0)
    a = rng.integers(0, 4, 300)
    battles = Battles(a, (a + rng.integers(1, 4, 300)) % 4, rng.choice([0.0, 0.5, 1.0], 300), 4)

    found = logits(SimilarityElo.fit_preferences(reading, battles).predict(query))

    for row, theta in zip(query.vectors, found, strict=True):
        assert theta == pytest.approx(published(reading.vectors, battles, row), abs=1e-3)


def test_the_better_model_nearby_is_preferred() -> None:
    reading = make_reading(600)
    first = (reading.vectors[:, 0] > 0).astype(float)

    p = Ranking.fit(reading, np.stack([first, 1 - first], axis=1)).predict(reading)

    assert ((p[:, 0] > p[:, 1]) == (first == 1)).mean() > 0.9


def test_both_models_are_expected_to_fail_where_both_failed() -> None:
    reading = make_reading(600)
    easy = (reading.vectors[:, 0] > 0).astype(float)

    p = Ranking.fit(reading, np.stack([easy, easy], axis=1)).predict(reading)

    assert p[easy == 1].mean() > p[easy == 0].mean() + 0.4


def test_far_from_all_rows_the_plain_ranking_stands() -> None:
    reading = make_reading(200)
    quality = (np.random.default_rng(1).random((200, 3)) < [0.9, 0.6, 0.2]).astype(float)
    nowhere = make_reading(1)
    nowhere.columns[:, :8] = 0
    member = Ranking.fit(reading, quality)._replace(vectors=np.full((200, 8), 0.0, dtype=np.float32))

    assert np.argsort(member.predict(nowhere)[0]).tolist() == [2, 1, 0]


def test_what_was_not_observed_is_no_battle() -> None:
    wins = wins_of(np.array([[1.0, np.nan, 0.0], [0.5, 0.5, np.nan]]))

    assert wins[0].tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert wins[1].tolist() == [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]


def within(ratings: np.ndarray, tier: np.ndarray) -> float:
    return sum(float(((ratings[tier == t] - ratings[tier == t].mean()) ** 2).sum()) for t in set(tier.tolist()))


@settings(deadline=None)
@given(ratings=st.lists(st.floats(-100, 100), min_size=4, max_size=8, unique=True))
def test_no_other_cut_has_less_variance_within_tiers(ratings: list[float]) -> None:
    values = np.array(ratings)
    place = values.argsort().argsort()

    best = min(
        within(values, np.searchsorted(cut, place, side="right")) for cut in combinations(range(1, len(values)), 2)
    )

    assert within(values, tiers_of(values, 3)) == pytest.approx(best, abs=1e-6)


def test_tiers_follow_the_gaps_between_ratings() -> None:
    assert tiers_of(np.array([1000.0, 1200.0, 1010.0, 1205.0, 900.0]), 3).tolist() == [1, 2, 1, 2, 0]


def test_few_models_have_a_tier_each() -> None:
    assert tiers_of(np.array([3.0, 1.0]), 10).tolist() == [0, 1]


def test_models_of_a_tier_share_their_wins() -> None:
    wins = np.array([[[0, 1, 2], [3, 0, 4], [5, 6, 0]]], dtype=np.float32)

    assert merged(wins, np.array([0, 0, 1]))[0].tolist() == [[4, 6], [11, 0]]


def test_more_models_than_tiers_are_ranked_by_tier() -> None:
    reading = make_reading(300)
    quality = (np.random.default_rng(1).random((300, 6)) < np.repeat([0.9, 0.5, 0.1], 2)).astype(float)

    p = Ranking.fit(reading, quality, tiers=3).predict(reading)

    assert (p[:, [0, 2, 4]] == p[:, [1, 3, 5]]).all()
    assert p[:, 0].mean() > p[:, 2].mean() > p[:, 4].mean()
