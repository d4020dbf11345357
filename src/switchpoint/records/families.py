"""Families: the counters and histograms that a record is counted in, shown as Prometheus's client shows its own.

The client takes several locks for every number; a record changes some twenty, so here whoever counts takes one lock for
all of them, and counting is an addition.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from math import isnan
from typing import Any, Generic, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

T = TypeVar("T")
Labels = tuple[str, ...]


class Family(Collector, Generic[T]):
    """One number, or one histogram, for every set of labels; of a family without labels there is one from the start.

    lock : held while the numbers are shown; whoever changes them holds it.
    """

    def __init__(
        self, lock: AbstractContextManager[Any], name: str, help: str, labels: Labels, nothing: Callable[[], T]
    ) -> None:
        self._lock, self._nothing = lock, nothing
        self._name, self._help, self._labels = f"switchpoint_{name}", help, labels
        self._since: dict[Labels, float] = {}
        self._series: dict[Labels, T] = {}
        if not labels:
            self._series[()] = self._begin(())

    def collect(self) -> Iterator[Metric]:
        """Yield the family as it is now."""
        with self._lock:
            yield self._shown()

    def _shown(self) -> Metric:
        raise NotImplementedError

    def _begin(self, labels: Labels) -> T:
        self._since[labels] = time.time()
        return self._nothing()


class Counter(Family[float]):
    """Counts upwards."""

    def __init__(self, lock: AbstractContextManager[Any], name: str, help: str, *labels: str) -> None:
        super().__init__(lock, name, help, labels, float)

    def add(self, amount: float, *labels: str) -> None:
        """Count so many more; never less than nothing."""
        number = self._series.get(labels)
        self._series[labels] = amount + (self._begin(labels) if number is None else number)

    def _shown(self) -> Metric:
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, number in self._series.items():
            family.add_metric(labels, number, created=self._since[labels])
        return family


class Gauge(Counter):
    """Counts both ways."""

    def _shown(self) -> Metric:
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for labels, number in self._series.items():
            family.add_metric(labels, number)
        return family


class Histogram(Family[list[float]]):
    """Counts by size: of each series its sum, then how many fell into each bucket, those beyond the last one included.

    bounds : of the buckets, ascending; a number on a bound is inside.
    """

    def __init__(
        self, lock: AbstractContextManager[Any], name: str, help: str, *labels: str, bounds: Sequence[float]
    ) -> None:
        self._bounds = tuple(bounds)
        self._edges = [*(repr(float(bound)) for bound in bounds), "+Inf"]
        super().__init__(lock, name, help, labels, lambda: [0.0] * (len(bounds) + 2))

    def observe(self, number: float, *labels: str) -> None:
        """Count a number; NaN, which is unknown, is not counted."""
        if isnan(number):
            return
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._begin(labels)
        series[0] += number
        series[1 + bisect_left(self._bounds, number)] += 1.0

    def _shown(self) -> Metric:
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for labels, (total, *counts) in self._series.items():
            family.add_metric(labels, list(zip(self._edges, accumulate(counts), strict=True)), total)
            said = dict(zip(self._labels, labels, strict=True))
            family.add_sample(f"{self._name}_created", said, self._since[labels])
        return family
