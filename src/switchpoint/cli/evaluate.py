"""`switchpoint evaluate`: a router and every baseline, measured on recorded outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, configuration
from switchpoint.core.errors import ConfigError

Train = Annotated[str | None, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to learn from.")]
TrainSplit = Annotated[Literal["train", "all"], typer.Option(help="Rows to learn from.")]
Test = Annotated[str | None, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to measure on.")]
TestSplit = Annotated[Literal["test", "all"], typer.Option(help="Rows to measure on.")]
Router = Annotated[str, typer.Option(metavar="NAME", help="See --list-routers.")]
Weak = Annotated[str | None, typer.Option(metavar="MODEL", help="Weak model of the two-model view.")]
Strong = Annotated[str | None, typer.Option(metavar="MODEL", help="Strong model of the two-model view.")]
Models = Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Compare only these.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the curve: .svg or .png.")]
Robustness = Annotated[bool, typer.Option("--robustness", help="Type every query differently too; see what changes.")]
ByGroup = Annotated[bool, typer.Option("--by-group", help="Intervals by groups of near-duplicate queries.")]
LeaveOut = Annotated[
    Literal["dataset", "domain"] | None, typer.Option(help="Test on each one of --train, trained on the others.")
]
Route = Annotated[
    str | None, typer.Option(metavar="NAME", help="Serve the rows through this route of --config instead.")
]
ListRouters = Annotated[bool, typer.Option("--list-routers", help="Name the routers and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def command(
    train: Train = None,
    train_split: TrainSplit = "train",
    test: Test = None,
    test_split: TestSplit = "test",
    router: Router = "default",
    weak: Weak = None,
    strong: Strong = None,
    models: Models = None,
    plot: Plot = None,
    robustness: Robustness = False,
    by_group: ByGroup = False,
    leave_out: LeaveOut = None,
    config: ConfigOption = None,
    route: Route = None,
    list_routers: ListRouters = False,
    json: AsJson = False,
) -> None:
    """Measure a router on recorded outcomes: quality, cost, curves and intervals, next to every baseline."""
    if list_routers:
        _list_routers(json)
        return
    asked: dict[str, Any] = {
        "train_split": train_split,
        "test_split": test_split,
        "models": models.split(",") if models else None,
        "by_group": by_group,
        "say": remark,
    }
    folders = train.split(",") if train else []
    if leave_out is not None:
        alone: dict[str, object] = {
            "--test": test,
            "--weak": weak,
            "--strong": strong,
            "--plot": plot,
            "--robustness": robustness or None,
        }
        _leave_out(router, folders, leave_out, asked, alone, json)
        return
    if test is None:
        raise ConfigError("Which outcomes to measure on? Give --test DIR.")
    if route is not None:
        _route(route, config, test, test_split, {"--train": train, "--models": models, "--plot": plot}, json)
        return
    if config is not None:
        raise ConfigError("--config goes with --route NAME, which says what of it to evaluate.")
    asked |= {"test": test.split(","), "train": folders, "weak": weak, "strong": strong, "shake": robustness}
    _assess(router, asked, plot, json)


def _list_routers(json: bool) -> None:
    from switchpoint.learning.assess_cascade import CASCADES
    from switchpoint.learning.routers import ROUTERS

    rows = [*((name, recipe.summary) for name, recipe in ROUTERS.items()), *CASCADES.items()]
    print_json([name for name, _ in rows]) if json else print_table("Routers", ("name", "what it is"), rows)


def _route(
    route: str, config: Path | None, test: str, split: Literal["test", "all"], alone: dict[str, object], json: bool
) -> None:
    from switchpoint.cli.evaluate_route import evaluate_route

    for name in (name for name, value in alone.items() if value is not None):
        raise ConfigError(
            f"{name} does not go with --route: the configuration says what is learned and who may answer."
        )
    settings, source = configuration(config)
    remark(source)
    found = evaluate_route(settings, route, Path(test), split, remark)
    if json:
        print_json(found.to_json())
    for sheet in () if json else found.sheets():
        print_table(*sheet)


def _assess(router: str, asked: dict[str, Any], plot: Path | None, json: bool) -> None:
    from switchpoint.evaluation.plot import plot as draw
    from switchpoint.learning.assess import assess

    found = assess(router, **asked)
    for note in found.notes:
        remark(note)
    if json:
        print_json(found.to_json())
    for sheet in () if json else found.sheets():
        print_table(*sheet)
    if plot is not None:
        draw(found, plot)


def _leave_out(
    router: str,
    folders: list[str],
    unit: Literal["dataset", "domain"],
    asked: dict[str, Any],
    alone: dict[str, object],
    json: bool,
) -> None:
    from switchpoint.learning.leave_out import leave_one_out

    for name in (name for name, value in alone.items() if value is not None):
        raise ConfigError(f"{name} does not go with --leave-out, which measures on each of --train in turn.")
    if not folders:
        raise ConfigError(f"--leave-out {unit} needs outcomes. Give --train DIR[,DIR...].")
    found = leave_one_out(router, folders, unit=unit, **asked)
    print_json(found.to_json()) if json else print_table(*found.sheet())
