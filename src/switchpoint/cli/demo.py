"""`switchpoint demo`: the main job, on answers that a real model gave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from switchpoint.cli.output import print_json, print_table, progress, remark

if TYPE_CHECKING:
    from switchpoint.demo.run import Result
    from switchpoint.demo.setup import Setup

OUT = Path("demo-output")


def command(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A dataset of yours instead of the recording.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Ask the real local model instead of replaying it.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = OUT,
    limit: Annotated[int | None, typer.Option(help="Send at most so many queries.", min=1)] = None,
    stay: Annotated[bool, typer.Option("--stay", help="Serve the records page until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Train on one half of a dataset, route the other half through the gateway, and show what it was worth."""
    from switchpoint.core.errors import ConfigError
    from switchpoint.demo.scenario import live as live_scenario
    from switchpoint.demo.scenario import recorded as recorded_scenario

    if live and data is not None:
        raise ConfigError("--live asks the demo's own questions: it goes without --data.")
    out.mkdir(parents=True, exist_ok=True)
    opened = live_scenario(out, remark) if live else recorded_scenario(data, out, remark)
    with opened as scenario:
        queries = scenario.queries[:limit]
        with progress() as bar:
            task = bar.add_task("Asking", total=len(queries) * (1 + len(scenario.singles)))
            result = scenario.run(queries, done=lambda: bar.advance(task))
        picture = scenario.draw(out / "curve.svg")
    if json:
        print_json(_json(scenario.setup, result))
    else:
        _print(scenario.setup, result, scenario.remarks)
        remark(f"Plot: {picture}.")
        serving = f"switchpoint serve --config {scenario.setup.config}"
        remark(f"Records page: run `{serving}`; it says where the pages are, and with which token.")
    if stay:
        from switchpoint.cli.serve import command as serve

        serve(scenario.setup.config, None, None)


def _print(setup: Setup, result: Result, remarks: list[str]) -> None:
    from switchpoint.demo.report import COLUMNS

    n_queries = len(result.replies)
    title = f"{n_queries} queries of {setup.test.name}, none of them seen in training"
    print_table(title, COLUMNS, [arm.row() for arm in result.arms])
    print_table(
        "Saved beside always calling the best single model of the training rows",
        ("quality kept [95 %]", "USD saved [95 %]"),
        [result.against(f"always {setup.strong}")],
    )
    streamed = sum(reply.streamed for reply in result.replies)
    remark(f"{streamed} of {n_queries} were streamed; {result.records} records are kept in all.")
    expected = setup.tuned.point.quality_ratio
    remark(
        f"Tuned on the training rows, out of fold, for the lowest cost that kept {expected.value:.1%} "
        f"[{expected.low:.1%}, {expected.high:.1%}] of {setup.strong}'s quality there."
    )
    remark(f"A routed request took {result.client_ms:.1f} ms at the median on the client's side, all included.")
    for text in remarks:
        remark(text)


def _json(setup: Setup, result: Result) -> dict[str, Any]:
    return {
        "dataset": setup.test.name,
        "n_queries": len(result.replies),
        "best_single_model": setup.strong,
        "client_ms": result.client_ms,
        "arms": [
            {
                "served_by": arm.name,
                **{name: list(figure) for name, figure in arm.figures().items()},
                "shares": dict(arm.shares),
            }
            for arm in result.arms
        ],
    }
