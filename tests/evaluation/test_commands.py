"""`switchpoint evaluate` and `switchpoint tune`, as a person or a program calls them."""

import json

import pytest
import typer
from typer.testing import CliRunner

from switchpoint.cli import evaluate, tune
from switchpoint.core.errors import ConfigError

KEYS = {
    "router", "dataset", "n_queries", "models", "quality", "cost_usd_per_1k", "two_model", "aiq",
    "cost_ratio_at_98pct_of_best", "ece", "train_s", "decide_us", "n_train_removed",
}  # fmt: skip


@pytest.fixture
def call():
    app = typer.Typer()
    app.command("evaluate")(evaluate.command)
    app.command("tune")(tune.command)

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def folder(tmp_path):
    queries = [
        {"query_id": f"q{i}", "split": ("train", "test")[i % 2], "domain": "d", "text": "word " * (i + 1)}
        for i in range(30)
    ]
    outcomes = [
        {"query_id": f"q{i}", "model": model, "score": score, "cost_usd": cost}
        for i in range(30)
        for model, score, cost in (("mini", int(i < 15), 0.001), ("max", 1, 0.01))
    ]
    for stem, rows in (("queries", queries), ("outcomes", outcomes)):
        (tmp_path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_evaluate_prints_one_json_object(call, folder):
    result = call("evaluate", "--train", folder, "--test", folder, "--router", "length", "--json")

    report = json.loads(result.stdout)
    assert report.keys() >= KEYS
    assert report["two_model"]["apgr"] == pytest.approx(report["two_model"]["apgr_oracle"])


def test_evaluate_shows_tables_to_people_and_remarks_beside_them(call, folder):
    result = call("evaluate", "--test", folder, "--router", "length", "--weak", "mini", "--strong", "max")

    assert "best_single" in result.stdout
    assert "two models: mini → max" in result.stdout
    assert "No training outcomes" in result.stderr


def test_evaluate_draws_the_curve(call, folder, tmp_path):
    pytest.importorskip("matplotlib")

    call(
        "evaluate",
        "--train",
        folder,
        "--test",
        folder,
        "--router",
        "length",
        "--plot",
        tmp_path / "curve.svg",
        "--json",
    )

    assert "USD per 1,000 queries" in (tmp_path / "curve.svg").read_text()


def test_evaluate_lists_the_routers(call):
    names = json.loads(call("evaluate", "--list-routers", "--json").stdout)

    assert names == ["default", "bundled", "length", "random", "cheapest", "best"]
    assert "longer the prompt" in call("evaluate", "--list-routers").stdout


def test_evaluate_needs_something_to_measure_on(call):
    assert isinstance(call("evaluate").exception, ConfigError)


def test_a_split_that_does_not_exist_is_a_usage_error(call, folder):
    assert call("evaluate", "--test", folder, "--test-split", "dev").exit_code == 2


def test_tune_prints_lines_to_paste(call, folder):
    result = call("tune", "--data", folder, "--router", "bundled", "--target-quality", "1.0")

    assert "[routers.bundled]" in result.stdout
    assert 'weak = "mini"' in result.stdout


def test_tune_prints_json(call, folder):
    result = call(
        "tune", "--data", folder, "--router", "bundled", "--target-usd-per-1k", "5", "--split", "all", "--json"
    )

    found = json.loads(result.stdout)
    assert found["cost_usd_per_1k"][0] <= 5
    assert len(found["quality"]) == 3
