"""Train a router on your outcomes, and say honestly whether the queries can be told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators import artifact
from switchpoint.estimators.calibration import folds
from switchpoint.estimators.cost import TokenCost
from switchpoint.estimators.heads import TextHeads
from switchpoint.estimators.latency import Latency
from switchpoint.estimators.tokens import OutputTokens
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.bootstrap import Interval, difference, intervals
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.metrics import apgr
from switchpoint.learning.datasets import Folder, Split, read_many
from switchpoint.learning.routers import make_router, options, recipe

RANDOM_APGR = 0.5

Say = Callable[[str], None]
Fit = Callable[[Outcomes], artifact.Storable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What cross-validation inside the training rows says of routing.

    measure : what `found` is: "APGR" of two models, or "gain over the best single model" in mean quality.
    nothing : the value that means nothing was learned. found : with its 95 % interval, paired by query.
    """

    measure: str
    nothing: float
    found: Interval

    @property
    def routable(self) -> bool:
        """Whether the whole interval lies above what nothing learned would give."""
        return self.found.low > self.nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The artifact's hash, and what is known of the router when it is made; parts : what was learned beside quality."""

    digest: str
    data: str
    rows: int
    models: tuple[str, ...]
    mean_quality: tuple[float, ...]
    best_single: str
    rehearsal: Rehearsal
    parts: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values; NaN is unknown."""
        return {
            "artifact": self.digest,
            "data": self.data,
            "rows": self.rows,
            "mean_quality": dict(zip(self.models, self.mean_quality, strict=True)),
            "best_single": self.best_single,
            "measure": self.rehearsal.measure,
            "found": self.rehearsal.found._asdict(),
            "nothing": self.rehearsal.nothing,
            "routable": self.rehearsal.routable,
            "parts": list(self.parts),
        }


def train_router(
    folders: Sequence[Folder],
    out: Path,
    *,
    created: str,
    models: Sequence[str] | None = None,
    split: Split = "train",
    router: str = "default",
    say: Say = lambda text: None,
) -> Trained:
    """Fit a router by name on the outcomes of the folders and write the artifact to `out`.

    Raises DataError, UnknownModel, ConfigError for a router that cannot be trained.
    """
    fit = fitting(router)
    # An answer that nobody scored still says how long and how dear answers are.
    everything = read_many(folders, split, models, say, scored=False)
    outcomes = everything.take(np.flatnonzero(~np.isnan(everything.quality).all(axis=1)))
    rehearsal = rehearse(outcomes, say, blind if router == "default" else fit)
    say("Fitting on every row …")
    trained, parts = fit(outcomes), cost_and_latency(everything)
    figures = {"measure": rehearsal.measure, **rehearsal.found._asdict(), "routable": rehearsal.routable}
    lines = [{"dataset": outcomes.name, "split": split, "rows": len(outcomes)}]
    return Trained(
        digest=artifact.write(
            trained, out, created=created, trained_on=lines, metrics={"out_of_fold": figures}, parts=parts
        ),
        data=outcomes.name,
        rows=len(outcomes),
        models=outcomes.models,
        mean_quality=tuple(outcomes.mean_quality().tolist()),
        best_single=best_single(outcomes),
        rehearsal=rehearsal,
        parts=tuple(parts),
    )


def cost_and_latency(outcomes: Outcomes) -> dict[str, artifact.Storable]:
    """Learn what answers will cost and how long they will take, as parts of an artifact; none of what is unknown."""
    parts: dict[str, artifact.Storable] = {}
    if _any_known(outcomes.output_tokens):
        parts[artifact.COST] = TokenCost.learned(outcomes)
    if _any_known(outcomes.latency_s):
        tokens = OutputTokens().fit(outcomes) if _any_known(outcomes.output_tokens) else None
        parts[artifact.LATENCY] = Latency(tokens).fit(outcomes)
    return parts


def _any_known(values: FloatArray | None) -> bool:
    """Say whether any of these is known."""
    return values is not None and not np.isnan(values).all()


def fitting(router: str) -> Fit:
    """Return what fits a router by name; raises ConfigError for one that cannot be trained and written."""
    if not recipe(router).learns:
        raise ConfigError(
            f"Router {router!r} learns nothing that could be written. Train 'default', or see --list-routers."
        )

    def fit(outcomes: Outcomes) -> artifact.Storable:
        made = make_router(router, outcomes, options(outcomes.models))
        assert isinstance(made, artifact.Storable)
        return made

    return fit


def blind(outcomes: Outcomes) -> Estimator:
    """Fit the default router without what the bundled one knows of its anchors: it may be from these very rows."""
    return TextHeads(prior=False).fit(outcomes)


def rehearse(
    outcomes: Outcomes, say: Say = lambda text: None, fit: Callable[[Outcomes], Estimator] = blind
) -> Rehearsal:
    """Predict every row by a router that was not fitted on it, and compare with what ignores the query.

    The constant to beat is chosen on the same training rows as the router, so that neither has seen the answer.
    """
    predicted = np.full(outcomes.quality.shape, np.nan)
    constant = np.zeros(len(outcomes), dtype=np.intp)
    for number, (train, test) in enumerate(folds(len(outcomes)), start=1):
        say(f"Fitting without part {number} …")
        known, rest = outcomes.take(np.flatnonzero(train)), outcomes.take(np.flatnonzero(test))
        made = fit(known).predict(rest.queries)
        predicted[test] = made.mean if made.proven is None or len(outcomes.models) == 2 else made.proven
        constant[test] = outcomes.column(best_single(known))
    if len(outcomes.models) == 2:
        return _order(outcomes, predicted)
    return _choice(outcomes.quality, predicted, constant)


def _order(outcomes: Outcomes, predicted: FloatArray) -> Rehearsal:
    """Measure two models by APGR: how well the rows are ordered by what the stronger one adds."""
    weak, strong = np.argsort(outcomes.mean_quality(), kind="stable")
    both = ~np.isnan(outcomes.quality).any(axis=1) & ~np.isnan(predicted).any(axis=1)
    if not both.any():
        return Rehearsal(measure="APGR", nothing=RANDOM_APGR, found=Interval(*[float("nan")] * 3))
    quality, gain = outcomes.quality[both], predicted[both, strong] - predicted[both, weak]
    ranking = Ranking(gain)
    found = intervals({"apgr": lambda w: apgr(ranking.curve(quality[:, weak], quality[:, strong], w))}, len(gain))
    return Rehearsal(measure="APGR", nothing=RANDOM_APGR, found=found["apgr"])


def _choice(quality: FloatArray, predicted: FloatArray, constant: IntArray) -> Rehearsal:
    """Measure many models by the quality of the one predicted to be best, against one that is always the same."""
    rows = np.arange(len(quality))
    chosen = np.where(np.isnan(predicted).any(axis=1), constant, predicted.argmax(axis=1))
    found = difference(quality[rows, chosen], quality[rows, constant])
    return Rehearsal(measure="gain over the best single model", nothing=0.0, found=found)
