"""Every operating point of 100,000 queries x 11 models, beside a bisection that finds one point for one budget.

The bisection is what one would write: maximise quality - cost / willingness for every query, and halve the range of
willingnesses until the mean cost meets the budget. Both see the same numbers in the same run.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.timing import in_turns, ms
from switchpoint.core.estimate import Estimates
from switchpoint.evaluation.frontier import frontier

N_QUERIES, N_MODELS = 100_000, 11
ROUNDS = 5
HALVINGS = 60


def measure() -> list[dict[str, str]]:
    seen = made_up()
    budget = float(seen.cost_usd.mean())
    observed = (np.random.default_rng(1).random(seen.quality.shape) < seen.quality).astype(float)
    work = {
        "ours": lambda: frontier(seen),
        "observed too": lambda: frontier(seen).mean(observed),
        "bisection": lambda: by_bisection(seen.quality, seen.cost_usd, budget),
    }
    seconds = {name: float(np.median(each)) for name, each in in_turns(work, ROUNDS, warm_up=1).items()}
    points = frontier(seen)
    number = points.within_budget(budget)
    assert number is not None
    theirs = by_bisection(seen.quality, seen.cost_usd, budget)
    # The frontier's point is at least as good, since it has seen all of them.
    assert points.quality[number] >= quality_of(seen.quality, seen.cost_usd, theirs) - 1e-9
    what = f"the frontier of {N_QUERIES:,} queries x {N_MODELS} models, {len(points):,} points"
    return [
        {
            "what": what,
            "value": ms(seconds["ours"]),
            "beside": f"{seconds['bisection'] / seconds['ours']:.0f}x faster than one budget by bisection",
        },
        {
            "what": "the same with observed quality at every point",
            "value": ms(seconds["observed too"]),
            "beside": f"{seconds['bisection'] / seconds['observed too']:.0f}x; bisection: {ms(seconds['bisection'])}",
        },
    ]


def made_up() -> Estimates:
    """Queries of differing difficulty; dearer models better on the whole, and not always."""
    random = np.random.default_rng(0)
    shape = (N_QUERIES, N_MODELS)
    easy, spread = random.random((N_QUERIES, 1)), random.normal(0, 0.1, shape)
    quality = np.clip(0.6 * easy + np.linspace(0.1, 0.4, N_MODELS) + spread, 0, 1)
    cost = np.geomspace(1e-5, 1e-2, N_MODELS) * random.lognormal(0, 0.5, shape)
    names = tuple(f"m{i}" for i in range(N_MODELS))
    return Estimates(
        models=names, quality=quality, cost_usd=cost, eligible=np.ones(shape, dtype=bool), draw=random.random(N_QUERIES)
    )


def by_bisection(quality: np.ndarray, cost_usd: np.ndarray, budget_usd: float) -> float:
    """Return the highest willingness whose choices cost at most the budget on average."""
    rows = np.arange(len(quality))
    low, high = 0.0, 1e6
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        columns = (quality - cost_usd / middle).argmax(axis=1)
        if cost_usd[rows, columns].mean() <= budget_usd:
            low = middle
        else:
            high = middle
    return low


def quality_of(quality: np.ndarray, cost_usd: np.ndarray, willingness_usd: float) -> float:
    columns = (quality - cost_usd / willingness_usd).argmax(axis=1)
    return float(quality[np.arange(len(quality)), columns].mean())
