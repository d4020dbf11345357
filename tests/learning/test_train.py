"""Training a router: the artifact it leaves, and what it says of the rehearsal."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from switchpoint.cli.train import app
from switchpoint.core.outcome import Outcomes
from switchpoint.estimators.artifact import load_estimator, read
from switchpoint.learning.train import rehearse, train_router
from tests.estimators.conftest import make_outcomes


def write_outcomes(folder: Path, outcomes: Outcomes) -> Path:
    folder.mkdir()
    queries = [
        {"query_id": query.id, "split": "train", "domain": domain, "text": f"{query.id}: {query.full_text}"}
        for query, domain in zip(outcomes.queries, outcomes.domains, strict=True)
    ]
    cells = [
        {"query_id": query.id, "model": model, "score": outcomes.quality[i, j], "cost_usd": None}
        for i, query in enumerate(outcomes.queries)
        for j, model in enumerate(outcomes.models)
    ]
    for table, rows in (("queries", queries), ("outcomes", cells)):
        (folder / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def shuffled(outcomes: Outcomes) -> Outcomes:
    """The same outcomes on the wrong queries: there is nothing to learn from the text."""
    return replace(outcomes, quality=np.random.default_rng(0).permutation(outcomes.quality))


def specialists(n: int = 200) -> Outcomes:
    """Three models, of which two are each right on one half of the queries."""
    made = make_outcomes(n, ("talker", "counter", "neither"))
    hard = np.array([domain == "maths" for domain in made.domains])
    quality = np.stack([~hard, hard, np.zeros(n, dtype=bool)], axis=1).astype(float)
    return replace(made, quality=quality)


def test_a_pair_that_the_text_tells_apart_is_routable() -> None:
    rehearsal = rehearse(make_outcomes(200))

    assert rehearsal.measure == "APGR"
    assert rehearsal.routable
    assert rehearsal.found.value > 0.7


def test_a_pair_that_it_does_not_is_not_routable() -> None:
    rehearsal = rehearse(shuffled(make_outcomes(200)))

    assert not rehearsal.routable
    assert rehearsal.found.low < 0.5


def test_specialists_gain_over_the_best_single_model() -> None:
    rehearsal = rehearse(specialists())

    assert rehearsal.measure == "gain over the best single model"
    assert rehearsal.found.value == pytest.approx(0.5, abs=0.1)
    assert rehearsal.routable


def test_too_few_rows_are_no_rehearsal() -> None:
    assert not rehearse(make_outcomes(4)).routable


def test_the_artifact_predicts_for_the_models_it_was_trained_on(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "data", make_outcomes(60))

    trained = train_router([data], tmp_path / "out", created="2026-01-01")

    assert load_estimator(tmp_path / "out").models_ == trained.models == ("small", "large")
    assert read(tmp_path / "out").digest == trained.digest
    assert trained.best_single == "large"


def test_the_command_prints_figures_as_json(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "data", specialists(60))
    arguments = ["router", "--data", str(data), "--out", str(tmp_path / "out"), "--models", "talker,counter", "--json"]

    result = CliRunner().invoke(app, arguments)

    printed = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(printed["mean_quality"]) == {"talker", "counter"}
    assert printed["found"].keys() == {"value", "low", "high"}


def test_the_command_says_when_there_is_nothing_to_route_on(tmp_path: Path) -> None:
    data = write_outcomes(tmp_path / "data", shuffled(make_outcomes(80)))

    result = CliRunner().invoke(app, ["router", "--data", str(data), "--out", str(tmp_path / "out")])

    assert result.exit_code == 0
    assert "not routable on this evidence" in result.stdout
