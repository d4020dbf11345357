"""`switchpoint data`: bring outcomes in, check them, look for leaks, make preferences of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

from switchpoint.cli.output import print_json, print_table, remark
from switchpoint.cli.setup import ConfigOption, configuration

app = typer.Typer(
    help="Import, check and compare recorded outcomes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Dir = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of outcomes.")]
Near = Annotated[float, typer.Option(min=0.5, max=1.0, help="Likeness of shingles that counts as near.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ScoreRange = Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="Lowest and highest score there.")]
TestShare = Annotated[float | None, typer.Option(help="Draw the splits anew, twins together: this share is test.")]


@app.command("import")
def import_(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="See `switchpoint data kinds`.")],
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="File or folder as it was published.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write to.")],
    score_range: ScoreRange = (0.0, 1.0),
    split: Annotated[Literal["train", "test"], typer.Option(help="Where the source names no split.")] = "train",
    test_share: TestShare = None,
    format: Annotated[Literal["parquet", "jsonl"], typer.Option(help="Of the tables written.")] = "parquet",
    json: AsJson = False,
) -> None:
    """Turn what others published, or your own records, into a dataset folder."""
    from switchpoint.learning.importers import import_dataset

    found = import_dataset(
        kind, source, out, score_range=score_range, split=split, test_share=test_share, format=format
    )
    for note in found.notes:
        remark(note)
    if json:
        print_json(found._asdict())
        return
    print(f"{found.queries} queries, {found.models} models, {found.rows} rows: {', '.join(map(str, found.files))}")


@app.command("kinds")
def kinds(json: AsJson = False) -> None:
    """Name the kinds of sources that can be imported."""
    from switchpoint.learning.importers import IMPORTERS

    rows = [(name, importer.summary) for name, importer in IMPORTERS.items()]
    print_json(dict(rows)) if json else print_table("Kinds of sources", ("kind", "what it is"), rows)


@app.command("check")
def check(data: Dir, near: Near = 0.7, json: AsJson = False) -> None:
    """Validate a dataset, sum it up by model and domain, and look for test texts that stand in training."""
    from switchpoint.learning.inspection import inspect

    found = inspect(data, near)
    if json:
        print_json(found)
        return
    models = ("model", "observed", "mean score", "mean cost USD", "costs known")
    print_table(f"{found.name}: {found.queries} queries", models, (tuple(m) for m in found.models))
    print_table("Domains", ("domain", "train", "test", "test also in train", "of them exactly"), found.domains)
    print(found.leaked.sentence("train", "test"))


@app.command("leaks")
def leaks(a: Dir, b: Dir, near: Near = 0.7, json: AsJson = False) -> None:
    """Find the queries of B that stand in A, exactly or nearly: A is trained on, B measured on."""
    from switchpoint.learning.inspection import compare

    found = compare(a, b, near)
    if json:
        print_json(found)
        return
    columns = ("query of B", "domain", "query of A", "similarity")
    print_table(
        f"Nearest pairs of {b} and {a}", columns, ((p.query, p.domain, p.other, p.similarity) for p in found.pairs[:20])
    )
    print(found.sentence(str(a), str(b)))


@app.command("preferences")
def preferences(
    data: Dir,
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSON lines to write.")],
    tie: Annotated[float, typer.Option(help="Scores that differ by no more are a tie.")] = 0.0,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to take.")] = "train",
    models: Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Compare only these.")] = None,
    json: AsJson = False,
) -> None:
    """Make a battle of every two models that were observed on a query."""
    from switchpoint.learning.datasets import read
    from switchpoint.learning.preferences import preferences_of
    from switchpoint.learning.write import write_preferences

    found = preferences_of(read(data, split, models.split(",") if models else None), tie=tie)
    write_preferences(found, out)
    result = found.result
    counts: Mapping[str, int] = {
        "battles": len(result),
        "a_won": int((result == 1).sum()),
        "b_won": int((result == 0).sum()),
        "ties": int((result == 0.5).sum()),
    }
    if json:
        print_json(counts)
        return
    print(f"{counts['battles']} battles, {counts['ties']} of them ties: {out}")


@app.command("judge")
def judge(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with a table of queries.")],
    a: Annotated[str, typer.Option(metavar="MODEL", help="One model to compare.")],
    b: Annotated[str, typer.Option(metavar="MODEL", help="The other.")],
    referee: Annotated[str, typer.Option("--judge", metavar="MODEL", help="Who says which answer is better.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="JSON lines to append to; what is in it is not repeated.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Judge this many queries, the first ones.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Queries at a time.")] = 4,
    config: ConfigOption = None,
    json: AsJson = False,
) -> None:
    """Let two models answer and a third one judge, in both orders; four calls a query."""
    import asyncio

    from switchpoint.assembly.parts import catalog_of, upstreams_of
    from switchpoint.learning.inspection import queries
    from switchpoint.learning.judge import Judged, Panel
    from switchpoint.learning.judge import judge as run

    found, where = configuration(config)
    remark(where)
    catalog, upstreams = catalog_of(found), upstreams_of(found)
    panel = Panel(catalog[a], catalog[b], catalog[referee])
    limit_s = None if minutes is None else minutes * 60

    async def judge_and_close() -> Judged:
        try:
            return await run(
                queries(data)[:limit], panel, upstreams, out, time_limit_s=limit_s, concurrency=concurrency
            )
        finally:
            for upstream in upstreams.values():
                await upstream.close()

    judged = asyncio.run(judge_and_close())
    done = {name: getattr(judged, name) for name in ("judged", "resumed", "failed", "left", "cost_usd")}
    if json:
        print_json(done)
        return
    cost = "unknown" if judged.cost_usd is None else f"{judged.cost_usd:.4f} USD"
    print(f"{judged.judged} judged, {judged.resumed} before, {judged.failed} failed, {judged.left} left; cost {cost}")
