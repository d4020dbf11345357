"""`switchpoint report`, as a person or a program calls it."""

import html
import json

import pytest
from typer.testing import CliRunner

from switchpoint.cli.app import app, run
from tests.learning.test_routability import write


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "toy")


def call(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_a_person_reads_one_sentence_and_its_reasons(folder):
    result = call(folder, "--routers", "length,best")

    first, *reasons = result.stdout.splitlines()
    assert first.endswith(".")
    assert all(line.startswith("- ") for line in reasons)
    assert "Router 1 of 2: length" in result.stderr


def test_the_page_is_one_file_and_the_json_holds_the_same_figures(folder, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "report.html"

    found = json.loads(call(folder, "--routers", "length,best", "--out", out, "--json").stdout)

    page = out.read_text()
    assert found["recommendation"]["sentence"] in html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    assert f"{found['models']['max']['quality'][0] * 100:.1f}" in page
    assert list(found["routers"]) == ["length", "best"]


@pytest.mark.parametrize("out", ["report.pdf", "nowhere/report.html"])
def test_a_page_that_cannot_be_written_is_refused_at_once(folder, tmp_path, out, capsys):
    assert run(["report", str(folder), "--routers", "best", "--out", str(tmp_path / out)]) == 2
    said = capsys.readouterr().err
    assert "--out must be an .html file in a folder that is there" in said
    assert "Router 1" not in said


def test_half_a_pair_is_a_usage_error(folder, capsys):
    assert run(["report", str(folder), "--routers", "best", "--weak", "mini"]) == 2
    said = capsys.readouterr().err
    assert "Name both models" in said
    assert "Router 1" not in said


def test_a_dataset_that_is_not_there_is_named(tmp_path, capsys):
    assert run(["report", str(tmp_path / "nowhere"), "--routers", "best"]) != 0
    assert "nowhere" in capsys.readouterr().err
