"""Assembly: a trained cascade of a configuration, with the verifier that was trained with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from switchpoint import Switchpoint
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.record import Record
from switchpoint.estimators import artifact
from switchpoint.verifiers.learned import Learned
from tests.cascades.toys import NAMES, SHARED_ERRORS, plan

MODELS = {name: {"upstream": "fake", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1} for name in NAMES}


@pytest.fixture(scope="module")
def verifier() -> Learned:
    """Return a verifier that has seen that sums with "off by" in them are wrong."""
    texts = [f"{n} and {n + 1} make {2 * n + 1}{', off by one' if n % 2 else ''}" for n in range(60)]
    right = np.array([float(n % 2 == 0) for n in range(60)])
    return Learned().fit([f"What do {n} and {n + 1} make?" for n in range(60)], texts, ["mini"] * 60, right)


@pytest.fixture
def folder(tmp_path: Path, verifier: Learned) -> Path:
    made = plan(SHARED_ERRORS, scored=[True, False, False])
    artifact.write(made, tmp_path / "cascade", created="2026-01-01", parts={"verifier": verifier})
    return tmp_path / "cascade"


def configuration(folder: Path, models: object = MODELS, **cascade: object) -> dict[str, object]:
    script = {"mini": ["The answer is (A)."], "mid": ["A"], "big": ["C"]}
    return {
        "upstreams": {"fake": {"kind": "fake", "script": script}},
        "models": models,
        "records": {"enabled": False},
        "cascades": {"c": {"kind": "trained", "artifact": str(folder), **cascade}},
    }


async def ran(folder: Path, **cascade: object) -> Record:
    async with Switchpoint.of(configuration(folder, **cascade)) as switchpoint:
        return await switchpoint.run("Which one?", "c")


async def test_it_runs_scored_by_its_own_verifier(folder: Path) -> None:
    record = await ran(folder)

    [verdict] = record.attempts[0].verdicts
    assert record.attempts[0].decision.model == "mini"
    assert verdict.verifier == "c:mini" and 0 < verdict.score < 1
    assert record.accept_reason is not None and record.accept_reason.startswith("believed 0.")


async def test_the_configuration_may_pay_otherwise_than_training_chose(folder: Path) -> None:
    nothing, much = await ran(folder, willingness_usd=0.0), await ran(folder, willingness_usd=100.0)

    assert [attempt.decision.model for attempt in nothing.attempts] == ["mini"]
    assert "big" in {attempt.decision.model for attempt in much.attempts}


async def test_another_verifier_may_score_in_the_place_of_its_own(folder: Path) -> None:
    record = await ran(folder, verifier="checks")

    assert [verdict.verifier for verdict in record.attempts[0].verdicts] == ["checks"]


async def test_one_without_a_verifier_compares_answers_alone(tmp_path: Path) -> None:
    artifact.write(plan(SHARED_ERRORS), tmp_path, created="2026-01-01")

    record = await ran(tmp_path)

    assert [attempt.decision.model for attempt in record.attempts] == ["mini", "mid"]
    assert not any(attempt.verdicts for attempt in record.attempts)


def test_a_model_that_is_not_configured_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"cascades.c.artifact: it asks mid; no such model"):
        Switchpoint.of(configuration(folder, {name: MODELS[name] for name in ("mini", "big")}))


def test_an_artifact_that_lost_its_verifier_is_refused_at_start(folder: Path) -> None:
    shutil.rmtree(folder / "verifier")

    with pytest.raises(ArtifactError):
        Switchpoint.of(configuration(folder))


def test_a_plan_that_scores_without_a_verifier_is_refused_at_start(tmp_path: Path) -> None:
    artifact.write(plan(SHARED_ERRORS, scored=[True, False, False]), tmp_path, created="2026-01-01")

    with pytest.raises(ConfigError, match=r"cascades.c: .*mini.*verifier"):
        Switchpoint.of(configuration(tmp_path))


def test_a_folder_without_a_cascade_is_refused(tmp_path: Path, verifier: Learned) -> None:
    artifact.write(verifier, tmp_path, created="2026-01-01")

    with pytest.raises(ArtifactError, match="'cascade' is needed here"):
        Switchpoint.of(configuration(tmp_path))
