"""`switchpoint route TEXT`: decide, call nothing, show why."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, configuration

if TYPE_CHECKING:
    from switchpoint.assembly.switchpoint import Switchpoint
    from switchpoint.core.decision import Decision


def command(
    text: Annotated[str, typer.Argument(help="The prompt; - reads it from standard input.")],
    config: ConfigOption = None,
    route: Annotated[str, typer.Option(help="Route, model, or router-NAME-THRESHOLD.")] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which model should answer a prompt, and why; no model answers it."""
    from switchpoint.assembly.switchpoint import Switchpoint

    settings, source = configuration(config)
    settings = settings.model_copy(update={"records": settings.records.model_copy(update={"enabled": False})})
    decision = asyncio.run(_prepared(Switchpoint(settings), sys.stdin.read() if text == "-" else text, route))
    if json:
        print_json(decision)
        return
    remark(source)
    print_decision(decision)


async def _prepared(switchpoint: Switchpoint, text: str, route: str) -> Decision:
    """Decide as a call would; a rater that is asked first leaves a connection open."""
    async with switchpoint:
        return await switchpoint.prepared_route(text, route)


def print_decision(decision: Decision) -> None:
    """Print a decision and the estimates behind it."""
    novelty = "" if decision.novelty is None else f", novelty {decision.novelty:.2f}"
    detail = f", {decision.detail}" if decision.detail else ""
    rows = [
        [model + (" <" if model == decision.model else ""), decision.quality.get(model), _per_1k(decision, model)]
        for model in decision.quality or [decision.model]
    ]
    print_table(
        f"{decision.model}  ({decision.router}: {decision.reason}{detail}{novelty})",
        ["model", "expected quality", "expected USD per 1k"],
        rows,
    )


def _per_1k(decision: Decision, model: str) -> float | None:
    cost = decision.cost_usd.get(model)
    return None if cost is None else 1000 * cost
