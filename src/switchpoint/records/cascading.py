"""What deciding after answers came to: escalations and waste by route, queries and feedback by layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from typing import NamedTuple

from switchpoint.core.attempt import total
from switchpoint.core.record import ESCALATIONS
from switchpoint.records.database import Reading
from switchpoint.records.rows import money_of

Z_95 = 1.959964
"""The normal quantile of a two-sided interval of 95 %."""


class Share(NamedTuple):
    """A share with the ends of its 95 % interval, in [0, 1]; NaN where there is nothing to share."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTotals:
    """What deciding after an answer came to on one route; `Record.escalated` and `Record.wasted_usd` define the words.

    route : None for all routes together.
    wasted_usd_per_1k : mean over the queries whose waste is known, times 1,000; None where it is known of none.
    """

    route: str | None
    queries: int
    escalated: int
    share: Share
    wasted_usd_per_1k: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTotals:
    """The queries that one layer of a layered policy settled.

    share : of all queries that a layer settled, in [0, 1].
    rated : how many of them have feedback; feedback : mean of the newest of every source, by metric.
    """

    layer: str
    queries: int
    share: float
    rated: int
    feedback: Mapping[str, float]


class _Route(NamedTuple):
    queries: int
    escalated: int
    wasted_usd: Decimal  # of the queries of which it is known
    unknown: int


def route_totals(connection: Reading, since: str) -> tuple[RouteTotals, ...]:
    """Return the totals of all routes together, then of each, the most used first."""
    wasted, unknown = _wasted(connection, since)
    found = {
        route: _Route(queries, escalated, wasted[route], unknown[route])
        for route, queries, escalated in connection.execute(_ESCALATED, (since,))
    }
    columns = list(zip(*found.values(), strict=True)) or [()] * 4
    overall = _Route(sum(columns[0]), sum(columns[1]), sum(columns[2], Decimal(0)), sum(columns[3]))
    return (_route_totals(None, overall), *(_route_totals(route, each) for route, each in found.items()))


def layer_totals(connection: Reading, since: str) -> tuple[LayerTotals, ...]:
    """Return the totals of every layer, the most used first; empty where no policy has layers."""
    rows = connection.execute(f"{_SETTLED} SELECT layer, COUNT(*) FROM settled GROUP BY 1 ORDER BY 2 DESC, 1", (since,))
    counts: Sequence[tuple[str, int]] = rows.fetchall()
    of = sum(queries for _, queries in counts)
    rated = dict(connection.execute(f"{_SETTLED} {_RATED}", (since,)).fetchall())
    feedback: dict[str, dict[str, float]] = defaultdict(dict)
    for layer, metric, mean in connection.execute(f"{_SETTLED} {_FEEDBACK}", (since,)):
        feedback[layer][metric] = mean
    return tuple(
        LayerTotals(layer=name, queries=n, share=n / of, rated=rated.get(name, 0), feedback=feedback.get(name, {}))
        for name, n in counts
    )


def wilson(successes: int, n: int) -> Share:
    """Return a share with its 95 % score interval, which stays honest for few trials and near 0 and 1.

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if n == 0:
        return Share(float("nan"), float("nan"), float("nan"))
    share, weight = successes / n, Z_95**2 / n
    centre = (share + weight / 2) / (1 + weight)
    half = sqrt(weight * share * (1 - share) + weight**2 / 4) / (1 + weight)
    return Share(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def _route_totals(route: str | None, found: _Route) -> RouteTotals:
    known = found.queries - found.unknown
    return RouteTotals(
        route=route,
        queries=found.queries,
        escalated=found.escalated,
        share=wilson(found.escalated, found.queries),
        wasted_usd_per_1k=float(found.wasted_usd * 1000 / known) if known else None,
    )


def _wasted(connection: Reading, since: str) -> tuple[Mapping[str, Decimal], Mapping[str, int]]:
    """Return by route what was wasted on the queries of which it is known, and of how many it is not."""
    by_query: dict[tuple[str, str], list[Decimal | None]] = defaultdict(list)
    for route, id, cost_usd, verify_cost_usd in connection.execute(_WASTE, (since,)):
        by_query[route, id] += [money_of(cost_usd), money_of(verify_cost_usd)]
    wasted: dict[str, Decimal] = defaultdict(Decimal)
    unknown: dict[str, int] = defaultdict(int)
    for (route, _), parts in by_query.items():
        amount = total(parts)
        if amount is None:
            unknown[route] += 1
        else:
            wasted[route] += amount
    return wasted, unknown


_REASONS = ", ".join(f"'{reason}'" for reason in sorted(ESCALATIONS))

_ESCALATED = f"""
    SELECT route, COUNT(*), SUM(escalated) FROM (
        SELECT route, MAX(CASE WHEN attempts.reason IN ({_REASONS}) THEN 1 ELSE 0 END) AS escalated
        FROM records LEFT JOIN attempts ON record_id = records.id WHERE at >= ? GROUP BY records.id
    ) AS found GROUP BY route ORDER BY 2 DESC, 1"""
"""Queries and escalations by route: `Record.escalated`, in SQL."""

_WASTE = """
    SELECT route, records.id,
        CASE WHEN number = accepted THEN '0' ELSE attempts.cost_usd END,
        CASE WHEN verified THEN verify_cost_usd ELSE '0' END
    FROM records JOIN (
        SELECT *, COALESCE(verdicts <> '[]', score IS NOT NULL OR verify_cost_usd IS NOT NULL) AS verified FROM attempts
    ) AS attempts ON record_id = records.id
    WHERE at >= ? AND (NOT COALESCE(number = accepted, FALSE) OR verified)"""
"""What each call wasted, of the calls that wasted any: `Record.wasted_usd`, in SQL. NULL is unknown."""

_SETTLED = """
    WITH settled AS (
        SELECT records.id, layer FROM records JOIN attempts ON record_id = records.id AND number = COALESCE(
            accepted, (SELECT MAX(number) FROM attempts AS a WHERE a.record_id = records.id))
        WHERE records.at >= ? AND layer IS NOT NULL)"""
"""Each query with the layer that settled it: `Record.layer`, in SQL."""

_RATED = """
    SELECT layer, COUNT(DISTINCT record_id) FROM settled JOIN latest_feedback ON record_id = settled.id GROUP BY 1"""

_FEEDBACK = """
    SELECT layer, metric, AVG(value) FROM settled JOIN latest_feedback ON record_id = settled.id
    GROUP BY 1, 2 ORDER BY 2"""
