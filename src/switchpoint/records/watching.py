"""Watching: numbers that are no part of a record, read from whoever knows them whenever Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from importlib.metadata import version
from typing import NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from switchpoint.core.health import Health
from switchpoint.core.protocols import HealthReport


class Callee(NamedTuple):
    """Who is called for a model: its upstream, the vendor, the vendor's name of it, and where; None is unknown."""

    upstream: str
    provider: str
    model: str
    address: str | None = None
    port: int | None = None


UNKNOWN = Callee("unknown", "unknown", "unknown")


class Door(Protocol):
    """Requests at the gateway's door: now inside, now waiting, and refused since the start."""

    @property
    def inside(self) -> int:
        """How many are being answered."""
        ...

    @property
    def waiting(self) -> int:
        """How many are in the queue."""
        ...

    @property
    def refused(self) -> int:
        """How many were turned away."""
        ...


class Watched(Collector):
    """Collects from what was given to it; what nobody gave is not shown."""

    def __init__(self) -> None:
        self.health: HealthReport | None = None
        self.budgets: Callable[[], Mapping[str, Decimal | float]] | None = None
        self.door: Door | None = None

    def collect(self) -> Iterator[Metric]:
        """Yield every family there is something to say of."""
        build = {"version": version("switchpoint")}
        yield InfoMetricFamily("switchpoint_build", "What is running.", value=build)
        if self.health is not None:
            yield from _health(self.health())
        if self.budgets is not None:
            left = [((name,), float(usd)) for name, usd in self.budgets().items()]
            yield _gauge("budget_left_usd", "What a budget has left; below 0 it is overspent.", ("budget",), left)
        if self.door is not None:
            yield from _door(self.door)


def _health(report: Mapping[str, Health]) -> Iterator[Metric]:
    label = ("model",)
    callable_ = [((model,), float(health.closed_because is None)) for model, health in report.items()]
    yield _gauge("model_callable", "1 where a model may be called, 0 where its breaker is open.", label, callable_)
    for name, help, field in (
        ("model_error_share", "Share of a model's latest calls that failed.", "error_rate"),
        ("model_latency_seconds", "Moving average of a model's answers.", "latency_s"),
        ("model_ttft_seconds", "Moving average to a model's first token.", "ttft_s"),
    ):
        values = [((model,), getattr(health, field)) for model, health in report.items()]
        yield _gauge(name, help, label, [(labels, value) for labels, value in values if value is not None])


def _door(door: Door) -> Iterator[Metric]:
    yield _gauge("requests_in_progress", "Requests that are being answered.", (), [((), door.inside)])
    yield _gauge("requests_waiting", "Requests that wait for a place.", (), [((), door.waiting)])
    yield CounterMetricFamily(
        "switchpoint_requests_shed", "Requests turned away for want of a place.", value=door.refused
    )


def _gauge(
    name: str, help: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"switchpoint_{name}", help, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
