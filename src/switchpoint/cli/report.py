"""`switchpoint report`: whether routing pays on recorded outcomes, as a page, as JSON, and in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from switchpoint.cli.output import print_json, remark
from switchpoint.core.errors import ConfigError

ALL = "all"

Dataset = Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of outcomes.")]
Routers = Annotated[str, typer.Option(metavar="NAME[,NAME...]|all", help="Compare only these routers.")]
Models = Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Compare only these models.")]
Weak = Annotated[str | None, typer.Option(metavar="MODEL", help="Weak model of the two-model view.")]
Strong = Annotated[str | None, typer.Option(metavar="MODEL", help="Strong model of the two-model view.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page: one HTML file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print every number of the page as JSON.")]


def command(
    dataset: Dataset,
    routers: Routers = ALL,
    models: Models = None,
    weak: Weak = None,
    strong: Strong = None,
    out: Out = None,
    json: AsJson = False,
) -> None:
    """Find out whether routing pays: every router and baseline, what could be reached, and what to do."""
    from switchpoint.learning.routability import report

    _check(out)
    found = report(
        dataset,
        routers=None if routers == ALL else routers.split(","),
        models=models.split(",") if models else None,
        weak=weak,
        strong=strong,
        say=remark,
    )
    if out is not None:
        from switchpoint.dashboard.routability import routability_page

        out.write_text(routability_page(found), encoding="utf-8")
        remark(f"Written: {out}")
    for warning in found.warnings:
        remark(warning)
    if json:
        print_json(found.to_json())
        return
    print(found.recommendation.sentence)
    for line in found.recommendation.because:
        print(f"- {line}")


def _check(out: Path | None) -> None:
    """Refuse a page that cannot be written before the minutes that it takes to make it."""
    if out is not None and (out.suffix.lower() not in (".html", ".htm") or not out.parent.is_dir()):
        raise ConfigError(f"--out must be an .html file in a folder that is there. Got {str(out)!r}.")
