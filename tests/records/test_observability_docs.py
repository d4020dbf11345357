"""`docs/observability.md` says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from switchpoint.core.health import Health
from switchpoint.core.record import Record
from switchpoint.records import semantics
from switchpoint.records.claims import Claims
from switchpoint.records.lines import log_request
from switchpoint.records.telemetry import Metrics
from tests.records.test_lines import logged

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
KINDS = {"counter": "_total", "gauge": "", "histogram": "", "info": "_info"}
IN_EVENTS = {semantics.EVALUATION_NAME, semantics.EVALUATION_SCORE}


def listed() -> set[str]:
    """Return the metrics of the page, without their prefix."""
    section = PAGE.split("## Metrics\n")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    Claims(registry, {})
    metrics.watch_health(lambda: {"m": Health(error_rate=0.0, latency_s=1.0, ttft_s=1.0)})
    metrics.watch_budgets(lambda: {"b": 1.0})
    metrics.watch_door(SimpleNamespace(inside=0, waiting=0, refused=0))
    return registry


def test_the_page_has_every_metric_and_no_other(registry: CollectorRegistry):
    made = {family.name.removeprefix("switchpoint_") + KINDS[family.type] for family in registry.collect()}

    assert listed() == made


def test_the_page_has_every_attribute_of_a_span():
    words = {word for word in vars(semantics).values() if isinstance(word, str)}

    attributes = {word for word in words if word.startswith(("gen_ai.", "router.", "server.", "error."))}
    assert {name for name in attributes if f"`{name}`" not in PAGE} <= IN_EVENTS


def test_the_page_has_every_field_of_a_request_line(full: Record):
    with logged("json") as stream:
        log_request(full)

    told = set(json.loads(stream.getvalue())) - {"at", "level", "logger", "message"}
    assert not [name for name in told if f"`{name}`" not in PAGE]
