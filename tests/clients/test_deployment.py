"""The service of systemd and the page about deployment agree with the code."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchpoint.cli.app import app
from switchpoint.config.serving import GatewaySection
from switchpoint.records.spool import FINISH_S
from switchpoint.upstreams.openai_compatible import OpenAICompatible

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy" / "systemd" / "switchpoint.service").read_text("utf-8")
PAGE = (ROOT / "docs" / "deployment.md").read_text("utf-8")
METRICS = (ROOT / "docs" / "observability.md").read_text("utf-8")
DEFAULTS = GatewaySection()


def setting(name: str) -> str:
    """Return the only value of a setting of the unit."""
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def directive(name: str) -> float:
    """Return the number that the example of a proxy gives to a directive."""
    (value,) = re.findall(rf"^ *{name} (\d+)[sm];", PAGE, re.MULTILINE)
    return float(value)


def test_the_service_starts_a_command_that_exists():
    _, command, *options = shlex.split(setting("ExecStart"))
    told = CliRunner().invoke(app, [command, "--help"])

    assert told.exit_code == 0
    assert [option for option in options if option.startswith("-")] == ["--config"]
    assert setting("ExecReload").startswith("/bin/kill -HUP")


def test_the_service_waits_for_answers_in_progress_and_the_last_records():
    assert float(setting("TimeoutStopSec")) > DEFAULTS.linger_s + DEFAULTS.grace_s + FINISH_S


def test_the_service_can_write_where_it_works_and_nowhere_else():
    assert setting("WorkingDirectory") == f"/var/lib/{setting('StateDirectory')}"
    assert (setting("ProtectSystem"), setting("CapabilityBoundingSet")) == ("strict", "")


def test_the_service_names_no_secret():
    assert "Environment=" not in UNIT
    assert setting("EnvironmentFile").startswith("-/etc/")


def test_the_proxy_waits_longer_than_a_call_may_take_and_takes_what_the_gateway_takes():
    total_s = inspect.signature(OpenAICompatible).parameters["total_timeout_s"].default

    assert directive("proxy_read_timeout") > total_s
    assert directive("client_max_body_size") == DEFAULTS.max_body_mb


@pytest.mark.parametrize("name", re.findall(r"^\| `switchpoint_(\w+)`", PAGE, re.MULTILINE))
def test_a_number_to_watch_is_one_that_is_told(name: str):
    assert f"`{name}`" in METRICS
