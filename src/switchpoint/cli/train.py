"""`switchpoint train`: fit a router on your outcomes, or rebuild the one that ships with the package."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from switchpoint.cli.output import UNKNOWN, print_json, print_table, progress, remark

app = typer.Typer(
    help="Fit a router on recorded outcomes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write the artifact to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("bundled")
def bundled(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds the four training sets.")],
    out: Out,
    json: AsJson = False,
) -> None:
    """Rebuild the router that ships with the package; takes some minutes, needs the teacher's weights."""
    from switchpoint.learning.bundled import build

    with progress() as bar:
        tasks = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done)

        built = build(data, out, created=_created(), progress=show)
    if json:
        print_json({"artifact": built.digest, "trained_on": built.trained_on, "metrics": built.metrics})
        return
    rows = [[kind, *figures.values()] for kind, figures in built.metrics["out_of_fold"].items()]
    print_table(
        "Out of fold", ["kind", "rows", "APGR", "ECE weak", "ECE strong"], rows, caption=f"artifact {built.digest}"
    )
    remark(f"Written to {out}.")


@app.command("router")
def train(
    data: Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to learn from.")],
    out: Out,
    models: Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Learn these models only.")] = None,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to learn from.")] = "train",
    router: Annotated[str, typer.Option(metavar="NAME", help="See `switchpoint evaluate --list-routers`.")] = "default",
    json: AsJson = False,
) -> None:
    """Train a router on your own outcomes, and say what cross-validation found."""
    from switchpoint.learning.train import train_router

    chosen = models.split(",") if models else None
    trained = train_router(
        data.split(","), out, created=_created(), models=chosen, split=split, router=router, say=remark
    )
    if json:
        print_json(trained.to_json())
        return
    rows = zip(trained.models, trained.mean_quality, strict=True)
    print_table(f"{trained.data}: {trained.rows} rows", ["model", "mean quality"], rows)
    rehearsal = trained.rehearsal
    value, low, high = rehearsal.found
    nothing = f"nothing learned: {rehearsal.nothing}"
    print(f"{rehearsal.measure}, cross-validated: {value:.3f} [{low:.3f}, {high:.3f}]; {nothing}")
    print(f"best single model: {trained.best_single}")
    if not rehearsal.routable:
        print("not routable on this evidence: the interval includes what nothing learned would give")
    if trained.parts:
        print(f"learned beside quality: {', '.join(trained.parts)}")
    print(f"artifact: {trained.digest}")
    remark(f"Written to {out}.")


@app.command("causal")
def causal(
    data: Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to learn from.")],
    base: Annotated[Path, typer.Option(metavar="DIR", help="Local folder of the causal language model to start from.")],
    weak: Annotated[str, typer.Option(metavar="MODEL", help="The model whose answers it learns to rate.")],
    out: Out,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to learn from.")] = "train",
    json: AsJson = False,
) -> None:
    """Fine-tune a language model to rate how well a weak one will answer; serve it, and ask it by way = "trained"."""
    from switchpoint.learning.causal import Settings, fine_tune
    from switchpoint.learning.datasets import read_many

    outcomes = read_many(data.split(","), split, [weak], remark)
    tuned = fine_tune(outcomes, weak, base, out, Settings(epochs=epochs), remark)
    if json:
        print_json(tuned._asdict())
        return
    print_table(f"{outcomes.name}: how {weak} will answer", list(tuned._fields), [list(tuned)])
    if tuned.after >= tuned.constant:
        print("learned nothing about the queries: the mean rating is as good on the rows held out")
    remark(f"Written to {out}.")


@app.command("encoder")
def encoder(
    data: Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes to learn from.")],
    out: Out,
    base: Annotated[Path | None, typer.Option(metavar="DIR", help="A BERT to start from, instead of MiniLM.")] = None,
    models: Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Learn these models only.")] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 3,
    max_tokens: Annotated[int, typer.Option(min=4, help="Of a text; of a longer one, head and tail.")] = 256,
    frozen: Annotated[int, typer.Option(min=0, help="Lower layers that stay as they are.")] = 3,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to learn from.")] = "train",
    json: AsJson = False,
) -> None:
    """Fine-tune a sentence encoder to predict the quality of each model; it is served in int8, without torch."""
    from switchpoint.learning.encoder import Settings, train_encoder

    report = train_encoder(
        data.split(","),
        out,
        created=_created(),
        base=base,
        models=models.split(",") if models else None,
        split=split,
        settings=Settings(epochs=epochs, max_tokens=max_tokens, frozen=frozen),
        say=remark,
    )
    if json:
        print_json(report._asdict())
        return
    print_table("Rows held out", list(report._fields), [list(report)])
    if report.after >= report.constant:
        print("learned nothing about the queries: each model's mean is as good on the rows held out")
    elif report.epoch == 0:
        print("training the layers did not help on the rows held out: only the head was learned")
    remark(f"Written to {out}.")


@app.command("cascade")
def cascade(
    data: Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes with their answers.")],
    out: Out,
    models: Annotated[str | None, typer.Option(metavar="MODEL[,MODEL...]", help="Ask these only.")] = None,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to learn from.")] = "train",
    json: AsJson = False,
) -> None:
    """Train the recommended cascade: whom to ask, in which order, and when an answer is good enough."""
    from switchpoint.learning.tune_cascade import save_cascade

    chosen = models.split(",") if models else None
    saved = save_cascade(data.split(","), out, created=_created(), models=chosen, split=split, say=remark)
    if json:
        print_json(saved.to_json())
        return
    print_table(*saved.sheet())
    print(f"artifact: {saved.digest}")
    remark(f"Written to {out}.")


@app.command("verifier")
def verifier(
    data: Annotated[str, typer.Option(metavar="DIR[,DIR...]", help="Folders of outcomes with their answers.")],
    out: Out,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Whose answers it is for; others help.")] = None,
    method: Annotated[Literal["light", "encoder"], typer.Option(help="Features, or a fine-tuned encoder.")] = "light",
    test: Annotated[Path | None, typer.Option(metavar="DIR", help="Measure on the test rows of this folder.")] = None,
    split: Annotated[Literal["train", "test", "all"], typer.Option(help="Rows to learn from.")] = "train",
    json: AsJson = False,
) -> None:
    """Train a verifier: the probability that an answer is right, from the question and the answer."""
    from switchpoint.learning.verifiers import train_verifier

    trained = train_verifier(
        data.split(","), out, created=_created(), model=model, split=split, method=method, test=test, say=remark
    )
    if json:
        print_json(trained.to_json())
        return
    value, low, high = trained.auroc
    print(f"{trained.data}: {trained.rows} answers of {len(trained.models)} models")
    print(f"on rows left out: AUROC {value:.3f} [{low:.3f}, {high:.3f}]")
    print(f"calibration error there: {trained.calibration_error:.3f}")
    if trained.test:
        rows = [[name, *map(_shown, (f.auroc, f.half, f.apgr))] for name, f in trained.test.items()]
        title = f"Answers of {trained.judged}, deferring to {trained.strong or 'nobody'}"
        print_table(title, ["scorer", "AUROC", "quality at half deferral", "APGR"], rows)
    print(f"artifact: {trained.digest}")
    remark(f"Written to {out}.")


def _shown(found: tuple[float, float, float]) -> str:
    """Write a figure with its interval; unknown where it has none."""
    value, low, high = found
    return UNKNOWN if math.isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _created() -> str:
    """Today, or the date of SOURCE_DATE_EPOCH, which makes two builds the same to the byte."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    return moment.date().isoformat()
