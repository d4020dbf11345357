"""The command line: every command once, JSON for machines, one line for errors."""

import json
from pathlib import Path

import pytest

from switchpoint.cli.app import run

CONFIG = """
[upstreams.fake]
kind = "fake"
script = { mini = ["from mini"], big = ["from big"] }
[models.mini]
upstream = "fake"
tier = "weak"
[models.big]
upstream = "fake"
tier = "strong"
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "switchpoint.toml").write_text(CONFIG)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert run(arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_a_prompt_alone_is_routed(capsys: pytest.CaptureFixture[str]) -> None:
    decision = printed(capsys, "What is 2 + 2?", "--json")

    assert decision["model"] in ("mini", "big")
    assert decision["reason"] == "estimated"
    assert set(decision["quality"]) == {"mini", "big"}


def test_a_route_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "route", "hello", "--route", "best", "--json")["model"] == "big"


def test_the_decision_is_shown_to_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "hello"]) == 0
    assert "expected quality" in capsys.readouterr().out


def test_models_are_listed_with_where_their_ability_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    rows = printed(capsys, "models", "--json")

    assert [(row["model"], row["ability"], row["ability_from"]) for row in rows] == [
        ("mini", 0.0, "tier"),
        ("big", 1.0, "tier"),
    ]
    assert rows[0]["input_usd_per_mtok"] is None


def test_a_right_configuration_is_said_to_be_right(capsys: pytest.CaptureFixture[str]) -> None:
    facts = printed(capsys, "check", "--json")

    assert facts["models"] == ["mini", "big"]
    assert facts["models_without_price"] == ["mini", "big"]
    assert facts["default_model"] == "big"


def test_every_fault_of_a_configuration_is_a_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "switchpoint.toml").write_text('[models.m]\nupstream = "x"\nsmaples = 1\n')

    code = run(["check"])

    lines = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert len(lines) == 3 and all(line.startswith("switchpoint: ") for line in lines)


def test_without_a_configuration_the_recorded_models_are_taken_and_that_is_said(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "switchpoint.toml").unlink()

    assert run(["check"]) == 0
    assert "the recorded models of the demo" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["route", "hi", "--route", "besst"], 2, "Did you mean 'best'?"),
        (["check", "--config", "none.toml"], 2, "there is no such file"),
        (["explain", "abc"], 2, "records.sqlite"),
        (["evaluate"], 2, "--test"),
        (["evaluate", "--test", "nowhere"], 1, "nowhere"),
        (["models", "--nonsense"], 2, "--nonsense"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(
    arguments: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code

    error = capsys.readouterr().err
    assert told in " ".join(error.split())
    assert "Traceback" not in error


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == "0.1.0"
