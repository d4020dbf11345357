"""`switchpoint tune`: the operating point that meets a target on recorded outcomes, ready to paste."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from switchpoint.cli.output import print_json, print_table, remark

if TYPE_CHECKING:
    from switchpoint.evaluation.certificate import Promise
    from switchpoint.learning.certify import Guaranteed
    from switchpoint.learning.tune import Tuned
    from switchpoint.learning.tune_cascade import Tuned as TunedCascade

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
MaxLoss = Annotated[float | None, typer.Option(metavar="L", help="Certify a mean loss of quality of at most this.")]
Confidence = Annotated[float, typer.Option(metavar="C", help="Confidence of the certificate.")]
Baseline = Annotated[str | None, typer.Option(metavar="MODEL", help="Lost against it; default: the best single model.")]
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
    max_quality_loss: MaxLoss = None,
    confidence: Confidence = 0.95,
    baseline: Baseline = None,
    json: AsJson = False,
) -> None:
    """Choose a router's operating point; prints lines for switchpoint.toml.

    For a share, a quality or a budget; or, with --max-quality-loss, the cheapest one whose loss of quality is
    certified on held-out rows. Exit code 1 where none can be certified.
    """
    from switchpoint.core.errors import ConfigError
    from switchpoint.evaluation.certificate import Promise
    from switchpoint.evaluation.operating import Target
    from switchpoint.learning.assess_cascade import CASCADES
    from switchpoint.learning.certify import certify
    from switchpoint.learning.tune import tune

    targets = {"share": target_share, "quality": target_quality, "usd_per_1k": target_usd_per_1k}
    chosen = models.split(",") if models else None
    what: dict[str, Any] = {"artifact": artifact, "split": split, "models": chosen, "weak": weak, "strong": strong}
    folders = data.split(",")
    if router in CASCADES:
        alone: dict[str, object] = {"--artifact": artifact, "--weak": weak, "--strong": strong, "--baseline": baseline}
        promise = None if max_quality_loss is None else Promise(max_loss=max_quality_loss, confidence=confidence)
        _cascade(folders, targets, promise, {"split": split, "models": chosen, "say": remark}, alone, json)
        return
    if max_quality_loss is None:
        if baseline is not None:
            raise ConfigError("--baseline is what --max-quality-loss is measured against. Give both or neither.")
        _show(tune(folders, Target(**targets), router=router, say=remark, **what), json)
        return
    if any(target is not None for target in targets.values()):
        raise ConfigError("--max-quality-loss is a target of its own. Give it without another.")
    promise = Promise(max_loss=max_quality_loss, confidence=confidence)
    found = certify(folders, promise, baseline=baseline, router=router, say=remark, **what)
    _show(found, json)
    if found.certificate.found is None:
        raise typer.Exit(1)


def _cascade(
    folders: list[str],
    targets: dict[str, float | None],
    promise: Promise | None,
    what: dict[str, Any],
    alone: dict[str, object],
    json: bool,
) -> None:
    from switchpoint.evaluation.operating import Target
    from switchpoint.learning.certify import Guaranteed
    from switchpoint.learning.tune_cascade import certify_cascade, refuse, tune_cascade

    refuse(alone)
    if promise is None:
        _show(tune_cascade(folders, Target(**targets), **what), json)
        return
    found = certify_cascade(folders, promise, **what)
    name = "+".join(Path(folder).name for folder in folders)
    _show(
        Guaranteed(
            name="cascade", dataset=name, certificate=found, pair=None, artifact=None, out_of_fold=True, cascade=True
        ),
        json,
    )
    if found.found is None:
        raise typer.Exit(1)


def _show(found: Tuned | TunedCascade | Guaranteed, json: bool) -> None:
    if json:
        print_json(found.to_json())
        return
    print_table(*found.sheet())
    print(found.toml)
