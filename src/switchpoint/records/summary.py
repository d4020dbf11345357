"""What the records add up to: overall, and by the model that answered, by route and by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from switchpoint.records.cascading import LayerTotals, RouteTotals, layer_totals, route_totals
from switchpoint.records.database import Reading
from switchpoint.records.rows import money_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Totals of some queries. Money sums what is known, and is None where nothing is.

    model : whose answers were given; None for queries that nobody answered, and for the totals of all.
    queries : how many; share : of all queries, in [0, 1].
    cost_usd : whole bills, so a rejected answer's cost is with the model that answered in the end.
    baseline_cost_usd, saved_usd : over the `compared` queries, of which bill and baseline are both known.
    unpriced : queries whose bill is unknown, and which no sum of money includes.
    latency_s, latency_p50_s, latency_p95_s : mean and percentiles (linear interpolation) of the whole trip.
    failures : failed calls *of this model*, whoever answered in the end.
    feedback : mean of the newest feedback of every source, by metric.
    """

    model: str | None
    queries: int
    share: float
    cost_usd: Decimal | None
    baseline_cost_usd: Decimal | None
    saved_usd: Decimal | None
    compared: int
    unpriced: int
    latency_s: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    failures: int
    feedback: Mapping[str, float]

    @property
    def saved_share(self) -> float | None:
        """Part of the baseline cost that was saved; negative where routing cost more, None where unknown."""
        if self.saved_usd is None or not self.baseline_cost_usd:
            return None
        return float(self.saved_usd / self.baseline_cost_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Totals of all queries, and of every model that answered or failed, the most used first.

    escalation : of all routes together; routes : of each; layers : of each layer of layered policies, empty without.
    """

    total: Totals
    models: tuple[Totals, ...]
    escalation: RouteTotals
    routes: tuple[RouteTotals, ...]
    layers: tuple[LayerTotals, ...]


class _Query(NamedTuple):
    """What the totals need of one record; many are made."""

    model: str | None
    cost_usd: Decimal | None
    baseline_cost_usd: Decimal | None
    latency_s: float | None


def summarize(connection: Reading, since: str) -> Summary:
    """Add up the records from `since` (as the log writes time; empty is the beginning) on."""
    queries = _queries(connection, since)
    failures, feedback = _failures(connection, since), _feedback(connection, since)
    by_model: dict[str | None, list[_Query]] = {model: [] for model in failures}
    for query in queries:
        by_model.setdefault(query.model, []).append(query)
    totals = [
        _totals(model, rows, len(queries), failures.get(model, 0), feedback.get(model, {}))
        for model, rows in by_model.items()
    ]
    of_all = _feedback(connection, since, by="NULL")[None]
    total = _totals(None, queries, len(queries), sum(failures.values()), of_all)
    escalation, *routes = route_totals(connection, since)
    return Summary(
        total=total,
        models=tuple(sorted(totals, key=lambda t: (-t.queries, t.model or "~"))),
        escalation=escalation,
        routes=tuple(routes),
        layers=layer_totals(connection, since),
    )


def known_total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Sum the amounts that are known; None if none is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if known else None


def _totals(
    model: str | None, queries: Sequence[_Query], of: int, failures: int, feedback: Mapping[str, float]
) -> Totals:
    compared = [
        (query.cost_usd, query.baseline_cost_usd)
        for query in queries
        if query.cost_usd is not None and query.baseline_cost_usd is not None
    ]
    mean, p50, p95 = _latencies([query.latency_s for query in queries if query.latency_s is not None])
    return Totals(
        model=model,
        queries=len(queries),
        share=len(queries) / max(of, 1),
        cost_usd=known_total(query.cost_usd for query in queries),
        baseline_cost_usd=known_total(baseline for _, baseline in compared),
        saved_usd=known_total(baseline - cost for cost, baseline in compared),
        compared=len(compared),
        unpriced=sum(query.cost_usd is None for query in queries),
        latency_s=mean,
        latency_p50_s=p50,
        latency_p95_s=p95,
        failures=failures,
        feedback=feedback,
    )


def _latencies(seconds: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if not seconds:
        return None, None, None
    p50, p95 = np.percentile(seconds, (50, 95))
    return float(np.mean(seconds)), float(p50), float(p95)


def _queries(connection: Reading, since: str) -> list[_Query]:
    rows = connection.execute(
        "SELECT answered_by, cost_usd, baseline_cost_usd, latency_s FROM records WHERE at >= ?", (since,)
    )
    return [_Query(model, money_of(cost), money_of(baseline), latency) for model, cost, baseline, latency in rows]


def _failures(connection: Reading, since: str) -> dict[str | None, int]:
    query = """
        SELECT model, COUNT(*) FROM attempts JOIN records ON records.id = record_id
        WHERE failure_kind IS NOT NULL AND at >= ? GROUP BY model"""
    return dict(connection.execute(query, (since,)).fetchall())


def _feedback(connection: Reading, since: str, by: str = "answered_by") -> dict[str | None, dict[str, float]]:
    query = f"""
        SELECT {by}, metric, AVG(value) FROM latest_feedback JOIN records ON records.id = record_id
        WHERE records.at >= ? GROUP BY 1, 2 ORDER BY 2"""
    means: dict[str | None, dict[str, float]] = {None: {}}
    for model, metric, mean in connection.execute(query, (since,)):
        means.setdefault(model, {})[metric] = mean
    return means
