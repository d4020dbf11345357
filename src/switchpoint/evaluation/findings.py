"""Findings: from evaluations of several routers, and the outcomes they are of, to whether routing pays.

Nothing is fitted here; `switchpoint.learning.routability` makes the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.bootstrap import Interval, difference, intervals, mean_of
from switchpoint.evaluation.evidence import Evidence, Mix, blind_mix
from switchpoint.evaluation.recommendation import recommend
from switchpoint.evaluation.reliability import wilson
from switchpoint.evaluation.replay import played
from switchpoint.evaluation.report import Evaluation
from switchpoint.evaluation.routability import FEW_OF_CLASS, ClassStanding, Ground, Routability, Standing, Trial

CLASS_PRIOR_ROWS = 10.0
"""A class's means are worth as much as this many rows of the whole: a class of three rows says little."""

FEW_ROWS = 50
"""With fewer test rows intervals by the bootstrap are too narrow to decide by."""

NEAR_SHARE = 0.01
"""Part of the test that may be nearly the same as a training row before the reader is warned."""

CONSTANTS = ("best_single", "cheapest", "random", "oracle")


def routability(ground: Ground, trials: Sequence[Trial], *, seed: int = 0) -> Routability:
    """Assemble the findings; `trials` has at least one."""
    test, first = ground.test, trials[0].evaluation
    best = first.best_single_model
    assert best is not None  # there are training rows, so one was chosen
    by_class, single = played(test, ground.class_columns), test.quality[:, test.column(best)]
    for_quality = _chosen(trials, _gain, ground.out_of_fold)
    for_cost = _chosen(trials, _thrift, ground.out_of_fold)
    mix = blind_mix(ground.train, test, best, seed=seed)
    class_standing = Standing("class_constant", _known(by_class.quality), *_means(by_class.quality, by_class.cost_usd))
    return Routability(
        dataset=test.name,
        command=ground.command,
        n_train=len(ground.train),
        n_queries=len(test),
        out_of_fold=ground.out_of_fold,
        best=best,
        models=tuple(
            Standing(model, _known(test.quality[:, i]), *_means(test.quality[:, i], test.cost_usd[:, i]))
            for i, model in enumerate(test.models)
        ),
        constants=(*(_constant(first, name) for name in CONSTANTS), class_standing),
        class_gain=difference(by_class.quality, single, seed=seed),
        oracle_gain=difference(_highest(test), single, seed=seed),
        classes=_classes(ground, best),
        trials=tuple(trials),
        skipped=ground.skipped,
        for_quality=for_quality,
        for_cost=for_cost,
        mix=mix,
        ceiling=first.ceiling,
        leaks=ground.leaks,
        warnings=tuple(_warnings(ground)),
        unknown=tuple(_unknown(ground, first)),
        recommendation=recommend(_evidence(best, for_quality, for_cost, mix)),
    )


def class_columns(train: Outcomes, domains: Sequence[str]) -> IntArray:
    """Return the best model of each of these classes on training rows, shape (n,); a new class gets the overall best.

    Means are shrunk to those of all classes by `CLASS_PRIOR_ROWS` rows of them.
    """
    whole = np.nan_to_num(train.mean_quality())
    kinds = np.array(train.domains)
    best: dict[str, int] = {}
    for domain in set(domains):
        seen = train.quality[kinds == domain]
        counts = (~np.isnan(seen)).sum(axis=0)
        means = (np.nansum(seen, axis=0) + CLASS_PRIOR_ROWS * whole) / (counts + CLASS_PRIOR_ROWS)
        best[domain] = int(means.argmax())
    return np.array([best[domain] for domain in domains], dtype=np.intp)


def _evidence(best: str, for_quality: Trial | None, for_cost: Trial | None, mix: Mix | None) -> Evidence:
    """Take what was measured on the test of the routers that were chosen without it."""
    found = Evidence(best=best, mix=mix)
    if for_quality is not None:
        measured = for_quality.evaluation
        found = replace(
            found,
            for_quality=for_quality.router,
            gain=measured.gain_over_best_single,
            usd_per_1k=measured.cost_usd_per_1k["router"],
            best_usd_per_1k=measured.cost_usd_per_1k["best_single"],
        )
    if for_cost is not None:
        measured = for_cost.evaluation
        found = replace(found, for_cost=for_cost.router, costs=measured.costs, pair=measured.two_model)
    return found


