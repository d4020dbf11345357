"""`switchpoint records` and `switchpoint explain` show what is in the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from switchpoint.cli import explain, records
from switchpoint.core.errors import ConfigError, RequestError
from switchpoint.core.record import Record
from switchpoint.records.log import RecordLog

Run = Callable[..., str]


@pytest.fixture
def run(log: RecordLog, make: Callable[..., Record]) -> Run:
    """Run a command over three records, two answered by `large` and one by `small`."""
    for record in (make(0), make(1), make(2, accepted=0)):
        log(record)
    log.flush()
    return lambda *arguments: invoke(*arguments, "--db", str(log.path))


def invoke(*arguments: str) -> str:
    app = typer.Typer()
    app.command("records")(records.command)
    app.command("explain")(explain.command)
    result = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_latest_records_are_listed_first(run: Run):
    lines = [line for line in run("records", "--limit", "2").splitlines() if "rec-" in line]

    assert ["rec-2" in lines[0], "rec-1" in lines[1], len(lines)] == [True, True, 2]
    assert "0.002210" in lines[0]


def test_records_can_be_those_of_one_model(run: Run):
    found = json.loads(run("records", "--model", "small", "--json"))

    assert [(record["id"], record["answered_by"], record["cost_usd"]) for record in found] == [
        ("rec-2", "small", "0.00221")
    ]


def test_the_totals_are_shown_by_model_and_overall(run: Run):
    output = run("records", "--summary")

    for shown in ("large", "small", "all", "0.006630", "67%"):
        assert shown in output


def test_the_totals_are_also_data(run: Run):
    found = json.loads(run("records", "--summary", "--json"))

    assert found["total"]["saved_usd"] == "0.02337"
    assert [totals["model"] for totals in found["models"]] == ["large", "small", "huge"]


def test_a_record_is_explained_in_one_table(run: Run):
    output = run("explain", "rec-0")

    for shown in (
        "cheap first",
        "rejected, score 0.31",
        "RateLimited 429",
        "accepted",
        "huge would have cost 0.010000",
    ):
        assert shown in output


def test_an_explanation_is_also_data(run: Run):
    found = json.loads(run("explain", "rec-0", "--json"))

    assert [attempt["decision"]["model"] for attempt in found["attempts"]] == ["small", "huge", "large"]
    assert [line["result"] for line in found["story"]] == ["rejected, score 0.31", "RateLimited 429", "accepted"]
    assert (found["saved_usd"], found["feedback"]) == ("0.00779", [])


def test_an_ambiguous_id_is_refused(run: Run):
    with pytest.raises(RequestError, match="Give more of it"):
        run("explain", "rec")


def test_without_a_log_the_commands_say_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="Send a request through Switchpoint first"):
        invoke("records", "--db", str(tmp_path / "none.sqlite"))
