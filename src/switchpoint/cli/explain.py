"""`switchpoint explain ID`: the story of one query, as one small table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from switchpoint.cli.output import print_json, print_table
from switchpoint.cli.records import DatabaseOption, plain, reader_of, usd
from switchpoint.cli.setup import ConfigOption
from switchpoint.core.record import Record
from switchpoint.records.story import Line, bill, said, story

COLUMNS = ("model", "quality, expected", "cost, expected", "call", "why", "what became of it", "cost USD", "seconds")


def command(
    id: Annotated[str, typer.Argument(help="The record's id, or enough of its beginning.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    db: DatabaseOption = None,
    config: ConfigOption = None,
) -> None:
    """Explain one decision: what was expected of each model, which was called, why, and every cost."""
    reader = reader_of(db, config)
    record = reader.get(id)
    if json:
        print_json(
            {
                **plain(record),
                "story": story(record),
                "bill": bill(record)._asdict(),
                "feedback": reader.feedback([record.id]).get(record.id, ()),
            }
        )
        return
    title = f"Record {record.id}: {record.route} by {record.strategy}, {record.outcome}"
    rows = (row for line in story(record) for row in _rows(line))
    print_table(title, COLUMNS, rows, caption=_bill(record))


def _rows(line: Line) -> Iterator[tuple[object, ...]]:
    """Yield the row of a call, and one for each verdict on its answer."""
    expected = None if line.expected_cost_usd is None else f"{line.expected_cost_usd:.6f}"
    became = (line.attempt, line.why, line.result, usd(line.cost_usd), line.latency_s)
    yield (line.model, line.quality, expected, *became)
    for verdict in line.verdicts:
        yield (f"  {verdict.verifier}", "", "", line.attempt, "verdict", said(verdict), usd(verdict.cost_usd), "")


def _bill(record: Record) -> str:
    cost, saved, baseline = usd(record.cost_usd), usd(record.saved_usd), usd(record.baseline_cost_usd)
    paid = "The cost is unknown" if cost is None else f"Cost {cost} USD"
    compared = "" if saved is None else f", {saved} saved: {record.baseline_model} would have cost {baseline}"
    decided = f"Decided in {record.decide_s * 1e3:.2f} ms of {record.latency_s:.2f} s."
    return f"{paid}{compared}.\n{_split(record)}\n{decided}{_preparation(record)}"


def _split(record: Record) -> str:
    """Say what the bill was for."""
    parts = bill(record)
    amounts = {
        "answer given": parts.given_usd,
        "discarded drafts": parts.discarded_usd,
        "verifying": parts.verifying_usd,
        "preparing": parts.preparing_usd,
    }
    return "Of it: " + ", ".join(f"{name} {usd(amount) or 'unknown'}" for name, amount in amounts.items()) + "."


def _preparation(record: Record) -> str:
    if record.preparation_s == 0:
        return ""
    cost = usd(record.preparation_usd)
    paid = "at an unknown cost" if cost is None else f"for {cost} USD"
    return f" Asked the network first, {record.preparation_s:.2f} s, {paid}."
