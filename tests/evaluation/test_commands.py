"""`switchpoint evaluate` and `switchpoint tune`, as a person or a program calls them."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from switchpoint.cli import evaluate, tune
from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.estimators import artifact
from switchpoint.estimators.mean import MeanQuality
from switchpoint.estimators.member import MEMBERS
from switchpoint.estimators.stacking import ENSEMBLES

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

    assert names[:6] == ["default", "bundled", "length", "random", "cheapest", "best"]
    assert set(names[6:]) == {*MEMBERS, *ENSEMBLES, "encoder", "cascade"}
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


def is_interval(value):
    return isinstance(value, list) and len(value) == 3 and value[1] <= value[0] <= value[2]


def test_what_evaluate_promises_to_programs_is_kept_to_the_letter(call, folder):
    asked = ["--train", folder, "--train-split", "all", "--test", folder, "--test-split", "test"]

    report = json.loads(call("evaluate", *asked, "--router", "length", "--models", "mini,max", "--json").stdout)

    means = {"router", "best_single", "random", "oracle"}
    assert {name for name in means if is_interval(report["quality"][name])} == means
    assert {name for name in means if is_interval(report["cost_usd_per_1k"][name])} == means
    figures = {"apgr", "cpt50", "cpt80", "apgr_random", "apgr_length", "apgr_oracle"}
    assert {name for name in figures if is_interval(report["two_model"][name])} == figures
    assert (report["two_model"]["weak"], report["two_model"]["strong"]) == ("mini", "max")
    assert (report["quality"]["best_single_model"], report["models"]) == ("max", ["mini", "max"])
    assert {type(report[name]) for name in ("aiq", "cost_ratio_at_98pct_of_best", "decide_us")} == {float}
    assert (report["router"], report["n_queries"], report["ece"], report["train_s"]) == ("length", 15, None, None)


def test_the_new_figures_stand_under_keys_of_their_own(call, folder):
    asked = ["--train", folder, "--test", folder, "--router", "best", "--robustness", "--by-group", "--json"]

    report = json.loads(call("evaluate", *asked).stdout)

    board = report["leaderboards"]
    scores = ("routerarena_score", "opt_sel", "opt_acc", "opt_cost", "perf_gain", "cost_save")
    assert all(is_interval(board[name]) for name in scores)
    assert board["pareto_dist"] >= 0
    assert is_interval(report["ceiling"]["others_know"])
    assert report["reliability"][0].keys() == {"model", "low", "high", "n_queries", "predicted", "observed"}
    assert report["robustness"]["all"] == {"kept": [1.0, 1.0, 1.0], "regret": [0.0, 0.0, 0.0]}
    assert 1 <= report["n_groups"] <= report["n_queries"]


def test_what_was_not_asked_for_is_null(call, folder):
    report = json.loads(call("evaluate", "--train", folder, "--test", folder, "--router", "length", "--json").stdout)

    assert report["robustness"] is report["n_groups"] is None
    assert report["reliability"] == []


def test_evaluate_leaves_out_one_domain_at_a_time(call, folder):
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    named = [{**query, "domain": f"d{i // 2 % 3}"} for i, query in enumerate(queries)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in named))
    asked = ["evaluate", "--leave-out", "domain", "--train", folder, "--router", "best"]

    report = json.loads(call(*asked, "--json").stdout)

    assert [row["left_out"] for row in report["rows"]] == ["d0", "d1", "d2"]
    assert report["worst"]["gain_over_best_single"] == report["mean_gain"] == [0.0, 0.0, 0.0]
    assert "leaving out one domain" in call(*asked).stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "needs outcomes. Give --train"),
        (["--train", "x,y", "--test", "z"], "--test does not go with --leave-out"),
        (["--train", "x,y", "--robustness"], "--robustness does not go with"),
        (["--train", "x"], "needs at least two. Got 0"),
    ],
)
def test_what_cannot_be_left_out_is_said(call, given, message):
    error = call("evaluate", "--leave-out", "dataset", *given).exception

    assert isinstance(error, ConfigError)
    assert message in str(error)


def certify(call, folder, loss, *more):
    return call("tune", "--data", folder, "--split", "all", "--router", "bundled", "--max-quality-loss", loss, *more)


def test_tune_certifies_a_loss_and_prints_lines_to_paste(call, folder):
    result = certify(call, folder, 0.9, "--baseline", "max")

    assert result.exit_code == 0
    assert "certified on 24 queries that were not tuned on." in result.stdout
    assert "[routers.bundled]" in result.stdout and 'weak = "mini"' in result.stdout


def test_tune_says_how_many_rows_a_certificate_needs(call, folder):
    result = certify(call, folder, 0.02, "--json")

    found = json.loads(result.stdout)
    assert (result.exit_code, found["certified"], found["baseline"]) == (1, False, "max")
    assert found["n_needed"] is None or found["n_needed"] > 30
    assert found["result"].startswith("Not certifiable with 30 rows; ")


@pytest.mark.parametrize(
    "wrong", [("--target-share", "0.5"), ("--confidence", "1"), ("--baseline", "maxx")], ids="-".join
)
def test_tune_refuses_a_promise_that_makes_no_sense(call, folder, wrong):
    assert isinstance(certify(call, folder, 0.5, *wrong).exception, RequestError | ConfigError)


def test_tune_takes_a_baseline_only_for_a_promise(call, folder):
    assert isinstance(call("tune", "--data", folder, "--baseline", "max").exception, ConfigError)


def test_tune_certifies_nothing_on_rows_that_the_artifact_was_trained_on(call, folder, tmp_path):
    trained_on = [{"dataset": folder.name, "split": "train", "rows": 15}]
    mean = MeanQuality(("mini", "max"), np.array([0.5, 1.0]))
    artifact.write(mean, tmp_path / "router", created="2026-01-01", trained_on=trained_on)

    result = call("tune", "--data", folder, "--artifact", tmp_path / "router", "--max-quality-loss", "0.5")

    assert isinstance(result.exception, ConfigError) and "Certify on rows that it never saw" in str(result.exception)
