"""`switchpoint evaluate --router cascade`: measured as routers are, on answers it was not trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from switchpoint.cli import evaluate
from switchpoint.core.errors import DataError
from switchpoint.learning.assess import assess
from switchpoint.learning.assess_cascade import assess_cascade
from tests.cascades.toys import SCATTERED_ERRORS, toy, write_rows
from tests.evaluation.toys import recorded

TRAIN, TEST = (toy(240, seed, SCATTERED_ERRORS)[0] for seed in (0, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("toy"), TRAIN, TEST)


def report(folder: Path, router: str) -> dict[str, object]:
    app = typer.Typer()
    app.command()(evaluate.command)
    arguments = ["--train", str(folder), "--test", str(folder), "--router", router, "--json"]
    result = CliRunner().invoke(app, [*arguments, "--weak", "mini", "--strong", "big"])
    return dict(json.loads(result.stdout))


def test_the_report_has_the_keys_of_a_routers(folder: Path) -> None:
    cascade, router = report(folder, "cascade"), report(folder, "length")

    assert cascade.keys() == router.keys()
    assert cascade["two_model"].keys() == router["two_model"].keys()
    assert cascade["router"] == "cascade" and cascade["n_queries"] == 240


def test_answers_show_what_prompts_do_not() -> None:
    found = assess_cascade("cascade", TEST, TRAIN, weak="mini", strong="big", resamples=50)

    assert found.two_model.apgr.value > 0.6
    assert found.quality["router"].value > found.quality["random"].value
    assert found.costs.aiq.value > found.costs.aiq_single_models.value
    assert any("Asked in turn" in note for note in found.notes)


def test_queries_that_lack_an_answer_are_left_out_and_counted() -> None:
    responses = TEST.responses.copy()
    responses[:5, 0] = None

    found = assess_cascade("cascade", replace(TEST, responses=responses), TRAIN, resamples=20)

    assert found.n_queries == 235
    assert any(note.startswith("5 queries lack an answer") for note in found.notes)


def test_what_is_not_proven_worth_it_says_so_and_chooses_the_best_single_model() -> None:
    alike = replace(TRAIN, quality=np.ones(TRAIN.quality.shape))

    found = assess_cascade("cascade", TEST, alike, resamples=20)

    assert any("Not proven better" in note for note in found.notes)


class TestRefused:
    def test_is_nothing_to_train_on(self) -> None:
        with pytest.raises(DataError, match="Give --train"):
            assess_cascade("cascade", TEST, None)

    @pytest.mark.parametrize("which", ["train", "test"])
    def test_are_outcomes_without_answers(self, which: str) -> None:
        bare = {"train": TRAIN, "test": TEST}
        bare[which] = replace(bare[which], responses=None)

        with pytest.raises(DataError, match="no responses are recorded"):
            assess_cascade("cascade", bare["test"], bare["train"])


@pytest.mark.data
def test_it_reaches_an_apgr_that_prompts_do_not_on_gsm8k() -> None:
    folder = recorded("gsm8k-gpt4-mixtral")

    found = assess("cascade", test=folder, train=[folder])

    assert found.two_model.apgr.value >= 0.70


@pytest.mark.data
def test_it_is_above_the_hull_of_single_models_on_arc() -> None:
    folder = recorded("routerbench-arc")

    found = assess("cascade", test=folder, train=[folder]).to_json()

    assert found["aiq"] >= found["aiq_single_models"] + 0.008
