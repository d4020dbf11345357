"""Telemetry: what Prometheus sees of the records. Neither prompts nor tags ever become labels.

The registry is passed in, so several of these live in one process. Children are cached: the client's own look-up of
labels costs more than counting. What is no part of a record (health, budgets, the queue) is asked for when Prometheus
asks; see `switchpoint.records.watching`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from math import isnan
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Reason
from switchpoint.core.protocols import HealthReport
from switchpoint.core.query import EMPTY
from switchpoint.core.record import Record
from switchpoint.records.watching import UNKNOWN, Callee, Door, Watched

DECIDE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0)
ROUTES = 100
"""Callers can write as many routes as there are thresholds (`router-NAME-0.123`); those after these are `other`."""

M = TypeVar("M", Counter, Gauge, Histogram)


class Metrics:
    """A sink that counts; `render` is the body of `GET /metrics`.

    callees : by model, who is called for it; a model that is absent is of the upstream "unknown".
    """

    def __init__(self, registry: CollectorRegistry, callees: Mapping[str, Callee] = EMPTY) -> None:
        self._registry = registry
        self._callees = callees
        self._routes: set[str] = set()
        self._lock = threading.Lock()
        self._watched = Watched()
        registry.register(self._watched)

        def family(kind: Callable[..., M], name: str, help: str, *labels: str, **options: Any) -> Callable[..., M]:
            made = kind(f"switchpoint_{name}", help, labels, registry=registry, **options)
            return cache(made.labels) if labels else cache(lambda: made)

        self._queries = family(Counter, "queries", "Queries by route and outcome.", "route", "outcome")
        self._decisions = family(Counter, "decisions", "Choices of a model.", "route", "model", "reason")
        self._layers = family(Counter, "layer_queries", "Queries by the layer that settled them.", "route", "layer")
        self._escalations = family(Counter, "escalations", "Queries that one model's answer did not settle.", "route")
        self._wasted = family(Counter, "wasted_usd", "Known cost of discarded drafts and of verifying.", "route")
        self._verdicts = family(Counter, "verdicts", "Verdicts: scored, or failed.", "verifier", "outcome")
        self._attempts = family(Counter, "attempts", "Calls and what came of them.", "upstream", "model", "outcome")
        self._decide = family(Histogram, "decide_seconds", "Time deciding, a query.", buckets=DECIDE_BUCKETS_S)
        self._overhead = family(
            Histogram, "overhead_seconds", "Time of a query that was ours, deciding included.", buckets=DECIDE_BUCKETS_S
        )
        self._latency = family(Histogram, "query_seconds", "The whole trip.", "route", buckets=CALL_BUCKETS_S)
        self._query_ttft = family(
            Histogram, "query_ttft_seconds", "Query to the caller's first token.", "route", buckets=CALL_BUCKETS_S
        )
        self._call = family(Histogram, "attempt_seconds", "One call.", "model", buckets=CALL_BUCKETS_S)
        self._ttft = family(Histogram, "ttft_seconds", "Call to first token.", "model", buckets=CALL_BUCKETS_S)
        self._tokens = family(Counter, "tokens", "Tokens; input includes cached_input.", "model", "kind")
        self._cost = family(Counter, "cost_usd", "Known cost of calls and of verifying.", "model")
        self._unpriced = family(Counter, "unpriced_attempts", "Calls of unknown cost.", "model")
        self._baseline = family(Counter, "baseline_cost_usd", "Cost at the baseline model, where a bill is known too.")
        self._saved = family(Gauge, "saved_usd", "Baseline cost minus bills; falls where routing cost more.")
        self._dropped = family(Gauge, "records_dropped", "Records that the log has lost.")
        self._sessions = family(Counter, "session_queries", "Queries of known conversations.", "phase")
        self._cached = family(Counter, "cached_answers", "Answers to earlier requests, given again.", "model")

    def __call__(self, record: Record) -> None:
        """Count a record."""
        route = self._route(record.route)
        self._queries(route, record.outcome).inc()
        self._time(route, record)
        saved_usd = record.saved_usd
        if saved_usd is not None and record.baseline_cost_usd is not None:
            self._saved().inc(float(saved_usd))
            self._baseline().inc(float(record.baseline_cost_usd))
        self._count_cascading(route, record)
        phase = phase_of(record)
        if phase is not None:
            self._sessions(phase).inc()
        for number, attempt in enumerate(record.attempts):
            decision = attempt.decision
            model = decision.model
            self._decisions(route, model, decision.reason.value).inc()
            callee = self._callees.get(model, UNKNOWN)
            self._attempts(callee.upstream, model, outcome_of(attempt, number == record.accepted)).inc()
            self._count(model, attempt)

    def watch(self, dropped: Callable[[], int]) -> None:
        """Show this number, such as `RecordLog.dropped`, as `switchpoint_records_dropped` whenever it is asked for."""
        self._dropped().set_function(dropped)

    def watch_health(self, health: HealthReport | None) -> None:
        """Show what is seen of every model's calls: whether it may be called, its error rate and its latencies.

        None is what nobody looks at, and shows nothing.
        """
        self._watched.health = health

    def watch_budgets(self, left_usd: Callable[[], Mapping[str, Decimal | float]]) -> None:
        """Show what is left of every budget, by its name. Names come from the configuration; a key is not one."""
        self._watched.budgets = left_usd

    def watch_door(self, door: Door | None) -> None:
        """Show how many requests are in progress and wait, and how many were turned away; None shows nothing."""
        self._watched.door = door

    def render(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self._registry)

    def _time(self, route: str, record: Record) -> None:
        self._decide().observe(record.decide_s)
        self._latency(route).observe(record.latency_s)
        if record.overhead_s is not None:
            self._overhead().observe(record.overhead_s)
        if record.ttft_s is not None:
            self._query_ttft(route).observe(record.ttft_s)

    def _count_cascading(self, route: str, record: Record) -> None:
        wasted_usd = record.wasted_usd
        if wasted_usd is not None:
            self._wasted(route).inc(float(wasted_usd))
        if record.escalated:
            self._escalations(route).inc()
        if record.layer is not None:
            self._layers(route, record.layer).inc()

    def _count(self, model: str, attempt: Attempt) -> None:
        self._call(model).observe(attempt.latency_s)
        if attempt.ttft_s is not None:
            self._ttft(model).observe(attempt.ttft_s)
        cost_usd = attempt.bill_usd
        if cost_usd is None:
            self._unpriced(model).inc()
        else:
            self._cost(model).inc(float(cost_usd))
        for verdict in attempt.verdicts:
            self._verdicts(verdict.verifier, "failed" if isnan(verdict.score) else "scored").inc()
        answer = attempt.answer
        if answer is not None and answer.cached:
            self._cached(model).inc()
        usage = answer.usage if answer is not None else None
        for kind in ("input", "cached_input", "output") if usage else ():
            tokens = getattr(usage, f"{kind}_tokens")
            if tokens is not None:
                self._tokens(model, kind).inc(tokens)

    def _route(self, route: str) -> str:
        with self._lock:
            if len(self._routes) < ROUTES:
                self._routes.add(route)
            return route if route in self._routes else "other"


def outcome_of(attempt: Attempt, accepted: bool) -> str:
    """Return what came of a call, in one word: the kind of its failure, else what was done with its answer."""
    if attempt.failure is not None:
        return attempt.failure.kind
    if accepted:
        return "accepted"
    if attempt.partial:
        return "abandoned"
    return "unused" if attempt.verdict is None else "rejected"


def phase_of(record: Record) -> str | None:
    """Return where in its conversation a query is: new, stay, switch or locked; None where no conversation is known."""
    if not record.attempts:
        return None
    decision = record.attempts[-1 if record.accepted is None else record.accepted].decision
    if decision.reason is Reason.LOCKED:
        return "locked"
    if record.session is None:
        return None
    before = record.session.model
    return "new" if before is None else "stay" if before == decision.model else "switch"