def _chosen(trials: Sequence[Trial], worth: Callable[[Evaluation], float], blindly: bool) -> Trial | None:
    """Return the candidate of the highest worth in rehearsal; blindly the first, ties too.

    Where the rehearsal is all there is, choosing by it would be choosing by what is then shown.
    """
    candidates = [trial for trial in trials if trial.candidate]
    if blindly or not candidates:
        return candidates[0] if candidates else None
    return max(candidates, key=lambda trial: worth(trial.rehearsal))


def _gain(rehearsal: Evaluation) -> float:
    found = rehearsal.gain_over_best_single
    return -np.inf if found is None or np.isnan(found.value) else found.value


def _thrift(rehearsal: Evaluation) -> float:
    """How cheap near-best quality is or, where costs are unknown, how well the pair is ordered."""
    if rehearsal.costs is not None:
        ratio = rehearsal.costs.near_best_ratio.value
        return -np.inf if np.isnan(ratio) else -ratio
    return -np.inf if rehearsal.two_model is None else rehearsal.two_model.apgr.value


def _classes(ground: Ground, best: str) -> tuple[ClassStanding, ...]:
    test, kinds = ground.test, np.array(ground.test.domains)
    trained = dict(zip(*np.unique(np.array(ground.train.domains), return_counts=True), strict=True))
    single = test.quality[:, test.column(best)]
    found = []
    for name in dict.fromkeys(test.domains):
        rows = np.flatnonzero(kinds == name)
        columns = ground.class_columns[rows]
        model = test.models[int(np.bincount(columns).argmax())]
        observed = test.quality[rows, columns]
        # A class is small: all right or all wrong in it is no certainty, which a bootstrap would take it for.
        quality = wilson(float(np.nanmean(observed)), _known(observed)) if _known(observed) else _without_ends(np.nan)
        gain = difference(observed, single[rows])
        if len(rows) < FEW_OF_CLASS:
            quality, gain = _without_ends(quality.value), _without_ends(gain.value)
        found.append(ClassStanding(name, int(trained.get(name, 0)), len(rows), model, quality, gain))
    return tuple(sorted(found, key=lambda each: -each.n_queries))


def _means(quality: FloatArray, cost_usd: FloatArray) -> tuple[Interval | None, Interval | None]:
    values = {"quality": quality, "cost": cost_usd * 1_000}
    known = {name: mean_of(value) for name, value in values.items() if not np.isnan(value).all()}
    found = intervals(known, len(quality))
    return found.get("quality"), found.get("cost")


def _constant(evaluation: Evaluation, name: str) -> Standing:
    return Standing(name, None, evaluation.quality.get(name), evaluation.cost_usd_per_1k.get(name))


def _warnings(ground: Ground) -> Iterator[str]:
    test = ground.test
    if len(test) < FEW_ROWS:
        yield (f"Only {len(test)} queries to measure on: intervals are too narrow below {FEW_ROWS}. Record more.")
    if ground.out_of_fold:
        yield (
            "There is one split only. Every row is judged by what was fitted on the others; the recommendation looks "
            "at the first router of the list, not at the best one; the best constant model and the blind mix are "
            "chosen on these very rows."
        )
    if ground.leaks.near > NEAR_SHARE * len(test):
        yield (
            f"{ground.leaks.near} test queries are nearly the same as a training one and stay in: "
            "figures may flatter every trained router."
        )


def _unknown(ground: Ground, evaluation: Evaluation) -> Iterator[str]:
    test = ground.test
    cells = int(np.isnan(test.quality).sum())
    if cells:
        yield (f"{cells:,} of {test.quality.size:,} outcomes were not observed; they count nowhere, not as zero.")
    unpriced = int((np.isnan(test.cost_usd) & ~np.isnan(test.quality)).sum())
    if unpriced and evaluation.costs is not None:
        yield (f"The cost of {unpriced:,} observed outcomes is unknown; means are over the rest.")
    if evaluation.costs is None:
        yield ("Costs are not on record for every model: nothing is said of dollars where they would be needed.")
    if len(set(test.domains)) < 2:
        yield ("All queries are of one class: there is no per-class constant to compare with.")
    if evaluation.ceiling is None:
        yield ("Too few queries for a ceiling.")


def _highest(test: Outcomes) -> FloatArray:
    highest = np.nan_to_num(test.quality, nan=-1.0).max(axis=1)
    return np.where(highest >= 0, highest, np.nan)


def _known(values: FloatArray) -> int:
    return int((~np.isnan(values)).sum())


def _without_ends(value: float) -> Interval:
    return Interval(value, float("nan"), float("nan"))
