"""RatedQuality: a line for each model on one signal."""

from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.rating import RatedQuality
from tests.estimators.conftest import make_outcomes

SIGNAL = "ease:weak_ok:mini"


def rated(ease: float | None, id: str = "q") -> Query:
    return Query(id=id, messages=(), signals={} if ease is None else {SIGNAL: ease})


def rated_outcomes(n: int = 2_000, share: float = 1.0) -> Outcomes:
    """The weak model is right with probability `ease`, the strong one nine times in ten whatever it is."""
    random = np.random.default_rng(0)
    ease = random.uniform(0.05, 0.95, n)
    chance = np.stack([ease, np.full(n, 0.9)], axis=1)
    return Outcomes(
        queries=tuple(rated(e if i < share * n else None, str(i)) for i, e in enumerate(ease)),
        models=("small", "large"),
        quality=(random.random((n, 2)) < chance).astype(float),
        cost_usd=np.full((n, 2), np.nan),
        domains=("made up",) * n,
    )


def test_an_honest_rating_is_learned_as_it_is() -> None:
    estimator = RatedQuality(SIGNAL).fit(rated_outcomes())

    mean = estimator.predict([rated(e) for e in (0.2, 0.5, 0.8)]).mean

    assert mean[:, 0] == pytest.approx([0.2, 0.5, 0.8], abs=0.06)
    assert mean[:, 1] == pytest.approx([0.9, 0.9, 0.9], abs=0.04)


def test_a_rating_that_is_the_wrong_way_round_is_learned_too() -> None:
    straight = rated_outcomes()
    turned = tuple(rated(1 - query.signals[SIGNAL], query.id) for query in straight.queries)

    estimator = RatedQuality(SIGNAL).fit(replace(straight, queries=turned))

    low, high = estimator.predict([rated(0.1), rated(0.9)]).mean[:, 0]
    assert low > 0.7 > 0.3 > high


def test_a_query_without_the_signal_gets_the_means_and_is_new_ground() -> None:
    outcomes = rated_outcomes()
    estimator = RatedQuality(SIGNAL).fit(outcomes)

    prediction = estimator.predict([rated(None), rated(0.5), Query.of("x")])

    assert prediction.novelty.tolist() == [1.0, 0.0, 1.0]
    assert (prediction.mean[[0, 2]] == outcomes.mean_quality()).all()


def test_another_raters_signal_is_not_read() -> None:
    estimator = RatedQuality("ease:weak_ok:other").fit(rated_outcomes())

    assert estimator.predict([rated(0.5)]).novelty.tolist() == [1.0]


def test_rows_without_the_signal_teach_the_mean_only() -> None:
    half = rated_outcomes(share=0.5)

    one, two = RatedQuality(SIGNAL).fit(half), RatedQuality(SIGNAL).fit(half.take(range(len(half) // 2)))

    assert (one.predict([rated(0.3)]).mean == two.predict([rated(0.3)]).mean).all()


def test_cells_that_were_not_observed_are_left_out() -> None:
    outcomes = rated_outcomes()
    quality = outcomes.quality.copy()
    quality[:, 1] = np.nan

    mean = RatedQuality(SIGNAL).fit(replace(outcomes, quality=quality)).predict([rated(0.5), rated(None)]).mean

    assert mean[:, 1].tolist() == [0.5, 0.5]
    assert mean[0, 0] == RatedQuality(SIGNAL).fit(outcomes).predict([rated(0.5)]).mean[0, 0]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_rows_or_none_give_finite_predictions(n: int) -> None:
    outcomes = rated_outcomes().take(range(n))

    mean = RatedQuality(SIGNAL).fit(outcomes).predict([rated(0.0), rated(1.0), rated(None)]).mean

    assert np.isfinite(mean).all()
    assert ((mean >= 0) & (mean <= 1)).all()


def test_from_stated_abilities_the_signal_is_the_weak_models_quality_and_orders_by_it() -> None:
    estimator = RatedQuality.stated(SIGNAL, ("weak", "mid", "strong"), np.array([0.0, 0.5, 1.0]))

    mean = estimator.predict([rated(e) for e in (0.1, 0.5, 0.9)]).mean

    assert mean[:, 0] == pytest.approx([0.1, 0.5, 0.9])
    assert len(set(mean[:, 2])) == 1
    assert (np.diff(mean[:, 1] - mean[:, 0]) < 0).all()
    assert (np.diff(mean, axis=1)[:2] > 0).all()


def test_without_a_signal_in_any_row_it_is_the_mean() -> None:
    outcomes = make_outcomes()

    prediction = RatedQuality(SIGNAL).fit(outcomes).predict(outcomes.queries)

    assert (prediction.mean == outcomes.mean_quality()).all()
    assert (prediction.novelty == 1.0).all()
