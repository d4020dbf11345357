"""A budget under drift: what 5,000 replayed queries cost in parts of the target, on recorded bills and made-up ones.

The recorded outcomes lie in the folder that SWITCHPOINT_DATA names; without it that part is left out.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from switchpoint.core.attempt import Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.estimate import Estimates
from switchpoint.core.record import Record
from switchpoint.routers.budget import Budget, Budgeted

QUERIES = 5_000
SEEDS = range(5)
TARGETS = (0.15, 0.4, 0.7)
"""Where the target lies between always the cheapest and always the dearest model."""
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
DATA = ("routerbench-arc", "routerbench-winogrande")


class Traffic(NamedTuple):
    """Estimates and true bills of queries, all of shape (n_queries, n_models)."""

    quality: np.ndarray
    expected_usd: np.ndarray
    cost_usd: np.ndarray

    def take(self, rows: np.ndarray) -> Traffic:
        return Traffic(*(part[rows] for part in self))

    def dearer(self, factor: float, since: int) -> Traffic:
        """Return the same traffic with other bills, of which the estimates know nothing."""
        factors = np.where(np.arange(len(self.cost_usd)) < since, 1.0, factor)
        return self._replace(cost_usd=self.cost_usd * factors[:, None])


def spend(budget: Budget, traffic: Traffic, seed: int) -> float:
    """Return what the budget spent on the traffic in parts of its target, one query after the other."""
    models = tuple(f"m{number}" for number in range(traffic.quality.shape[1]))
    policy, draws, total = Budgeted(budget), np.random.default_rng(seed).random(len(traffic.quality)), 0.0
    for row, draw in enumerate(draws):
        quality, expected = traffic.quality[[row]], traffic.expected_usd[[row]]
        seen = Estimates(models, quality, expected, np.ones_like(quality, dtype=bool), draw=np.array([draw]))
        column = int(policy(seen)[0][0])
        decision = Decision(
            model=models[column],
            router="r",
            reason=Reason.ESTIMATED,
            quality=dict(zip(models, quality[0].tolist(), strict=True)),
            cost_usd=dict(zip(models, expected[0].tolist(), strict=True)),
        )
        budget.update(finished(decision, float(traffic.cost_usd[row, column])))
        total += float(traffic.cost_usd[row, column])
    return total / len(draws) / budget.spending.target_usd


def finished(decision: Decision, cost_usd: float) -> Record:
    attempt = Attempt(decision=decision, cost_usd=Decimal(cost_usd), latency_s=0.0)
    return Record(
        id="r", at=LONG_AGO, query_id="q", route="r", strategy="r", attempts=(attempt,), accepted=0, outcome="answered",
        decide_s=0.0, latency_s=0.0,
    )  # fmt: skip


def made_up(n_queries: int, hard: float, seed: int) -> Traffic:
    """Three models, 1, 5 and 30 times as dear; `hard` is the share of queries on which the dear ones are better.

    Bills vary threefold around the estimates, and the estimates of the dearest are a third too low.
    """
    random = np.random.default_rng(seed)
    gap = np.where(random.random(n_queries) < hard, random.beta(2, 3, n_queries), random.beta(1, 12, n_queries))
    quality = 0.9 - gap[:, None] * np.array([1.0, 0.5, 0.0])
    expected = np.tile([0.0002, 0.001, 0.006], (n_queries, 1)) * random.lognormal(0, 0.5, (n_queries, 1))
    return Traffic(quality, expected, expected * random.lognormal(0, 0.7, (n_queries, 3)) * np.array([1, 1, 1.5]))


@cache
def recorded(folder: Path) -> Traffic:
    """Test rows of a dataset, estimated by the default trained router and the mean bills of the training rows."""
    from switchpoint.learning.datasets import read
    from switchpoint.learning.routers import make_router, options

    train, test = read(folder, "train"), read(folder, "test")
    quality = make_router("default", train, options(train.models)).predict(test.queries).mean
    complete = ~np.isnan(test.cost_usd).any(axis=1)
    expected = np.broadcast_to(train.mean_cost_usd(), quality.shape)
    return Traffic(np.asarray(quality, dtype=float), expected, test.cost_usd).take(np.flatnonzero(complete))


def scenarios(before: Traffic, after: Traffic, seed: int) -> Iterator[tuple[str, Traffic]]:
    """Yield traffic of `QUERIES` queries; drawn with replacement, since no recorded set is long enough."""
    random, half = np.random.default_rng(seed), QUERIES // 2
    stays = before.take(random.integers(0, len(before.quality), QUERIES))
    other = after.take(random.integers(0, len(after.quality), QUERIES - half))
    shifted = Traffic(*(np.concatenate([a[:half], b]) for a, b in zip(stays, other, strict=True)))
    yield "stationary", stays
    yield "the mix shifts half-way", shifted
    yield "prices double half-way", stays.dearer(2.0, half)


def lines(name: str, before: Traffic, after: Traffic) -> Iterator[dict[str, str]]:
    low, high = (before.cost_usd[:, before.expected_usd.mean(axis=0).argsort()[[0, -1]]]).mean(axis=0)
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        for part in TARGETS:
            for scenario, traffic in scenarios(before, after, seed):
                budget = Budget(1_000 * float(low + part * (high - low)))
                found.setdefault(scenario, []).append(spend(budget, traffic, seed))
    for scenario, spent in found.items():
        yield {
            "what": f"{name}, {scenario}: spend in parts of the target",
            "value": f"{np.mean(spent):.3f}",
            "beside": f"{min(spent):.3f} to {max(spent):.3f} over {len(spent)} runs",
        }


def measure() -> list[dict[str, str]]:
    found = list(lines("made-up", made_up(20_000, 0.3, seed=1), made_up(20_000, 0.8, seed=2)))
    folder = os.environ.get("SWITCHPOINT_DATA")
    if folder is None:
        return found
    arc, winogrande = (recorded(Path(folder) / name) for name in DATA)
    return [*found, *lines("arc to winogrande", arc, winogrande), *lines("winogrande to arc", winogrande, arc)]


if __name__ == "__main__":
    for line in measure():
        print(f"{line['what']:62} {line['value']:>8}   {line['beside']}")
