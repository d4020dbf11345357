"""`switchpoint evaluate --route`: any strategy of a configuration on recorded answers."""

import json
from pathlib import Path

import pytest

from switchpoint.cli.app import run

CONFIGURATION = """
[upstreams.vendor]
base_url = "http://127.0.0.1:9/v1"
[models.mini]
upstream = "vendor"
upstream_model = "vendor-mini"
[models.big]
upstream = "vendor"
[cascades.careful]
models = ["mini", "big"]
verifier = "checks"
threshold = 0.5
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    queries = [{"query_id": str(n), "split": "test", "domain": "d", "text": f"question {n}"} for n in range(8)]
    outcomes = [
        {"query_id": str(n), "model": model, "score": float(good), "cost_usd": cost, "response": "Yes." if good else ""}
        for n in range(8)
        for model, cost, good in (("mini", 0.001, n % 2 == 0), ("big", 0.01, True))
    ]
    for name, rows in (("queries", queries), ("outcomes", outcomes)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "switchpoint.toml").write_text(CONFIGURATION)
    return tmp_path


def evaluate(folder: Path, *more: str) -> int:
    return run(["evaluate", "--config", str(folder / "switchpoint.toml"), "--test", str(folder), *more])


def test_a_cascade_runs_over_recorded_answers_and_calls_nobody(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folder, "--route", "careful", "--json") == 0

    found = json.loads(capsys.readouterr().out)
    ours = found["beside"][0]
    assert (ours["choice"], ours["quality"][0], found["escalated"][0]) == ("careful", 1.0, 0.5)
    assert ours["cost_usd"][0] == pytest.approx((0.001 * 8 + 0.01 * 4) / 8)


def test_people_are_shown_tables(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder, "--route", "mini") == 0

    assert "best single: big" in capsys.readouterr().out


def test_a_judge_of_whom_nothing_is_recorded_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (folder / "switchpoint.toml").open("a") as file:
        file.write('[verifiers.judge]\nkind = "judge"\nmodel = "big"\n')

    assert evaluate(folder, "--route", "careful") == 2
    assert "verifiers.judge asks somebody of whom nothing is recorded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (("--route", "carefull"), "carefull"),
        ((), "--config goes with --route NAME"),
        (("--route", "careful", "--models", "mini"), "--models does not go with --route"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], fault: str
) -> None:
    assert evaluate(folder, *more) != 0
    assert fault in capsys.readouterr().err
