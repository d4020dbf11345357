"""Plan: what training leaves behind, on disk and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from switchpoint.cascades.plan import KIND, Plan
from switchpoint.cascades.rules import STOP
from switchpoint.core.errors import ArtifactError
from switchpoint.estimators import artifact
from switchpoint.estimators.mean import MeanQuality
from tests.cascades.toys import COSTS_USD, SHARED_ERRORS, plan

WILLINGNESS = np.geomspace(1e-3, 10, 20)


def again(made: Plan, folder: Path) -> Plan:
    artifact.write(made, folder, created="2026-01-01")
    return Plan.restore(artifact.read(folder, KIND))


@pytest.mark.parametrize("scored", [[False] * 3, [True, False, False], [True, True, False]])
def test_what_was_written_decides_the_same_everywhere_when_it_is_read_back(scored: list[bool], tmp_path: Path) -> None:
    made = plan(SHARED_ERRORS, scored=scored)

    found = again(made, tmp_path)

    assert found.program.number == made.program.number
    np.testing.assert_array_equal(
        found.program.actions(found.price(WILLINGNESS)), made.program.actions(made.price(WILLINGNESS))
    )
    np.testing.assert_array_equal(found.program.pick, made.program.pick)


def test_all_settings_come_back(tmp_path: Path) -> None:
    made = replace(plan(SHARED_ERRORS), priced=False, willingness_usd=0.123)

    found = again(made, tmp_path)

    assert found.reading == made.reading and found.models == made.models == ("mini", "mid", "big")
    assert (found.priced, found.willingness_usd, found.strong) == (False, 0.123, "big")


def test_an_artifact_of_another_kind_is_refused(tmp_path: Path) -> None:
    artifact.write(MeanQuality(("mini", "big"), np.array([0.5, 0.9])), tmp_path, created="2026-01-01")

    with pytest.raises(ArtifactError, match="trained cascade is needed"):
        Plan.restore(artifact.read(tmp_path))


def test_a_price_is_what_a_call_costs_in_quality() -> None:
    prices = plan(SHARED_ERRORS).price(np.array([0.1, 1.0]))

    np.testing.assert_allclose(prices, [[usd / 0.1 for usd in COSTS_USD], COSTS_USD])


def test_who_pays_nothing_for_quality_has_the_cheapest_model_alone() -> None:
    made = plan(SHARED_ERRORS)

    action = made.program.actions(made.price(0.0))[:, 0]

    assert made.models[action[0]] == "mini"
    assert (action[1:] == STOP).all()


def test_who_pays_anything_has_no_price() -> None:
    assert (plan(SHARED_ERRORS).price(np.inf) == 0).all()
