"""What is counted here is shown exactly as Prometheus's own client would show it."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from unittest.mock import MagicMock

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from switchpoint.records.families import Counter, Gauge, Histogram

BOUNDS = (0.05, 0.5, 1.0)
labels = st.sampled_from(["small", "large", 'a "quoted"\nname'])
amounts = st.floats(0, 1e6)


def text(registry: CollectorRegistry) -> list[str]:
    """Return what is shown, without the times of creation."""
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("switchpoint_n_created")]


def theirs(kind: type[prometheus_client.Counter | prometheus_client.Gauge | prometheus_client.Histogram], **options):
    registry = CollectorRegistry()
    return registry, kind("switchpoint_n", "Help.", ["model"], registry=registry, **options)


def shown(family: Counter | Histogram) -> list[str]:
    registry = CollectorRegistry()
    registry.register(family)
    return text(registry)


@given(st.lists(st.tuples(amounts, labels)))
def test_a_counter_is_shown_as_the_clients_own(counted: Sequence[tuple[float, str]]):
    registry, expected = theirs(prometheus_client.Counter)
    ours = Counter(threading.Lock(), "n", "Help.", "model")

    for amount, model in counted:
        ours.add(amount, model)
        expected.labels(model).inc(amount)

    assert shown(ours) == text(registry)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), labels)))
def test_a_gauge_is_shown_as_the_clients_own(counted: Sequence[tuple[float, str]]):
    registry, expected = theirs(prometheus_client.Gauge)
    ours = Gauge(threading.Lock(), "n", "Help.", "model")

    for amount, model in counted:
        ours.add(amount, model)
        expected.labels(model).inc(amount)

    assert shown(ours) == text(registry)


@given(st.lists(st.tuples(st.sampled_from([*BOUNDS, 0.0, math.inf]) | amounts, labels)))
def test_a_histogram_is_shown_as_the_clients_own(observed: Sequence[tuple[float, str]]):
    registry, expected = theirs(prometheus_client.Histogram, buckets=BOUNDS)
    ours = Histogram(threading.Lock(), "n", "Help.", "model", bounds=BOUNDS)

    for number, model in observed:
        ours.observe(number, model)
        expected.labels(model).observe(number)

    assert shown(ours) == text(registry)


def test_a_family_without_labels_is_shown_before_anything_was_counted():
    assert "switchpoint_n_total 0.0" in shown(Counter(threading.Lock(), "n", "Help."))
    assert 'switchpoint_n_bucket{le="+Inf"} 0.0' in shown(Histogram(threading.Lock(), "n", "Help.", bounds=BOUNDS))


def test_a_family_says_since_when_it_counts():
    registry = CollectorRegistry()
    ours = Histogram(threading.Lock(), "n", "Help.", "model", bounds=BOUNDS)
    registry.register(ours)

    ours.observe(0.1, "small")

    assert registry.get_sample_value("switchpoint_n_created", {"model": "small"}) > 0


def test_an_unknown_number_is_not_observed():
    ours = Histogram(threading.Lock(), "n", "Help.", bounds=BOUNDS)

    ours.observe(math.nan)

    assert "switchpoint_n_count 0.0" in shown(ours)
    assert "switchpoint_n_sum 0.0" in shown(ours)


def test_a_family_is_shown_under_the_lock_of_whoever_counts():
    """Otherwise half of a record could be shown."""
    lock = MagicMock()

    shown(Counter(lock, "n", "Help."))

    assert [name for name, _, _ in lock.mock_calls] == ["__enter__", "__exit__"]
