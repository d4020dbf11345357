"""Telemetry: what Prometheus sees of the records. Neither prompts nor tags ever become labels.

The registry is passed in, so several of these live in one process. What is no part of a record (health, budgets, the
queue) is asked for when Prometheus asks; see `switchpoint.records.watching`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import isnan
from typing import TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Gauge as LiveGauge
from prometheus_client.registry import Collector

from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Reason
from switchpoint.core.model import Usage
from switchpoint.core.protocols import HealthReport
from switchpoint.core.query import EMPTY
from switchpoint.core.record import Record
from switchpoint.records.families import Counter, Gauge, Histogram
from switchpoint.records.watching import UNKNOWN, Callee, Door, Watched

DECIDE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
CALL_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0)
ROUTES = 100
"""Callers can write as many routes as there are thresholds (`router-NAME-0.123`); those after these are `other`."""

F = TypeVar("F", bound=Collector)


class Metrics:
    """A sink that counts; `render` is the body of `GET /metrics`.

    callees : by model, who is called for it; a model that is absent is of the upstream "unknown".
    """

    def __init__(self, registry: CollectorRegistry, callees: Mapping[str, Callee] = EMPTY) -> None:
        self._registry = registry
        self._callees = callees
        self._routes: set[str] = set()
        self._lock = threading.Lock()  # for every number of a record
        self._watched = Watched()
        registry.register(self._watched)

        def counter(name: str, help: str, *labels: str) -> Counter:
            return self._shown(Counter(self._lock, name, help, *labels))

        def histogram(name: str, help: str, *labels: str, bounds: Sequence[float]) -> Histogram:
            return self._shown(Histogram(self._lock, name, help, *labels, bounds=bounds))

        self._queries = counter("queries", "Queries by route and outcome.", "route", "outcome")
        self._decisions = counter("decisions", "Choices of a model.", "route", "model", "reason")
        self._layers = counter("layer_queries", "Queries by the layer that settled them.", "route", "layer")
        self._escalations = counter("escalations", "Queries that one model's answer did not settle.", "route")
        self._wasted = counter("wasted_usd", "Known cost of discarded drafts and of verifying.", "route")
        self._verdicts = counter("verdicts", "Verdicts: scored, or failed.", "verifier", "outcome")
        self._attempts = counter("attempts", "Calls and what came of them.", "upstream", "model", "outcome")
        self._decide = histogram("decide_seconds", "Time deciding, a query.", bounds=DECIDE_BUCKETS_S)
        self._overhead = histogram(
            "overhead_seconds", "Time of a query that was ours, deciding included.", bounds=DECIDE_BUCKETS_S
        )
        self._latency = histogram("query_seconds", "The whole trip.", "route", bounds=CALL_BUCKETS_S)
        self._query_ttft = histogram(
            "query_ttft_seconds", "Query to the caller's first token.", "route", bounds=CALL_BUCKETS_S
        )
        self._call = histogram("attempt_seconds", "One call.", "model", bounds=CALL_BUCKETS_S)
        self._ttft = histogram("ttft_seconds", "Call to first token.", "model", bounds=CALL_BUCKETS_S)
        self._tokens = counter("tokens", "Tokens; input includes cached_input.", "model", "kind")
        self._cost = counter("cost_usd", "Known cost of calls and of verifying.", "model")
        self._unpriced = counter("unpriced_attempts", "Calls of unknown cost.", "model")
        self._baseline = counter("baseline_cost_usd", "Cost at the baseline model, where a bill is known too.")
        self._saved = self._shown(
            Gauge(self._lock, "saved_usd", "Baseline cost minus bills; falls where routing cost more.")
        )
        self._dropped = LiveGauge("switchpoint_records_dropped", "Records that the log has lost.", registry=registry)
        self._sessions = counter("session_queries", "Queries of known conversations.", "phase")
        self._cached = counter("cached_answers", "Answers to earlier requests, given again.", "model")

    def __call__(self, record: Record) -> None:
        """Count a record."""
        with self._lock:
            self._count(record)

    def _count(self, record: Record) -> None:
        route = self._route(record.route)
        self._queries.add(1, route, record.outcome)
        self._time(route, record)
        saved_usd = record.saved_usd
        if saved_usd is not None and record.baseline_cost_usd is not None:
            self._saved.add(float(saved_usd))
            self._baseline.add(float(record.baseline_cost_usd))
        self._count_cascading(route, record)
        phase = phase_of(record)
        if phase is not None:
            self._sessions.add(1, phase)
        for number, attempt in enumerate(record.attempts):
            decision = attempt.decision
            model = decision.model
            self._decisions.add(1, route, model, str(decision.reason))
            callee = self._callees.get(model, UNKNOWN)
            self._attempts.add(1, callee.upstream, model, outcome_of(attempt, number == record.accepted))
            self._count_attempt(model, attempt)

    def watch(self, dropped: Callable[[], int]) -> None:
        """Show this number, such as `RecordLog.dropped`, as `switchpoint_records_dropped` whenever it is asked for."""
        self._dropped.set_function(dropped)

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

    def _shown(self, family: F) -> F:
        self._registry.register(family)
        return family

    def _time(self, route: str, record: Record) -> None:
        self._decide.observe(record.decide_s)
        self._latency.observe(record.latency_s, route)
        if record.overhead_s is not None:
            self._overhead.observe(record.overhead_s)
        if record.ttft_s is not None:
            self._query_ttft.observe(record.ttft_s, route)

    def _count_cascading(self, route: str, record: Record) -> None:
        wasted_usd = record.wasted_usd
        if wasted_usd is not None:
            self._wasted.add(float(wasted_usd), route)
        if record.escalated:
            self._escalations.add(1, route)
        layer = record.layer
        if layer is not None:
            self._layers.add(1, route, layer)

    def _count_attempt(self, model: str, attempt: Attempt) -> None:
        self._call.observe(attempt.latency_s, model)
        if attempt.ttft_s is not None:
            self._ttft.observe(attempt.ttft_s, model)
        cost_usd = attempt.bill_usd
        if cost_usd is None:
            self._unpriced.add(1, model)
        else:
            self._cost.add(float(cost_usd), model)
        for verdict in attempt.verdicts:
            self._verdicts.add(1, verdict.verifier, "failed" if isnan(verdict.score) else "scored")
        if attempt.answer is not None:
            self._count_answer(model, attempt.answer)

    def _count_answer(self, model: str, answer: Answer) -> None:
        if answer.cached:
            self._cached.add(1, model)
        usage = Usage() if answer.usage is None else answer.usage
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("cached_input", usage.cached_input_tokens),
            ("output", usage.output_tokens),
        ):
            if tokens is not None:
                self._tokens.add(tokens, model, kind)

    def _route(self, route: str) -> str:
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
