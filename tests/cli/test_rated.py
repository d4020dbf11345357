"""A rated router from the command line: the rater is asked, and what that took is shown."""

import asyncio
import json
from pathlib import Path

import pytest

from switchpoint import Switchpoint
from switchpoint.cli.app import run

CONFIG = """
[upstreams.fake]
kind = "fake"
script = { mini = ["from mini"], big = ["from big"], judge = ["1"] }
[models]
mini = { upstream = "fake", tier = "weak" }
big = { upstream = "fake", tier = "strong" }
judge = { upstream = "fake" }
[routers.asked]
kind = "rated"
rater = "judge"
models = ["mini", "big"]
threshold = 0.7
time_box_s = 60
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "switchpoint.toml").write_text(CONFIG)
    return tmp_path


def test_route_asks_the_rater_and_shows_the_decision(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "hello", "--json"]) == 0

    decision = json.loads(capsys.readouterr().out)
    assert (decision["model"], decision["reason"]) == ("mini", "estimated")


def test_explain_says_that_somebody_was_asked_first(capsys: pytest.CaptureFixture[str]) -> None:
    async def answered() -> str:
        async with Switchpoint.load("switchpoint.toml") as switchpoint:
            return (await switchpoint.run("hello")).id

    record = asyncio.run(answered())

    assert run(["explain", record]) == 0
    assert "Asked the network first" in " ".join(capsys.readouterr().out.split())
