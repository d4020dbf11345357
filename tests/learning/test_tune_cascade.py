"""`switchpoint train cascade` and `switchpoint tune --router cascade`: artifacts and operating points, out of fold."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from switchpoint.cascades.plan import KIND, Plan
from switchpoint.cli import train, tune
from switchpoint.core.errors import ConfigError
from switchpoint.estimators.artifact import read
from switchpoint.learning.tune_cascade import refuse, save_cascade
from tests.cascades.toys import SCATTERED_ERRORS, toy, write_rows

ROWS, OTHERS = (toy(240, seed, SCATTERED_ERRORS)[0] for seed in (0, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("toy"), ROWS, OTHERS)


def tuned(folder: Path, *arguments: str) -> Any:
    app = typer.Typer()
    app.command()(tune.command)
    return CliRunner().invoke(app, ["--data", str(folder), "--router", "cascade", *arguments])


class TestTraining:
    def test_writes_a_plan_that_decides_as_the_trained_one(self, folder: Path, tmp_path: Path) -> None:
        saved = save_cascade([folder], tmp_path, created="2026-01-01")

        made, found = saved.trained.plan, Plan.restore(read(tmp_path, KIND))

        price = made.price(saved.trained.held_out.willingness_usd)
        assert found.models == made.models and found.willingness_usd == made.willingness_usd
        np.testing.assert_array_equal(found.program.actions(price), made.program.actions(price))
        assert saved.digest == read(tmp_path).digest

    def test_prints_a_table_for_people_and_json_for_programs(self, folder: Path, tmp_path: Path) -> None:
        arguments = ["cascade", "--data", str(folder), "--out", str(tmp_path)]

        shown, as_json = (CliRunner().invoke(train.app, [*arguments, *more]) for more in ([], ["--json"]))

        found = json.loads(as_json.stdout)
        assert "always big" in shown.stdout and "artifact: " in shown.stdout
        assert found["models"][-1] == found["strong"] == "big"
        assert len(found["curve"]["quality"]) == len(found["curve"]["willingness_usd"])


class TestTuning:
    def test_meets_a_quality_at_less_than_the_strong_models_cost(self, folder: Path) -> None:
        found = json.loads(tuned(folder, "--target-quality", "0.95", "--json").stdout)

        assert found["quality_of_best_single"][0] >= 0.95
        assert found["cost_usd_per_1k"][0] < ROWS.mean_cost_usd()[2] * 1_000
        assert found["out_of_fold"] is True

    def test_meets_a_budget_and_a_share(self, folder: Path) -> None:
        budget = json.loads(tuned(folder, "--target-usd-per-1k", "40", "--json").stdout)
        share = json.loads(tuned(folder, "--target-share", "0.3", "--json").stdout)

        assert budget["cost_usd_per_1k"][0] <= 40
        assert share["strong_share"] == pytest.approx(0.3, abs=0.1)

    def test_a_bill_that_was_not_recorded_does_not_hide_the_others(self, tmp_path: Path) -> None:
        cost_usd = ROWS.cost_usd.copy()
        cost_usd[3, 2] = np.nan
        folder = write_rows(tmp_path, replace(ROWS, cost_usd=cost_usd), OTHERS)

        found = json.loads(tuned(folder, "--target-usd-per-1k", "40", "--json").stdout)

        assert 0 < found["cost_usd_per_1k"][0] <= 40

    def test_prints_lines_to_paste(self, folder: Path) -> None:
        result = tuned(folder, "--target-quality", "0.95")

        lines = result.stdout[result.stdout.index("[cascades.trained]") :]
        section = tomllib.loads(lines)["cascades"]["trained"]
        assert section["kind"] == "trained" and section["willingness_usd"] > 0

    def test_refuses_options_that_a_cascade_has_no_use_for(self, folder: Path) -> None:
        assert isinstance(tuned(folder, "--weak", "mini", "--target-share", "0.3").exception, ConfigError)
        with pytest.raises(ConfigError, match="--artifact does not go with --router cascade"):
            refuse({"--weak": None, "--artifact": "x"})


class TestCertifying:
    def test_a_loss_says_at_what_willingness_it_is_kept(self, folder: Path) -> None:
        result = tuned(folder, "--max-quality-loss", "0.15", "--confidence", "0.9", "--json")

        found = json.loads(result.stdout)
        assert result.exit_code == 0
        assert found["router"] == "cascade" and found["willingness_usd"] > 0

    def test_a_loss_that_so_few_rows_cannot_prove_is_no_success(self, folder: Path) -> None:
        result = tuned(folder, "--max-quality-loss", "0.001")

        assert result.exit_code == 1 and "Not certifiable" in result.stdout
