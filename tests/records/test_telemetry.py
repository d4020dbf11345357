"""Prometheus sees numbers by route and model, and never what was said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from switchpoint.core.decision import Reason
from switchpoint.core.health import Health
from switchpoint.core.record import Record
from switchpoint.core.session import Session
from switchpoint.records.telemetry import ROUTES, Metrics
from switchpoint.records.watching import Callee

Make = Callable[..., Record]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, dict.fromkeys(("small", "huge", "mini"), Callee("vendor", "vendor", "m-1")))


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("queries_total", {"route": "auto", "outcome": "answered"}, 1),
        ("decisions_total", {"route": "auto", "model": "small", "reason": "first_of_cascade"}, 1),
        ("decisions_total", {"route": "auto", "model": "large", "reason": "fell_back"}, 1),
        ("attempts_total", {"upstream": "vendor", "model": "small", "outcome": "rejected"}, 1),
        ("attempts_total", {"upstream": "vendor", "model": "huge", "outcome": "RateLimited"}, 1),
        ("attempts_total", {"upstream": "unknown", "model": "large", "outcome": "accepted"}, 1),
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
    called = {"upstream": "vendor", "model": "mini", "outcome": "abandoned"}
    assert registry.get_sample_value("switchpoint_attempts_total", called) == 1


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


def test_what_was_ours_of_a_query_and_when_its_caller_saw_something_are_shown(
    metrics: Metrics, registry: CollectorRegistry, make: Make
):
    metrics(make(0, overhead_s=0.00007, ttft_s=0.4))

    assert registry.get_sample_value("switchpoint_overhead_seconds_bucket", {"le": "5e-05"}) == 0
    assert registry.get_sample_value("switchpoint_overhead_seconds_bucket", {"le": "0.0001"}) == 1
    assert registry.get_sample_value("switchpoint_query_ttft_seconds_sum", {"route": "auto"}) == 0.4


def test_a_time_that_is_unknown_is_not_counted(metrics: Metrics, registry: CollectorRegistry, full: Record):
    metrics(full)

    assert registry.get_sample_value("switchpoint_overhead_seconds_count") in (None, 0)
    assert registry.get_sample_value("switchpoint_query_ttft_seconds_count", {"route": "auto"}) is None


def test_health_is_shown_as_it_is_when_asked(metrics: Metrics, registry: CollectorRegistry):
    seen = {"small": Health(error_rate=0.25, latency_s=1.5)}
    metrics.watch_health(lambda: seen)
    seen["huge"] = Health(closed_because="5 of 5 calls failed")

    assert registry.get_sample_value("switchpoint_model_callable", {"model": "small"}) == 1
    assert registry.get_sample_value("switchpoint_model_callable", {"model": "huge"}) == 0
    assert registry.get_sample_value("switchpoint_model_error_share", {"model": "small"}) == 0.25
    assert registry.get_sample_value("switchpoint_model_latency_seconds", {"model": "huge"}) is None


def test_what_budgets_have_left_is_shown(metrics: Metrics, registry: CollectorRegistry):
    metrics.watch_budgets(lambda: {"research": Decimal("12.5"), "team": -0.1})

    assert registry.get_sample_value("switchpoint_budget_left_usd", {"budget": "research"}) == 12.5
    assert registry.get_sample_value("switchpoint_budget_left_usd", {"budget": "team"}) == -0.1


def test_the_door_is_shown(metrics: Metrics, registry: CollectorRegistry):
    metrics.watch_door(SimpleNamespace(inside=3, waiting=2, refused=7))

    shown = ("requests_in_progress", "requests_waiting", "requests_shed_total")
    assert [registry.get_sample_value(f"switchpoint_{name}") for name in shown] == [3, 2, 7]


@pytest.mark.parametrize(
    ("before", "reason", "phase"),
    [
        (None, Reason.ESTIMATED, "new"),
        ("large", Reason.STICKY, "stay"),
        ("small", Reason.ESTIMATED, "switch"),
        ("large", Reason.LOCKED, "locked"),
    ],
)
def test_a_query_of_a_conversation_is_counted_by_its_phase(
    metrics: Metrics, registry: CollectorRegistry, make: Make, before: str | None, reason: Reason, phase: str
):
    answered = make(0).attempts[2]
    attempt = replace(answered, decision=replace(answered.decision, reason=reason))

    metrics(make(0, attempts=(attempt,), accepted=0, session=Session(id="s", model=before)))

    assert registry.get_sample_value("switchpoint_session_queries_total", {"phase": phase}) == 1


def test_an_answer_that_was_kept_is_counted_as_such(metrics: Metrics, registry: CollectorRegistry, make: Make):
    answered = make(0).attempts[2]
    kept = replace(answered, answer=replace(answered.answer, cached=True))

    metrics(make(0, attempts=(kept,), accepted=0))

    assert registry.get_sample_value("switchpoint_cached_answers_total", {"model": "large"}) == 1


def test_what_nobody_watches_is_not_shown_as_zero(metrics: Metrics):
    text = metrics.render().decode()

    assert "switchpoint_build_info{version=" in text
    assert not [name for name in ("budget_left", "model_callable", "requests_shed") if name in text]
