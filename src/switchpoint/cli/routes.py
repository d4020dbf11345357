"""`switchpoint routes FILE`: fit the thresholds of semantic routes, and say route by route how well they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchpoint.cli.output import print_json, print_table, remark

if TYPE_CHECKING:
    from switchpoint.routers.semantic import Matcher
    from switchpoint.routers.utterances import RouteSet


def command(
    file: Annotated[Path, typer.Argument(help="TOML or JSON file of semantic routes.")],
    ask: Annotated[str | None, typer.Option(metavar="TEXT", help="Only say which route this text matches.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the routes with their thresholds.")] = None,
    embedder: Annotated[str, typer.Option(metavar="NAME", help="static, minilm, onnx:FOLDER.")] = "static",
    wrong: Annotated[float, typer.Option(help="Missed matches that one wrong match is worth.")] = 1.0,
    compare: Annotated[bool, typer.Option("--compare", help="Only compare sparse, hybrid and dense.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit the thresholds of semantic routes and report on every route, or show how one text scores."""
    from switchpoint.assembly.semantic import SemanticRoutes, embedder_for
    from switchpoint.learning.semantic import fit
    from switchpoint.routers.utterances import dump, load

    routes = load(file)
    if ask is not None:
        _answer(SemanticRoutes(routes, embedder), ask, json)
        return
    if compare:
        _compare(routes, embedder, wrong, json)
        return
    found = fit(routes, embedder_for(routes, embedder), wrong=wrong)
    if out is not None:
        out.write_text(dump(found.routes, out.suffix), encoding="utf-8")
    if json:
        print_json(found.to_json())
        return
    for sheet in found.sheets():
        print_table(*sheet)
    for note in found.notes:
        remark(note)
    remark(f"Written to {out}." if out else "Nothing is written. Give --out FILE to keep the thresholds.")


def _compare(routes: RouteSet, embedder: str, wrong: float, json: bool) -> None:
    from switchpoint.estimators.embedders import embedder_of
    from switchpoint.evaluation.report import cells
    from switchpoint.learning.semantic import compare

    found = compare(routes, embedder_of(embedder), wrong=wrong)
    if json:
        print_json([{"alpha": alpha, "accuracy": list(accuracy)} for alpha, accuracy in found.items()])
        return
    rows = [(alpha, *cells(accuracy)) for alpha, accuracy in found.items()]
    print_table("Texts that go where they belong: 0 is sparse, 1 is dense", ("alpha", "right", "95 %"), rows)


def _answer(matcher: Matcher, text: str, json: bool) -> None:
    match = matcher(text)
    thresholds = dict(zip(matcher.names, matcher.thresholds.tolist(), strict=True))
    if json:
        print_json({**match._asdict(), "thresholds": thresholds})
        return
    tied = f" ({' and '.join(match.tied)} tie)" if match.tied else ""
    rows = sorted(((name, score, thresholds[name]) for name, score in match.scores.items()), key=lambda row: -row[1])
    print_table(f"{match.name or 'no route'}{tied}", ("route", "score", "threshold"), rows)
