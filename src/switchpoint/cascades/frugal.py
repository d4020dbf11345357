"""FrugalGPT's search: which chain of models, with which thresholds, answers best within a budget.

Every chain of up to three models and every combination of thresholds on a grid is worked out, so nothing is missed on
that grid, and the whole frontier is kept: another budget needs no other search. Scores must be out of fold: of a
scorer that did not learn from these rows, or the thresholds trust it more than it deserves.

Source: FrugalGPT (Chen et al. 2023), section 3. Differs: chains of every length; each threshold is a quantile of its
own model's scores, not tied to the one before; how long a chain may be is chosen on rows that did not choose it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from switchpoint.cascades.rules import Threshold
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.query import FloatArray, IntArray

MAX_MODELS = 3
GRID = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What a search learns from; each of shape (n_queries, n_models).

    score : of each answer, out of fold; NaN where scoring failed, which no threshold accepts.
    quality, cost_usd : of each answer, with what scoring it costs; every one known. Raises DataError otherwise.
    """

    score: FloatArray
    quality: FloatArray
    cost_usd: FloatArray

    def __post_init__(self) -> None:
        if not self.score.shape == self.quality.shape == self.cost_usd.shape or not len(self.score):
            raise DataError(
                f"score {self.score.shape}, quality {self.quality.shape} and cost_usd {self.cost_usd.shape} must have "
                "one shape and at least one row."
            )
        unknown = int((np.isnan(self.quality) | np.isnan(self.cost_usd)).any(axis=1).sum())
        if unknown:
            raise DataError(f"{unknown} of {len(self.score)} rows lack a quality or a cost. Leave these rows out.")

    def take(self, rows: IntArray) -> Scored:
        """Return these rows."""
        return Scored(score=self.score[rows], quality=self.quality[rows], cost_usd=self.cost_usd[rows])


class Plan(NamedTuple):
    """A chain and what it is worth.

    chain : columns in the order of the calls. thresholds : the score from which each answer is accepted, one for each
    model but the last. quality, cost_usd : means a query.
    """

    chain: tuple[int, ...]
    thresholds: tuple[float, ...]
    quality: float
    cost_usd: float

    @property
    def rule(self) -> Threshold:
        """The rule that follows this plan, where the posterior mean is the score."""
        return Threshold(self.chain, self.thresholds)


class Choice(NamedTuple):
    """A plan within a budget; the frontier that it is taken from; and what the same way of choosing did on other rows.

    held_out_quality, held_out_cost_usd : means over the folds, each by the plan that the other folds chose.
    """

    plan: Plan
    frontier: tuple[Plan, ...]
    held_out_quality: float
    held_out_cost_usd: float


def frontier(data: Scored, max_models: int = MAX_MODELS, grid: int = GRID) -> tuple[Plan, ...]:
    """Return every plan that no other one beats in both quality and cost, in the order of rising cost.

    grid : thresholds to try for each model, at evenly spaced quantiles of its scores.

    Work and memory grow with n_queries * (n_models * grid) ** (max_models - 1).
    """
    return _undominated([found for found in _search(data, max_models, grid)])


def within(plans: Sequence[Plan], budget_usd: float) -> Plan | None:
    """Return the best plan of a frontier that costs at most so much a query on average; None if none does."""
    affordable = [plan for plan in plans if plan.cost_usd <= budget_usd]
    return affordable[-1] if affordable else None


def choose(data: Scored, budget_usd: float, fold: IntArray, max_models: int = MAX_MODELS, grid: int = GRID) -> Choice:
    """Choose the longest chain that is allowed by cross-validation, then the plan on all rows.

    fold : a number for each row, shape (n_queries,); rows of one group belong in one fold.

    Raises ConfigError where no plan is within the budget.
    """
    outside = [_by_length(data.take(np.flatnonzero(fold != each)), max_models, grid) for each in np.unique(fold)]
    inside = [data.take(np.flatnonzero(fold == each)) for each in np.unique(fold)]
    on_all = _by_length(data, max_models, grid)
    choices = []
    for length, plans in enumerate(on_all):
        chosen = [within(found[length], budget_usd) for found in outside]
        plan = within(plans, budget_usd)
        if plan is not None and None not in chosen:
            quality, cost_usd = _held_out([each for each in chosen if each is not None], inside)
            choices.append(Choice(plan, plans, quality, cost_usd))
    if not choices:
        least = on_all[0][0].cost_usd
        raise ConfigError(f"No chain costs at most {budget_usd:g} USD a query; the cheapest costs {least:g}.")
    # Of equally good lengths the shortest: max keeps the first.
    return max(choices, key=lambda choice: choice.held_out_quality)


