"""Learned from who won, and joined by new models: what it then predicts, keeps and refuses."""

from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.outcome import Preferences
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.calibration import CALIBRATIONS
from switchpoint.estimators.learned import Learned
from tests.estimators.conftest import make_outcomes

EASY, HARD = Query.of("Which city is the capital of 12?"), Query.of("Compute 7 * 17 + 3^2.")
COMPARING = ["factors", "factors-routellm", "ranking", "ranking-routellm"]


def make_preferences(n: int = 300) -> Preferences:
    """The small model holds its own on easy texts and loses on hard ones; sides change from row to row."""
    outcomes = make_outcomes(n)
    small, large = outcomes.quality.T
    turned = np.arange(n) % 3 == 0
    return Preferences(
        queries=outcomes.queries,
        a=tuple("large" if t else "small" for t in turned),
        b=tuple("small" if t else "large" for t in turned),
        result=np.where(turned, 1 + large - small, 1 + small - large) / 2,
    )


@pytest.mark.parametrize("kind", COMPARING)
def test_who_won_tells_where_the_large_model_is_needed(kind: str) -> None:
    learned = Learned(kind).fit_preferences(make_preferences())

    large, small = learned.predict([EASY, HARD]).mean.T

    assert learned.models_ == ("large", "small")
    assert large[1] - small[1] > large[0] - small[0]


def test_the_difference_of_logits_is_an_honest_win_rate() -> None:
    preferences = make_preferences(1000)

    mean = Learned("factors").fit_preferences(preferences).predict(preferences.queries).mean

    lead = np.log(mean / (1 - mean)) @ [1, -1]
    result = np.where(np.array(preferences.a) == "large", preferences.result, 1 - preferences.result)
    assert (1 / (1 + np.exp(-lead))).mean() == pytest.approx(result.mean(), abs=0.03)


@pytest.mark.parametrize("kind", COMPARING)
def test_a_written_artifact_predicts_the_same(kind: str, tmp_path: Path) -> None:
    learned = Learned(kind, calibration="none").fit_preferences(make_preferences(60))
    artifact.write(learned, tmp_path, created="today")

    assert (Learned.load(tmp_path).predict([EASY, HARD]).mean == learned.predict([EASY, HARD]).mean).all()


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("kind", COMPARING)
def test_a_handful_of_battles_is_enough_to_be_cautious(kind: str, rows: int) -> None:
    all_rows = make_preferences(12)
    few = Preferences(
        queries=all_rows.queries[:rows], a=all_rows.a[:rows], b=all_rows.b[:rows], result=all_rows.result[:rows]
    )

    mean = Learned(kind).fit_preferences(few).predict([EASY]).mean

    assert ((mean > 0.02) & (mean < 0.98)).all()


def test_a_member_that_needs_outcomes_says_who_does_not() -> None:
    with pytest.raises(ConfigError, match="Linear learns from outcomes.*factors.*ranking"):
        Learned("linear").fit_preferences(make_preferences(10))


def test_without_preferences_there_are_no_models_to_speak_of() -> None:
    with pytest.raises(DataError, match="no preferences"):
        Learned("factors").fit_preferences(Preferences(queries=(), a=(), b=(), result=np.zeros(0)))


def test_a_calibration_that_needs_outcomes_is_refused() -> None:
    with pytest.raises(ConfigError, match="'platt' or 'none'"):
        Learned("factors", calibration="beta").fit_preferences(make_preferences(10))


def test_a_result_that_is_none_is_refused() -> None:
    broken = Preferences(queries=(EASY,), a=("x",), b=("y",), result=np.array([np.nan]))

    with pytest.raises(DataError, match="1, 0 or 0.5"):
        Learned("factors").fit_preferences(broken)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_new_model_joins_and_the_others_stay(calibration: str, tmp_path: Path) -> None:
    learned = Learned("factors", calibration=calibration).fit(make_outcomes(300))
    before = learned.predict([EASY, HARD]).mean

    learned.join("new", make_outcomes(40, ("new",), seed=3))

    after = learned.predict([EASY, HARD]).mean
    assert learned.models_ == ("small", "large", "new")
    assert (after[:, :2] == before).all()
    assert after[0, 2] > after[1, 2]
    artifact.write(learned, tmp_path, created="today")
    assert (Learned.load(tmp_path).predict([EASY, HARD]).mean == after).all()


@pytest.mark.parametrize(("ability", "like"), [(0.0, 0), (1.0, 1)])
def test_a_new_model_without_outcomes_is_what_its_tier_says(ability: float, like: int) -> None:
    learned = Learned("factors", calibration="none").fit(make_outcomes(300))

    mean = learned.join("new", ability=ability).predict([EASY, HARD]).mean

    assert mean[:, 2] == pytest.approx(mean[:, like], abs=1e-5)
    assert np.isnan(learned.mean_cost_usd_[2])


def test_a_member_that_cannot_take_in_a_model_says_so() -> None:
    with pytest.raises(ConfigError, match="Linear cannot take in a new model"):
        Learned("linear").fit(make_outcomes(20)).join("new")
