"""The promise of `switchpoint tune --max-quality-loss`, kept or broken on 200 resplits of recorded outcomes.

A router is trained on one half of a dataset. The other half is split again and again: some rows tune and certify, and
the rest, which is larger, says what the certified point really loses. A second way draws the rows with replacement, so
that the truth is the mean of the whole half and no noise of the rest is mistaken for a broken promise. The recorded
outcomes lie in the folder that SWITCHPOINT_DATA names, or that is given: `python -m benchmarks.certificate FOLDER`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.baselines import best_single
from switchpoint.evaluation.bounds import betting_bound
from switchpoint.evaluation.certificate import TUNING_SHARE, Ladder, Promise, certify, ladder
from switchpoint.evaluation.replay import estimates
from switchpoint.evaluation.two_model import Pair, pair_of

RESPLITS = 200
SETS = {
    "mmlu-gpt4-mixtral": ("gpt-4-1106-preview", (0.02, 0.05)),
    "routerbench-winogrande": ("gpt-4-1106-preview", (0.02, 0.05)),
    "routerbench-arc": ("gpt-4-1106-preview", (0.02, 0.05)),
}
"""By dataset: the named baseline, and the losses to allow."""


class Half(NamedTuple):
    """The half of a dataset that the router was not trained on."""

    seen: Estimates
    outcomes: Outcomes
    pair: Pair | None


def halves(folder: Path) -> Half:
    from switchpoint.learning.datasets import read
    from switchpoint.learning.routers import make_router, options

    whole = read(folder, "all")
    order = np.random.default_rng(0).permutation(len(whole))
    train, other = (whole.take(part) for part in np.array_split(order, 2))
    prediction = make_router("default", train, options(train.models)).predict(other.queries)
    pair = pair_of(train.models, train.mean_quality(), None, None)
    return Half(estimates(prediction, other, train.mean_cost_usd()), other, pair)


class Tally(NamedTuple):
    """Of the resplits: parts in which a point was certified, and in which its true loss exceeded the promise."""

    certified: float
    broken: float
    saved: float


def resplits(half: Half, baseline: str, promise: Promise, share: float, again: bool) -> Tally:
    """share : of the half that tunes and certifies. again : drawn with replacement, and the truth is the whole half."""
    n_rows = len(half.outcomes)
    n_used = int(share * n_rows)
    broken, saved = [], []
    for seed in range(RESPLITS):
        random = np.random.default_rng(seed)
        rows = random.integers(0, n_rows, n_used) if again else random.permutation(n_rows)[:n_used]
        rest = np.arange(n_rows) if again else np.setdiff1d(np.arange(n_rows), rows)
        tuning = np.arange(n_used) < TUNING_SHARE * n_used
        points = ladder(half.seen, half.outcomes, baseline, half.pair, np.isin(np.arange(n_rows), rows[tuning]))
        found = certify(_of(points, rows), tuning, promise, baseline).found
        if found is not None:
            point = int(np.flatnonzero(points.values == found.value)[0])
            broken.append(np.nanmean(points.loss[rest, point]) > promise.max_loss)
            saved.append(1 - np.nanmean(points.cost[rest, point]) / np.nanmean(points.baseline_cost[rest]))
    return Tally(len(broken) / RESPLITS, sum(broken) / RESPLITS, float(np.mean(saved)) if saved else float("nan"))


def _of(points: Ladder, rows: np.ndarray) -> Ladder:
    return points._replace(loss=points.loss[rows], cost=points.cost[rows], baseline_cost=points.baseline_cost[rows])


def lines(folder: Path, named: str, losses: tuple[float, ...]) -> Iterator[dict[str, str]]:
    half = halves(folder)
    for baseline in dict.fromkeys((named, best_single(half.outcomes))):
        for max_loss in losses:
            for again, share in ((False, 0.4), (True, 1.0)):
                found = resplits(half, baseline, Promise(max_loss=max_loss), share, again)
                way = "drawn again" if again else "resplit"
                rows = int(share * len(half.outcomes))
                yield {
                    "what": f"{folder.name}, {baseline}, loss {max_loss:g}, {rows} rows {way}: broken",
                    "value": f"{found.broken:.3f}",
                    "beside": f"certified {found.certified:.2f}, saving {found.saved:.2f}",
                }


def power() -> Iterator[dict[str, str]]:
    """Fixed-sequence testing beside Bonferroni's correction, on made-up losses of 40 points, each saving 1/40 more."""
    for n_rows in (500, 2_000, 8_000):
        saved: dict[str, list[float]] = {"fixed sequence": [], "Bonferroni": []}
        for seed in range(40):
            points, tuning = made_up(n_rows, seed)
            found = certify(points, tuning, Promise(max_loss=0.02), "baseline").found
            saved["fixed sequence"].append(0.0 if found is None else found.saved.value)
            error = 0.05 / points.loss.shape[1]
            held = [c for c, losses in enumerate(points.loss.T) if betting_bound(losses, error) <= 0.02]
            saved["Bonferroni"].append(max((1 - points.cost[0, c] for c in held), default=0.0))
        sequence, bonferroni = (float(np.mean(each)) for each in saved.values())
        yield {
            "what": f"fixed sequence on {n_rows} rows, made-up losses: certified saving",
            "value": f"{sequence:.3f}",
            "beside": f"{bonferroni:.3f} by Bonferroni on all rows",
        }


def made_up(n_rows: int, seed: int, n_points: int = 40) -> tuple[Ladder, np.ndarray]:
    """The easiest queries go to the cheap model first: it loses on more and more of them, and wins on a few."""
    random = np.random.default_rng(seed)
    shares = np.arange(1, n_points + 1) / n_points
    rank = random.random((n_rows, 1))
    outcome = np.where(random.random((n_rows, 1)) < 0.25 * rank**2, 1.0, 0.0) - (random.random((n_rows, 1)) < 0.02)
    loss = np.where(rank < shares, outcome, 0.0)
    cost = np.broadcast_to(1 - shares, loss.shape)
    points = Ladder("threshold", shares, loss, cost, np.ones(n_rows), in_usd=False)
    return points, np.arange(n_rows) < TUNING_SHARE * n_rows


def figures(data: str | None = None) -> Iterator[dict[str, str]]:
    yield from power()
    folder = data or os.environ.get("SWITCHPOINT_DATA")
    for name, (baseline, losses) in SETS.items() if folder else ():
        yield from lines(Path(str(folder)) / name, baseline, losses)


def measure() -> list[dict[str, str]]:
    return list(figures())


if __name__ == "__main__":
    for line in figures(*sys.argv[1:2]):
        print(f"{line['what']:88} {line['value']:>8}   {line['beside']}", flush=True)
