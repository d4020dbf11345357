"""`switchpoint records` and `switchpoint explain` show what is in the log."""

from __future__ import annotations

import json
import re
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
def run(log: RecordLog, place: Path | str, make: Callable[..., Record]) -> Run:
    """Run a command over three records, two answered by `large` and one by `small`."""
    for record in (make(0), make(1), make(2, accepted=0)):
        log(record)
    log.flush()
    return lambda *arguments: invoke(*arguments, "--db", str(place))


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


def test_escalations_are_shown_with_an_interval_and_waste(run: Run):
    output = run("records", "--summary")

    assert re.search(r"auto +│ +3 │ +3 │ 100.0% \(43.9% to 100.0%\) │ +0\.\d{6}", output)
    assert "layer" not in output


def test_layers_are_shown_where_there_are_any(run: Run, log: RecordLog, layered: Record):
    log(layered)
    log.flush()

    assert re.search(r"cascade │ +1 │ +100%", run("records", "--summary"))


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


def test_every_verdict_has_a_row_with_its_cost(run: Run, log: RecordLog, layered: Record):
    log(layered)
    log.flush()
    output = re.sub(r" +", " ", run("explain", "rec-layered"))

    for verifier, said, cost in (
        ("confidence", "score 0.12 (8 tokens)", "0.000020"),
        ("checks", "score 0.90", "0.000000"),
        ("judge", "no score (timed out)", "0.000300"),
    ):
        assert re.search(rf"{verifier} [^\n]* verdict │ {re.escape(said)} │ {cost}", output)


def test_the_bill_is_split_and_an_unknown_part_is_called_so(run: Run, log: RecordLog, layered: Record):
    log(layered)
    log.flush()

    assert "answer given 0.002100, discarded drafts 0.000100, verifying 0.000010, preparing 0.000000" in run(
        "explain", "rec-0"
    )
    assert "discarded drafts unknown, verifying 0.000320" in run("explain", "rec-layered")


def test_an_explanation_is_also_data(run: Run):
    found = json.loads(run("explain", "rec-0", "--json"))

    assert [attempt["decision"]["model"] for attempt in found["attempts"]] == ["small", "huge", "large"]
    assert [line["result"] for line in found["story"]] == ["rejected, score 0.31", "RateLimited 429", "accepted"]
    assert (found["saved_usd"], found["feedback"]) == ("0.00779", [])
    assert (found["wasted_usd"], found["escalated"], found["bill"]["given_usd"]) == ("0.00011", True, "0.0021")


def test_an_ambiguous_id_is_refused(run: Run):
    with pytest.raises(RequestError, match="Give more of it"):
        run("explain", "rec")


def test_without_a_log_the_commands_say_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="Send a request through Switchpoint first"):
        invoke("records", "--db", str(tmp_path / "none.sqlite"))


def test_without_a_place_the_configurations_records_are_read_and_no_vendors_key_is_needed(
    make: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "switchpoint.toml"
    file.write_text(
        'upstreams = { v = { base_url = "http://x", api_key_env = "NOT_SET" } }\n[records]\npath = "mine.sqlite"\n'
    )
    with RecordLog(tmp_path / "mine.sqlite") as log:
        log(make(0))
    monkeypatch.chdir(tmp_path)

    for options in ([], ["--config", str(file)]):
        assert "rec-0" in invoke("records", *options)
    assert "rec-0" in invoke("explain", "rec-0")
