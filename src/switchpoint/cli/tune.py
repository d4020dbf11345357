"""`switchpoint tune`: the operating point that meets a target on recorded outcomes, ready to paste."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from switchpoint.cli.output import print_json, print_table, remark

Data = Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to tune on.")]
Split = Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to tune on.")]
Artifact = Annotated[Path | None, typer.Option(metavar="DIR", help="Tune this trained artifact.")]
Router = Annotated[str, typer.Option(metavar="NAME", help="Tune a router by name: default, bundled, length.")]
Weak = Annotated[str | None, typer.Option(metavar="MODEL", help="Weak model of the two-model view.")]
Strong = Annotated[str | None, typer.Option(metavar="MODEL", help="Strong model of the two-model view.")]
Models = Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Choose among these only.")]
Share = Annotated[float | None, typer.Option(metavar="S", help="Share of calls to the strong model.")]
Quality = Annotated[float | None, typer.Option(metavar="Q", help="Quality in parts of the best single model's.")]
Usd = Annotated[float | None, typer.Option(metavar="X", help="USD per 1,000 queries at most.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def command(
    data: Data,
    split: Split = "train",
    artifact: Artifact = None,
    router: Router = "default",
    weak: Weak = None,
    strong: Strong = None,
    models: Models = None,
    target_share: Share = None,
    target_quality: Quality = None,
    target_usd_per_1k: Usd = None,
    json: AsJson = False,
) -> None:
    """Choose a router's operating point for a share, a quality or a budget; prints lines for switchpoint.toml."""
    from switchpoint.evaluation.operating import Target
    from switchpoint.learning.tune import tune

    target = Target(share=target_share, quality=target_quality, usd_per_1k=target_usd_per_1k)
    chosen = models.split(",") if models else None
    pair = {"weak": weak, "strong": strong}
    found = tune(
        data.split(","), target, router=router, artifact=artifact, split=split, models=chosen, say=remark, **pair
    )
    if json:
        print_json(found.to_json())
        return
    print_table(*found.sheet())
    print(found.toml)
