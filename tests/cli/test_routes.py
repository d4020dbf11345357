"""`switchpoint routes`: the report route by route, the thresholds written back, and one text asked."""

import json
from pathlib import Path

import pytest

from switchpoint.cli.app import run
from switchpoint.routers.utterances import load

ROUTES = """
others = ["green leaf", "yellow sun", "what is the time", "tell me a joke"]
[routes.red]
utterances = ["red rose", "red wine", "red car", "red rose wine", "red wine car"]
[routes.blue]
utterances = ["blue sky", "blue sea", "blue ink", "blue sky sea", "blue ink sea"]
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    (tmp_path / "routes.toml").write_text(ROUTES)
    return tmp_path / "routes.toml"


def printed(capsys: pytest.CaptureFixture[str], *arguments: object):
    assert run(["routes", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_route_is_reported(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, routes)

    assert [row["name"] for row in found["routes"]] == ["red", "blue"]
    assert set(found["routes"][0]) == {"name", "threshold", "n", "taken", "precision", "recall", "f1"}
    assert found["n_texts"] == 14 and len(found["accuracy"]) == 3


def test_the_report_is_shown_to_people_too(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["routes", str(routes), "--wrong", "50"]) == 0

    shown = capsys.readouterr()
    assert "precision" in shown.out and "Nothing is written" in shown.err


@pytest.mark.parametrize("name", ["out.toml", "out.json"])
def test_thresholds_are_written_and_used_from_then_on(
    routes: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = routes.parent / name

    found = printed(capsys, routes, "--out", out)

    written = load(out)
    assert [route.threshold for route in written.routes] == [row["threshold"] for row in found["routes"]]
    assert written.fitted_with == found["fitted_with"]
    assert printed(capsys, out, "--ask", "red rose")["thresholds"]["red"] == written.routes[0].threshold


def test_one_text_may_be_asked(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = printed(capsys, routes, "--ask", "blue sea sky")

    assert answer["name"] == "blue"
    assert answer["scores"]["blue"] > answer["scores"]["red"]
    assert run(["routes", str(routes), "--ask", "blue sea sky"]) == 0
    assert "threshold" in capsys.readouterr().out


def test_sparse_hybrid_and_dense_may_be_compared(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, routes, "--compare")

    assert [row["alpha"] for row in found] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert found[0]["accuracy"][0] == printed(capsys, sparse(routes))["accuracy"][0]
    assert run(["routes", str(routes), "--compare"]) == 0
    assert "95 %" in capsys.readouterr().out


def sparse(routes: Path) -> Path:
    path = routes.parent / "sparse.toml"
    path.write_text(f"alpha = 0\n{routes.read_text()}")
    return path


def test_every_fault_of_a_file_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.toml").write_text("[routes.a]\nutterances = []\nthreshhold = 1\n")

    code = run(["routes", str(tmp_path / "bad.toml")])

    assert code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


def test_a_file_of_another_kind_is_not_written(routes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["routes", str(routes), "--out", str(routes.parent / "out.yaml")]) == 2
    assert "ending in .toml or .json" in capsys.readouterr().err
