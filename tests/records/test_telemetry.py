"""Prometheus sees numbers by route and model, and never what was said."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from switchpoint.core.record import Record
from switchpoint.records.telemetry import ROUTES, Metrics

Make = Callable[..., Record]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("queries_total", {"route": "auto", "outcome": "answered"}, 1),
        ("decisions_total", {"route": "auto", "model": "small", "reason": "first_of_cascade"}, 1),
        ("decisions_total", {"route": "auto", "model": "large", "reason": "fell_back"}, 1),
        ("attempts_total", {"model": "small", "outcome": "rejected"}, 1),
        ("attempts_total", {"model": "huge", "outcome": "RateLimited"}, 1),
        ("attempts_total", {"model": "large", "outcome": "accepted"}, 1),
        ("decide_seconds_sum", {}, 0.0004),
        ("decide_seconds_bucket", {"le": "0.00025"}, 0),
        ("decide_seconds_bucket", {"le": "0.0005"}, 1),
        ("query_seconds_count", {"route": "auto"}, 1),
        ("attempt_seconds_sum", {"model": "small"}, 0.2),
        ("ttft_seconds_sum", {"model": "large"}, 0.3),
        ("tokens_total", {"model": "large", "kind": "cached_input"}, 64),
        ("cost_usd_total", {"model": "small"}, 0.00011),
        ("saved_usd", {}, 0.00779),
        ("baseline_cost_usd_total", {}, 0.01),
        ("records_dropped", {}, 0),
        ("verdicts_total", {"verifier": "checks", "outcome": "scored"}, 1),
        ("escalations_total", {"route": "auto"}, 1),
        ("wasted_usd_total", {"route": "auto"}, 0.00011),
    ],
)
def test_a_record_is_counted(
    metrics: Metrics, registry: CollectorRegistry, full: Record, name: str, labels: dict[str, str], value: float
):
    metrics(full)

    assert registry.get_sample_value(f"switchpoint_{name}", labels) == pytest.approx(value)


def test_what_is_unknown_is_not_counted_as_zero(metrics: Metrics, registry: CollectorRegistry, full: Record):
    metrics(full)

    assert registry.get_sample_value("switchpoint_tokens_total", {"model": "small", "kind": "cached_input"}) is None
    assert registry.get_sample_value("switchpoint_ttft_seconds_count", {"model": "small"}) is None


def test_a_call_of_unknown_cost_is_counted_as_such(metrics: Metrics, registry: CollectorRegistry, make: Make):
    from dataclasses import replace

    metrics(make(0, attempts=(replace(make(0).attempts[2], cost_usd=None),), accepted=0))

    assert registry.get_sample_value("switchpoint_unpriced_attempts_total", {"model": "large"}) == 1
    assert registry.get_sample_value("switchpoint_cost_usd_total", {"model": "large"}) is None
    assert registry.get_sample_value("switchpoint_saved_usd") == 0


def test_a_layered_query_is_counted_for_the_layer_that_settled_it(
    metrics: Metrics, registry: CollectorRegistry, layered: Record
):
    metrics(layered)

    assert registry.get_sample_value("switchpoint_layer_queries_total", {"route": "auto", "layer": "cascade"}) == 1
    assert registry.get_sample_value("switchpoint_layer_queries_total", {"route": "auto", "layer": "semantic"}) is None


def test_a_verifier_that_gave_no_score_is_counted_as_failed(
    metrics: Metrics, registry: CollectorRegistry, layered: Record
):
    metrics(layered)

    assert registry.get_sample_value("switchpoint_verdicts_total", {"verifier": "judge", "outcome": "failed"}) == 1
    assert registry.get_sample_value("switchpoint_attempts_total", {"model": "mini", "outcome": "abandoned"}) == 1


def test_a_waste_that_is_unknown_is_not_counted(metrics: Metrics, registry: CollectorRegistry, layered: Record):
    metrics(layered)

    assert registry.get_sample_value("switchpoint_wasted_usd_total", {"route": "auto"}) is None


def test_savings_fall_where_routing_cost_more(metrics: Metrics, registry: CollectorRegistry, make: Make):
    metrics(make(0, baseline_cost_usd=Decimal("0.002")))

    assert registry.get_sample_value("switchpoint_saved_usd") == pytest.approx(-0.00021)


def test_neither_prompts_nor_answers_nor_tags_are_shown(metrics: Metrics, full: Record):
    metrics(full)
    text = metrics.render()

    assert b"switchpoint_queries_total" in text
    assert not [word for word in (b"France", b"Paris", b"acme", b"slow down", b"rec-0") if word in text]


def test_callers_cannot_make_labels_without_end(metrics: Metrics, registry: CollectorRegistry, make: Make):
    for n in range(ROUTES + 50):
        metrics(make(n, route=f"router-mf-0.{n}"))

    assert registry.get_sample_value("switchpoint_queries_total", {"route": "other", "outcome": "answered"}) == 50


def test_the_losses_of_the_log_are_shown_as_they_are_when_asked(metrics: Metrics, registry: CollectorRegistry):
    losses = [3]
    metrics.watch(lambda: losses[0])
    losses[0] = 7

    assert registry.get_sample_value("switchpoint_records_dropped") == 7