def follow(plan: Plan, data: Scored) -> tuple[FloatArray, FloatArray]:
    """Return quality and cost_usd of every query under a plan, shapes (n_queries,)."""
    quality, cost_usd = np.zeros(len(data.score)), np.zeros(len(data.score))
    waiting = np.ones(len(data.score), dtype=bool)
    for column, threshold in zip(plan.chain, (*plan.thresholds, -np.inf), strict=True):
        cost_usd[waiting] += data.cost_usd[waiting, column]
        quality[waiting] = data.quality[waiting, column]
        waiting &= ~(data.score[:, column] >= threshold)
    return quality, cost_usd


class _Found(NamedTuple):
    """One chain with many thresholds: shapes (n_plans, len(chain) - 1), (n_plans,), (n_plans,)."""

    chain: tuple[int, ...]
    thresholds: FloatArray
    quality: FloatArray
    cost_usd: FloatArray


class _Prefix(NamedTuple):
    """The models that a chain begins with.

    thresholds : shape (n_plans, len(chain)). waiting : which queries they pass on, shape (n_plans, n_queries).
    quality, cost_usd : what they give and spend, as a share of all queries' mean; shape (n_plans,).
    """

    chain: tuple[int, ...]
    thresholds: FloatArray
    waiting: FloatArray
    quality: FloatArray
    cost_usd: FloatArray


def _search(data: Scored, max_models: int, grid: int) -> Iterator[_Found]:
    n_queries = len(data.score)
    levels = np.linspace(0, 1, grid + 2)[1:-1]
    pending = [_Prefix((), np.empty((1, 0)), np.ones((1, n_queries)), np.zeros(1), np.zeros(1))]
    while pending:
        prefix = pending.pop()
        quality, cost_usd = (prefix.waiting @ values / n_queries for values in (data.quality, data.cost_usd))
        for column in sorted(set(range(data.score.shape[1])) - set(prefix.chain)):
            paid = prefix.cost_usd + cost_usd[:, column]
            chain = (*prefix.chain, column)
            yield _Found(chain, prefix.thresholds, prefix.quality + quality[:, column], paid)
            if len(chain) < max_models:
                pending.append(_longer(prefix, chain, paid, data, levels))


def _longer(prefix: _Prefix, chain: tuple[int, ...], paid: FloatArray, data: Scored, levels: FloatArray) -> _Prefix:
    score, quality = data.score[:, chain[-1]], data.quality[:, chain[-1]]
    known = score[~np.isnan(score)]
    thresholds = np.unique(np.quantile(known, levels, method="higher")) if len(known) else np.array([np.inf])
    rejected = ~(score >= thresholds[:, None])
    waiting = (prefix.waiting[:, None] * rejected).reshape(-1, len(score))
    given = prefix.waiting @ (quality[:, None] * ~rejected.T) / len(score)
    old = np.repeat(prefix.thresholds, len(thresholds), axis=0)
    return _Prefix(
        chain,
        np.column_stack([old, np.tile(thresholds, len(prefix.thresholds))]),
        waiting,
        (prefix.quality[:, None] + given).reshape(-1),
        np.repeat(paid, len(thresholds)),
    )


def _undominated(found: Sequence[_Found]) -> tuple[Plan, ...]:
    quality = np.concatenate([each.quality for each in found])
    cost_usd = np.concatenate([each.cost_usd for each in found])
    ends = np.cumsum([len(each.quality) for each in found])
    order = np.lexsort((-quality, cost_usd))
    so_far = np.concatenate([[-np.inf], np.maximum.accumulate(quality[order])[:-1]])
    kept = order[quality[order] > so_far]
    return tuple(_plan(found, ends, int(place)) for place in kept)


def _plan(found: Sequence[_Found], ends: IntArray, place: int) -> Plan:
    number = int(np.searchsorted(ends, place, side="right"))
    each = found[number]
    row = place - int(ends[number]) + len(each.quality)
    thresholds = tuple(each.thresholds[row].tolist())
    return Plan(each.chain, thresholds, float(each.quality[row]), float(each.cost_usd[row]))


def _by_length(data: Scored, max_models: int, grid: int) -> list[tuple[Plan, ...]]:
    """Return the frontier of chains of at most one model, two models, and so on."""
    found = list(_search(data, max_models, grid))
    longest = min(max_models, data.score.shape[1])
    return [_undominated([each for each in found if len(each.chain) <= n]) for n in range(1, longest + 1)]


def _held_out(plans: Sequence[Plan], parts: Sequence[Scored]) -> tuple[float, float]:
    followed = [follow(plan, part) for plan, part in zip(plans, parts, strict=True)]
    quality, cost_usd = (np.concatenate(each) for each in zip(*followed, strict=True))
    return float(quality.mean()), float(cost_usd.mean())
