"""What every member of the table promises, whatever its method; what makes the method itself is tested beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.estimators import artifact
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.learned import Learned
from switchpoint.estimators.member import MEMBERS, Member
from switchpoint.estimators.reading import Reading
from tests.estimators.conftest import make_outcomes
from tests.estimators.test_contract import STRANGE

every = pytest.mark.parametrize("kind", sorted(MEMBERS))
SCORES = (
    *("avengers-pro", "avengers-pro-ranks", "factors-routellm", "ranking-routellm", "shnitzer-s3"),
    *("hybrid-det", "hybrid-prob", "hybrid-trans"),
)
"""Published forms whose numbers order models and queries, and are not qualities."""


def read(texts: list[str], kinds: tuple[str, ...] = (), cost_usd: FloatArray | None = None) -> Reading:
    return Reading(tuple(texts), Bundled.load().knowledge.embedder.read(texts), kinds, cost_usd)


def reading_of(outcomes: Outcomes) -> Reading:
    return read([query.text for query in outcomes.queries], outcomes.domains, outcomes.cost_usd)


def fit(kind: str, outcomes: Outcomes) -> Member:
    return MEMBERS[kind].fit(reading_of(outcomes), outcomes.quality)


def in_range(quality: FloatArray) -> bool:
    return bool(np.isfinite(quality).all() and (quality >= 0).all() and (quality <= 1).all())


@pytest.fixture(scope="module")
def fitted(outcomes: Outcomes) -> dict[str, Member]:
    return {kind: fit(kind, outcomes) for kind in MEMBERS}


@pytest.fixture(scope="module")
def learned(outcomes: Outcomes) -> dict[str, Learned]:
    return {kind: Learned(kind).fit(outcomes) for kind in MEMBERS}


@every
@pytest.mark.parametrize("n_queries", [0, 1, 7])
def test_predictions_have_a_row_for_each_query_and_a_column_for_each_model(
    kind: str, n_queries: int, outcomes: Outcomes, fitted: dict[str, Member]
) -> None:
    found = fitted[kind].predict(reading_of(outcomes.take(range(n_queries))))

    assert found.shape == (n_queries, 2)
    assert in_range(found)


@every
def test_any_text_gives_a_finite_prediction_in_range(kind: str, fitted: dict[str, Member]) -> None:
    assert in_range(fitted[kind].predict(read(list(STRANGE))))


@every
def test_any_text_can_be_learned_from(kind: str) -> None:
    reading, quality = read(list(STRANGE)), np.tile([[1.0, 0.0], [0.0, 1.0]], (len(STRANGE) // 2, 1))

    assert in_range(MEMBERS[kind].fit(reading, quality).predict(reading))


@every
@pytest.mark.parametrize("rows", [0, 1, 2, 4, 7])
def test_any_number_of_rows_is_enough(kind: str, rows: int, outcomes: Outcomes) -> None:
    member = fit(kind, outcomes.take(range(rows)))

    assert in_range(member.predict(reading_of(outcomes)))


@every
def test_without_rows_every_model_is_as_good_as_any_other(kind: str, outcomes: Outcomes) -> None:
    found = fit(kind, outcomes.take([])).predict(reading_of(outcomes))

    assert np.allclose(found[:, 0], found[:, 1])
    assert kind in SCORES or np.allclose(found, 0.5)


@every
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_one_class_is_learned(kind: str, value: float, outcomes: Outcomes) -> None:
    always = replace(outcomes, quality=np.full_like(outcomes.quality, value))

    found = fit(kind, always).predict(reading_of(outcomes))

    assert in_range(found)
    assert kind in SCORES or np.abs(found - value).max() < 0.5


@every
def test_what_was_not_observed_of_one_model_leaves_the_ranking_of_others(kind: str) -> None:
    outcomes = make_outcomes(120, ("small", "large", "unseen"))
    quality = outcomes.quality.copy()
    quality[:, 2] = np.nan

    found = fit(kind, replace(outcomes, quality=quality)).predict(reading_of(outcomes))

    assert in_range(found)
    assert kind in SCORES or found[:, 0].mean() < found[:, 1].mean()


@every
def test_a_missing_cell_is_not_a_failure(kind: str, outcomes: Outcomes) -> None:
    thinned, failed = outcomes.quality.copy(), outcomes.quality.copy()
    thinned[::2, 1], failed[::2, 1] = np.nan, 0.0
    reading = reading_of(outcomes)

    full, half, low = (MEMBERS[kind].fit(reading, q).predict(reading) for q in (outcomes.quality, thinned, failed))

    gap = [(p[:, 1] - p[:, 0]).mean() for p in (full, half, low)]
    assert kind in SCORES or abs(gap[1] - gap[0]) < abs(gap[2] - gap[0])


@every
def test_permuting_the_queries_permutes_the_rows(kind: str, outcomes: Outcomes, fitted: dict[str, Member]) -> None:
    reading, order = reading_of(outcomes), np.random.default_rng(0).permutation(len(outcomes))

    permuted = fitted[kind].predict(reading.take(order))

    assert np.allclose(permuted, fitted[kind].predict(reading)[order], atol=1e-5)


@every
def test_other_queries_in_the_batch_do_not_matter(kind: str, outcomes: Outcomes, fitted: dict[str, Member]) -> None:
    reading = reading_of(outcomes)

    alone = np.concatenate([fitted[kind].predict(reading.take([row])) for row in range(20)])

    assert np.allclose(fitted[kind].predict(reading)[:20], alone, atol=1e-5)


@every
def test_fitting_twice_gives_the_same_numbers(kind: str, outcomes: Outcomes, fitted: dict[str, Member]) -> None:
    again = fit(kind, outcomes)

    for name, array in fitted[kind]._asdict().items():
        assert np.array_equal(array, again._asdict()[name], equal_nan=True), name


@every
def test_fitting_does_not_touch_what_it_learns_from(kind: str, outcomes: Outcomes) -> None:
    reading, quality = reading_of(outcomes), outcomes.quality.copy()
    columns = reading.columns.copy()

    MEMBERS[kind].fit(reading, quality)

    assert (reading.columns == columns).all()
    assert (quality == outcomes.quality).all()


@every
def test_what_is_written_is_what_is_read(
    kind: str, outcomes: Outcomes, learned: dict[str, Learned], tmp_path: Path
) -> None:
    artifact.write(learned[kind], tmp_path, created="2026-01-01")

    restored = Learned.load(tmp_path)

    one, two = (each.predict(outcomes.queries) for each in (learned[kind], restored))
    assert restored.models_ == outcomes.models
    assert (one.mean == two.mean).all()


@pytest.mark.parametrize("kind", sorted(kind for kind, line in MEMBERS.items() if line.calibration != "none"))
def test_calibrated_predictions_are_right_in_the_mean(
    kind: str, outcomes: Outcomes, learned: dict[str, Learned]
) -> None:
    mean = learned[kind].predict(outcomes.queries).mean.mean(axis=0)

    assert np.allclose(mean, outcomes.mean_quality(), atol=0.1)
