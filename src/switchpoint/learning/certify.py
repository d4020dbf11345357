"""Certify: the cheapest operating point of a router whose loss of quality is bounded, and how to write it down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.estimators.artifact import read
from switchpoint.evaluation import certificate as certificates
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.bout import expected_cost_usd
from switchpoint.evaluation.certificate import TUNING_SHARE, Certificate, Promise
from switchpoint.evaluation.replay import estimates
from switchpoint.evaluation.report import Sheet, cells
from switchpoint.evaluation.two_model import Pair, pair_of
from switchpoint.learning.datasets import Folder, Split
from switchpoint.learning.tune import Say, judge, toml_lines
from switchpoint.learning.tune_cascade import toml_lines as cascade_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Guaranteed:
    """A certificate for a router by name or for an artifact, or the reason why there is none.

    name, artifact, out_of_fold : as in `switchpoint.learning.tune.Tuned`. cascade : whether it is of a cascade.
    """

    name: str
    dataset: str
    certificate: Certificate
    pair: Pair | None
    artifact: str | None
    out_of_fold: bool
    cascade: bool = False

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        made, found = self.certificate, self.certificate.found
        asked = f"a loss of at most {made.promise.max_loss:g} against {made.baseline}"
        if found is None:
            return f"Not certifiable with {made.n_queries:,} rows; {self._would_do()} ({asked})."
        return (
            f"Quality is at most {found.bound:.4f} below that of {made.baseline}, with confidence "
            f"{made.promise.confidence:g}, certified on {found.n_queries:,} queries that were not tuned on."
        )

    @property
    def toml(self) -> str:
        """The lines for switchpoint.toml; only a comment where nothing was certified."""
        made, found = self.certificate, self.certificate.found
        lines = [f"# {self.sentence}"]
        if found is not None:
            default, fitted = made.baseline, self.out_of_fold
            lines += [
                cascade_lines(found.value)
                if self.cascade
                else toml_lines(self.name, made.setting, found.value, self.pair, default, self.artifact, fitted)
            ]
        return "\n".join(lines)

    def sheet(self) -> Sheet:
        """Return the table for people."""
        made, found = self.certificate, self.certificate.found
        rows: list[Sequence[object]] = [("points tried at most", made.n_points, None)]
        if found is not None:
            of = "calls of the strong model" if found.saved_usd_per_1k is None else "the baseline's cost"
            rows = [
                (made.setting, found.value, None),
                (f"loss against {made.baseline}, certified bound", f"{found.bound:.4f}", None),
                ("loss, observed", *cells(found.loss)),
                (f"saved, in parts of {of}", *cells(found.saved)),
                ("saved, USD per 1,000", *cells(found.saved_usd_per_1k)),
                ("certifying queries", found.n_queries, None),
                ("left out, not observed", found.n_left_out, None),
                ("bound by", found.method, None),
            ]
        judged = "out of fold" if self.out_of_fold else "as it is"
        title = f"{self.name} on {self.dataset}, loss of quality at most {made.promise.max_loss:g}"
        return Sheet(title, ("figure", "value", "95 %"), rows, f"{made.n_queries} queries, judged {judged}.")

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; an infinite willingness is the string "inf", which TOML writes without quotes."""
        made, found = self.certificate, self.certificate.found
        usd = None if found is None else found.saved_usd_per_1k
        return {
            "router": self.name,
            "dataset": self.dataset,
            "n_queries": made.n_queries,
            "n_points": made.n_points,
            "baseline": made.baseline,
            "max_quality_loss": made.promise.max_loss,
            "confidence": made.promise.confidence,
            "certified": found is not None,
            "n_needed": made.n_needed,
            "out_of_fold": self.out_of_fold,
            "result": self.sentence,
            **({} if found is None else {made.setting: found.value if math.isfinite(found.value) else "inf"}),
            "bound": found and found.bound,
            "bound_by": found and found.method,
            "loss": found and list(found.loss),
            "saved": found and list(found.saved),
            "saved_usd_per_1k": usd and list(usd),
            "n_certifying": found and found.n_queries,
            "n_left_out": found and found.n_left_out,
            "toml": self.toml,
        }

    def _would_do(self) -> str:
        made = self.certificate
        if made.n_points == 0:
            return f"no setting costs less than always {made.baseline}"
        if made.n_needed is None:
            return "more would not do, since no setting loses so little"
        return f"about {made.n_needed:,} would do"


def certify(
    data: Sequence[Folder],
    promise: Promise,
    *,
    baseline: str | None = None,
    router: str = "default",
    artifact: Folder | None = None,
    split: Split = "train",
    models: Sequence[str] | None = None,
    weak: str | None = None,
    strong: str | None = None,
    say: Say = lambda text: None,
) -> Guaranteed:
    """Find the cheapest setting whose loss of quality against the baseline model is certified on held-out rows.

    baseline : by default the best single model on the tuning rows, a fifth of all by each query's own draw.
    The rest is as in `switchpoint.learning.tune.tune`. Out of fold the promise is about routers trained on four fifths
    of the rows, which one trained on all of them should not be worse than; of an artifact it holds as it stands.

    Raises as `tune` does, UnknownModel for the baseline, and ConfigError for rows that the artifact was trained on.
    """
    if artifact is not None:
        _refuse_its_own_rows(Path(artifact), data, split)
    found = judge(data, router, artifact, split, models, weak, strong, say)
    outcomes = found.outcomes
    draws = np.array([query.draw for query in outcomes.queries])
    tuning = draws.argsort(kind="stable").argsort() < TUNING_SHARE * len(outcomes)
    tuned = outcomes.take(np.flatnonzero(tuning))
    pair = pair_of(tuned.models, tuned.mean_quality(), weak, strong)
    baseline = baseline or best_single(tuned)
    seen = estimates(found.prediction, outcomes, expected_cost_usd(tuned, outcomes.queries))
    points = certificates.ladder(seen, outcomes, baseline, pair, tuning)
    return Guaranteed(
        name=router if artifact is None else Path(artifact).name,
        dataset=outcomes.name,
        certificate=certificates.certify(points, tuning, promise, baseline),
        pair=pair,
        artifact=None if artifact is None else str(artifact),
        out_of_fold=found.out_of_fold,
    )


def _refuse_its_own_rows(artifact: Path, data: Sequence[Folder], split: Split) -> None:
    """A loss on rows that the router has learned by heart promises nothing."""
    names = {Path(folder).name for folder in data}
    for line in read(artifact).manifest.trained_on:
        learned = str(line.get("dataset"))  # folders that were pooled are named together, joined by plus signs
        if names.intersection(learned.split("+")) and (split == "all" or line.get("split") in (split, "all")):
            raise ConfigError(
                f"{artifact} was trained on {learned}, split {line.get('split')!r}: its loss there promises nothing. "
                "Certify on rows that it never saw, such as --split test."
            )
