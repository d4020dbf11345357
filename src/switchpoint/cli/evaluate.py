"""`switchpoint evaluate`: a router and every baseline, measured on recorded outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.core.errors import ConfigError

Train = Annotated[str | None, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to learn from.")]
TrainSplit = Annotated[Literal["train", "all"], typer.Option(help="Rows to learn from.")]
Test = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of outcomes to measure on.")]
TestSplit = Annotated[Literal["test", "all"], typer.Option(help="Rows to measure on.")]
Router = Annotated[str, typer.Option(metavar="NAME", help="See --list-routers.")]
Weak = Annotated[str | None, typer.Option(metavar="MODEL", help="Weak model of the two-model view.")]
Strong = Annotated[str | None, typer.Option(metavar="MODEL", help="Strong model of the two-model view.")]
Models = Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Compare only these.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the curve: .svg or .png.")]
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
    list_routers: ListRouters = False,
    json: AsJson = False,
) -> None:
    """Measure a router on recorded outcomes: quality, cost, curves and intervals, next to every baseline."""
    from switchpoint.evaluation.plot import plot as draw
    from switchpoint.learning.assess import assess
    from switchpoint.learning.routers import ROUTERS

    if list_routers:
        rows = [(name, recipe.summary) for name, recipe in ROUTERS.items()]
        print_json(list(ROUTERS)) if json else print_table("Routers", ("name", "what it is"), rows)
        return
    if test is None:
        raise ConfigError("Which outcomes to measure on? Give --test DIR.")
    folders, chosen = train.split(",") if train else (), models.split(",") if models else None
    rows_of = {"train_split": train_split, "test_split": test_split}
    found = assess(router, test=test, train=folders, models=chosen, weak=weak, strong=strong, say=remark, **rows_of)
    for note in found.notes:
        remark(note)
    if json:
        print_json(found.to_json())
    for sheet in () if json else found.sheets():
        print_table(*sheet)
    if plot is not None:
        draw(found, plot)
