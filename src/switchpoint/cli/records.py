"""`switchpoint records`: the latest records, or what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC
from decimal import Decimal
from math import isnan
from pathlib import Path
from typing import Annotated

import typer

from switchpoint.cli.output import print_json, print_table
from switchpoint.cli.setup import ConfigOption, sections
from switchpoint.core.record import Record
from switchpoint.records.cascading import LayerTotals, RouteTotals
from switchpoint.records.reader import RecordReader
from switchpoint.records.summary import Totals

LIST = ("id", "time (UTC)", "route", "answered by", "outcome", "calls", "cost USD", "saved USD", "seconds")
TOTALS = ("model", "queries", "share", "cost USD", "saved USD", "seconds, p50", "p95", "failed calls", "feedback")
ROUTES = ("route", "queries", "escalated", "share (95 %)", "wasted USD per 1,000")
LAYERS = ("layer", "queries settled", "share", "with feedback", "feedback")
WASTE = "Escalated: one model's answer was not enough. Wasted: discarded drafts and all verification."
MOST_USED = 20
"""How many routes are shown; callers make new ones by asking for thresholds."""

DatabaseOption = Annotated[
    str | None, typer.Option(help="A record log: a file, or env:NAME of a variable; the configuration's if not given.")
]


def command(
    limit: Annotated[int, typer.Option(min=1, help="How many records to show, the newest first.")] = 20,
    model: Annotated[str | None, typer.Option(help="Only records that this model answered.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Show totals by model instead of records.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    db: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """List the latest records, or show what all of them add up to."""
    reader = reader_of(db, config)
    if summary:
        _show_totals(reader, json)
        return
    records = reader.list(limit=limit, model=model)
    if json:
        print_json([plain(record) for record in records])
    else:
        print_table("Records", LIST, map(_line, records), caption="`switchpoint explain ID` tells the story of one.")


def reader_of(db: str | None, config: Path | None) -> RecordReader:
    """Return the record log at a place, else the configuration's: a file, or the PostgreSQL that replicas share."""
    if db is not None:
        return RecordReader(db)
    from switchpoint.assembly.stores import record_database

    return RecordReader(record_database(sections(config, "records", "stores")))


def plain(record: Record) -> Mapping[str, object]:
    """Return all of a record as JSON can hold it, with the figures that are computed from it; money as exact text."""
    computed = ("answered_by", "layer", "escalated", "cost_usd", "wasted_usd", "saved_usd")
    return asdict(record) | {name: getattr(record, name) for name in computed}


def usd(amount: Decimal | float | None) -> str | None:
    """Show money to the millionth of a dollar."""
    return None if amount is None else f"{amount:.6f}"


def _show_totals(reader: RecordReader, json: bool) -> None:
    found = reader.summary()
    if json:
        print_json(found)
        return
    rows: Iterable[tuple[str, Totals]] = [(t.model or "(no answer)", t) for t in found.models] + [("all", found.total)]
    unpriced = f"Without {found.total.unpriced} queries of unknown cost." if found.total.unpriced else None
    print_table("Totals by the model that answered", TOTALS, (_totals(*row) for row in rows), caption=unpriced)
    by_route = (_route(each) for each in (*found.routes[:MOST_USED], found.escalation))
    print_table("Escalations and waste by route", ROUTES, by_route, caption=WASTE)
    if found.layers:
        print_table("Totals by the layer that settled", LAYERS, map(_layer, found.layers))


def _totals(name: str, totals: Totals) -> tuple[object, ...]:
    money = (usd(totals.cost_usd), usd(totals.saved_usd))
    times = (totals.latency_p50_s, totals.latency_p95_s)
    return (name, totals.queries, f"{totals.share:.0%}", *money, *times, totals.failures, _feedback(totals.feedback))


def _route(totals: RouteTotals) -> tuple[object, ...]:
    share = totals.share
    shown = None if isnan(share.value) else f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"
    return (totals.route or "all", totals.queries, totals.escalated, shown, usd(totals.wasted_usd_per_1k))


def _layer(totals: LayerTotals) -> tuple[object, ...]:
    return (totals.layer, totals.queries, f"{totals.share:.0%}", totals.rated, _feedback(totals.feedback))


def _feedback(means: Mapping[str, float]) -> str | None:
    return ", ".join(f"{metric} {value:.2f}" for metric, value in means.items()) or None


def _line(record: Record) -> tuple[object, ...]:
    when = record.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    money = (usd(record.cost_usd), usd(record.saved_usd))
    who = (record.route, record.answered_by, record.outcome, len(record.attempts))
    return (record.id, when, *who, *money, record.latency_s)
