"""What is told of the traffic is what the configuration wants told."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from switchpoint.assembly.observability import ENDPOINTS, Observability, secrets_of
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.read import parse
from switchpoint.core.errors import ConfigError
from switchpoint.core.principal import ANONYMOUS
from switchpoint.core.query import Query
from switchpoint.records.lines import log_request


@pytest.fixture(autouse=True)
def without_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)


def switchpoint(**observability: Any) -> Switchpoint:
    return Switchpoint.of(
        {
            "upstreams": {"vendor": {"kind": "fake", "script": {"mini": ["hi"]}}},
            "models": {"mini": {"upstream": "vendor", "tier": "mid"}},
            "records": {"enabled": False},
            "observability": observability,
        }
    )


async def test_metrics_are_always_there_and_name_the_upstream():
    made = switchpoint()
    await made.run("hello")

    text = made.metrics.render().decode()
    assert 'switchpoint_attempts_total{model="mini",outcome="accepted",upstream="vendor"} 1.0' in text
    assert re.search(r"^process_resident_memory_bytes \d", text, re.MULTILINE)
    assert re.search(r"^process_open_fds \d", text, re.MULTILINE)
    await made.aclose()


def test_nothing_is_traced_and_no_request_logged_unless_asked():
    made = switchpoint()

    assert made.observability.sinks == (made.metrics, made.observability.claims)
    assert made.service().trace_share is None


def test_requests_are_logged_when_asked():
    assert log_request in switchpoint(log_requests=True).observability.sinks


@pytest.mark.parametrize("variable", ["COLLECTOR", *ENDPOINTS])
def test_a_collector_turns_traces_on(monkeypatch: pytest.MonkeyPatch, variable: str):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    named = {"otlp_endpoint_env": "COLLECTOR"} if variable == "COLLECTOR" else {}

    made = switchpoint(trace_share=0.25, **named)

    assert len(made.observability.sinks) == 3
    assert made.service().trace_share == 0.25
    made.close()


def test_a_collector_without_an_address_is_a_fault_of_the_configuration():
    with pytest.raises(ConfigError, match="'COLLECTOR' is not set"):
        switchpoint(otlp_endpoint_env="COLLECTOR")


def test_traces_without_their_extra_name_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLLECTOR", "http://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    monkeypatch.delitem(sys.modules, "switchpoint.records.tracing", raising=False)

    with pytest.raises(ConfigError, match=r"switchpoint\[otel\]"):
        switchpoint(otlp_endpoint_env="COLLECTOR")


async def test_what_budgets_have_left_is_shown_and_nothing_of_keys(tmp_path: Path):
    priced = {"upstream": "vendor", "tier": "mid", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1}
    budgets = [{"route": "auto", "usd": 2, "per": "total"}, {"key": "*", "usd": 1}, {"team": "red", "usd": 3}]
    made = Switchpoint.of(
        {
            "upstreams": {"vendor": {"kind": "fake", "script": {"mini": ["hi"]}}},
            "models": {"mini": priced},
            "records": {"enabled": False},
            "access": {"path": str(tmp_path / "control.sqlite"), "budgets": budgets},
        }
    )
    query = replace(Query.of("hello"), parameters={"max_tokens": 100_000})

    await made.service().gate.admit(ANONYMOUS, "auto", query)

    shown = dict(re.findall(r'budget_left_usd\{budget="([^"]+)"\} (\S+)', made.metrics.render().decode()))
    assert 1 < float(shown["route:auto:total"]) < 2
    assert shown == {"route:auto:total": shown["route:auto:total"], "team:red:month": "3.0"}
    await made.aclose()


async def test_a_successor_counts_on():
    first = switchpoint()
    await first.run("hello")

    second = Switchpoint(first.config, after=first)
    await second.run("hello")

    assert b'switchpoint_queries_total{outcome="answered",route="auto"} 2.0' in second.metrics.render()
    await second.aclose()


def test_a_successor_knows_the_models_of_both():
    first = switchpoint()
    raw = {
        "upstreams": {"other": {"base_url": "https://api.openai.com/v1"}},
        "models": {"big": {"upstream": "other", "tier": "strong"}},
    }
    config = parse(raw)
    catalog = Switchpoint(config.model_copy(update={"records": first.config.records})).catalog

    second = Observability(config, catalog, first.observability)

    assert second.metrics is first.metrics
    assert {"mini", "big"} <= set(second.callees)


def test_the_secrets_of_a_configuration_are_its_keys_and_headers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VENDOR_KEY", "a-key")
    vendor = {"base_url": "https://api.openai.com/v1", "api_key_env": "VENDOR_KEY", "headers": {"x-more": "a-header"}}

    config = parse({"upstreams": {"vendor": vendor}, "models": {"mini": {"upstream": "vendor", "tier": "mid"}}})

    assert {"a-key", "a-header"} <= set(secrets_of(config))


@pytest.mark.parametrize("url", ["postgresql://u:s3cret%21@db:5432/x?a=b", "host=db password=s3cret%21 user=u"])
def test_the_password_of_a_store_is_a_secret_however_it_is_given(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("DATABASE_URL", url)
    vendor = {"kind": "fake", "script": {}}
    config = parse({"upstreams": {"vendor": vendor}, "models": {"mini": {"upstream": "vendor", "tier": "mid"}}})

    assert "s3cret%21" in set(secrets_of(config))


def test_the_keys_of_a_pool_and_the_secrets_of_the_gateway_itself_are_secrets_too(monkeypatch: pytest.MonkeyPatch):
    told = {"KEY_A": "a-key", "KEY_B": "b-key", "SWITCHPOINT_ADMIN_KEY": "c-key", "TOKEN": "d-key", "SESSIONS": "e-key"}
    urls = {"DATABASE_URL": "postgresql://user:f-key@db/x", "REDIS_URL": "rediss://:g-key@redis:6379/0"}
    vendor = {"base_url": "https://api.openai.com/v1", "api_keys_env": ["KEY_A", "KEY_B"]}
    for name, value in (told | urls).items():
        monkeypatch.setenv(name, value)

    config = parse(
        {
            "upstreams": {"vendor": vendor},
            "models": {"mini": {"upstream": "vendor", "tier": "mid"}},
            "management": {"token_env": "TOKEN"},
            "sessions": {"secret_env": "SESSIONS"},
        }
    )

    assert {f"{letter}-key" for letter in "abcdefg"} <= set(secrets_of(config))
