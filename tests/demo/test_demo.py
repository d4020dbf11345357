"""The demo: the whole path, as `make demo` runs it, on fewer queries."""

import json
from pathlib import Path

import pytest

from switchpoint.cli.app import run
from switchpoint.records.reader import RecordReader


def result(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run(["demo", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_routed_traffic_stands_beside_every_model_alone_and_a_random_mix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = result(capsys, "--limit", "24", "--out", str(tmp_path))

    arms = {arm["served_by"]: arm for arm in found["arms"]}
    names = [arm["served_by"] for arm in found["arms"]]
    assert (names[0], names[-1]) == ("Switchpoint (auto)", "random, same shares")
    assert f"always {found['best_single_model']}" in arms
    assert arms["always plain"]["shares"] == {"plain": 1.0}
    assert sum(arms["Switchpoint (auto)"]["shares"].values()) == pytest.approx(1.0)
    for arm in arms.values():
        low, high = arm["quality"][1:]
        assert 0 <= low <= arm["quality"][0] <= high <= 1


def test_it_leaves_a_configuration_a_plot_and_the_records_with_feedback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = result(capsys, "--limit", "8", "--out", str(tmp_path))

    reader = RecordReader(tmp_path / "records.sqlite")
    routed = reader.list(limit=100, route="auto")
    assert len(routed) == found["n_queries"] == 8
    assert all(record.outcome == "answered" and record.messages is None for record in routed)
    assert len(reader.feedback([record.id for record in routed])) == 8
    assert (tmp_path / "curve.svg").read_text().startswith("<?xml")
    assert run(["check", "--config", str(tmp_path / "switchpoint.toml")]) == 0


def test_the_same_runs_against_the_real_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("xllamacpp")

    found = result(capsys, "--live", "--limit", "3", "--out", str(tmp_path))

    assert found["arms"][0]["served_by"] == "Switchpoint (auto)"
    assert all(arm["usd"][0] > 0 for arm in found["arms"])


def test_live_goes_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--live", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "--live asks the demo's own questions" in capsys.readouterr().err
