"""Operating points: the threshold or the willingness to pay that meets a target on recorded outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.estimate import Estimates
from switchpoint.core.outcome import Outcomes
from switchpoint.core.protocols import Policy
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.evaluation.bootstrap import RESAMPLES, Interval, Statistic, intervals, mean_of
from switchpoint.evaluation.curve import Ranking
from switchpoint.evaluation.family import at
from switchpoint.evaluation.frontier import frontier
from switchpoint.evaluation.replay import choose, played
from switchpoint.evaluation.two_model import Pair
from switchpoint.routers.policies import StrongIfWorth, win_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to reach; exactly one is given.

    share : of calls to the strong model. quality : in parts of the best single model's. usd_per_1k : mean cost at most.
    """

    share: float | None = None
    quality: float | None = None
    usd_per_1k: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in self._given().items() if value is not None}
        if len(given) != 1:
            raise ConfigError(f"Give exactly one target of share, quality and usd_per_1k. Got {given or 'none'}.")
        for name, value in given.items():
            if not 0 <= value <= (1 if name == "share" else np.inf):
                allowed = "in [0, 1]" if name == "share" else "0 or more"
                raise ConfigError(f"The target {name} must be {allowed}. Got {value}.")

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in self._given().items() if value is not None)

    def _given(self) -> dict[str, float | None]:
        return {"share": self.share, "quality": self.quality, "usd_per_1k": self.usd_per_1k}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """A setting of a router and what it gave on the outcomes that it was tuned on.

    setting : "threshold" (on the win rate of the strong model) or "willingness_usd".
    share : of queries that went to the strong model; None without a pair.
    quality_ratio : quality in parts of the best single model's. cost_usd_per_1k : None where a cost is unknown.
    """

    setting: str
    value: float
    pair: Pair | None
    n_queries: int
    best_single_model: str
    share: float | None
    quality: Interval
    quality_ratio: Interval
    cost_usd_per_1k: Interval | None


class Swept(NamedTuple):
    """Operating points in the order of rising cost; each array of shape (n_points,).

    error : standard error of the quality as paired with that of the best single model.
    """

    value: FloatArray
    share: FloatArray
    quality: FloatArray
    cost_usd: FloatArray
    error: FloatArray


def operating_point(
    seen: Estimates,
    outcomes: Outcomes,
    target: Target,
    *,
    best_single: str,
    pair: Pair | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: IntArray | None = None,
) -> OperatingPoint:
    """Find the setting that meets the target, exactly: over every cut for a pair, else over the whole frontier.

    best_single : the standard of quality, and the default model for queries on unknown ground (a threshold, which only
        orders, has none).
    groups : of the bootstrap, shape (n_queries,); by default every query by itself.
    A share is met as nearly as ties allow; a quality at the lowest cost or share, with one standard error to spare
    (the rule of Breiman et al. 1984 against choosing what was lucky); a cost with the highest quality.
    Raises ConfigError where no setting meets the target, or it needs a pair or costs that are not there.
    """
    if pair is None and np.isnan(seen.cost_usd).any():
        raise ConfigError("More than two models are compared by cost, and some cost is unknown. Name weak and strong.")
    # A threshold only orders; a willingness chooses, and is judged as it is deployed: on what is proven.
    seen = seen.cautiously() if pair is None else seen
    if pair is None:
        swept = _willingness_sweep(seen, outcomes, best_single)
    else:
        swept = _threshold_sweep(seen, outcomes, pair, best_single)
    best = float(outcomes.mean_quality()[outcomes.column(best_single)])
    value = float(swept.value[meet(swept, target, best)])
    policy: Policy = at(value, best_single) if pair is None else StrongIfWorth(pair.weak, pair.strong, value)
    game = played(outcomes, choose(policy, seen))
    singles = outcomes.quality[:, outcomes.column(best_single)]
    statistics: dict[str, Statistic] = {
        "quality": mean_of(game.quality),
        "ratio": partial(_ratio, game.quality, singles),
        "usd": mean_of(game.cost_usd * 1_000),
    }
    found = intervals(statistics, len(outcomes), resamples, seed, groups)
    return OperatingPoint(
        setting="willingness_usd" if pair is None else "threshold",
        value=value,
        pair=pair,
        n_queries=len(outcomes),
        best_single_model=best_single,
        share=None if pair is None else float((game.columns == outcomes.column(pair.strong)).mean()),
        quality=found["quality"],
        quality_ratio=found["ratio"],
        cost_usd_per_1k=None if np.isnan(found["usd"].value) else found["usd"],
    )


def _threshold_sweep(seen: Estimates, outcomes: Outcomes, pair: Pair, best_single: str) -> Swept:
    weak, strong = (outcomes.column(model) for model in pair)
    both = ~np.isnan(outcomes.quality[:, [weak, strong]]).any(axis=1)
    if not both.any():
        raise DataError(f"{outcomes.name}: {pair.weak} and {pair.strong} were observed on no query together.")
    rate = win_rate(seen.quality[both], weak, strong)
    ranking = Ranking(rate)
    quality = ranking.curve(outcomes.quality[both, weak], outcomes.quality[both, strong])
    cost = ranking.curve(outcomes.cost_usd[both, weak], outcomes.cost_usd[both, strong])
    blocks = rate[ranking.order][ranking.starts]
    above, below = blocks[:-1], blocks[1:]
    middle = (above + below) / 2
    # Any threshold between two blocks cuts alike and the middle is the farthest from both, unless it rounds onto one.
    between = np.where(middle > below, middle, above)
    cuts = np.concatenate([[min(1.0, blocks[0] + 1e-9)], between, [0.0]])
    lead = _lead(outcomes, best_single)[both]
    error = _error(lambda values: ranking.curve(values[:, weak], values[:, strong]).quality, lead)
    return Swept(cuts, quality.share, quality.quality, cost.quality, error)


def _willingness_sweep(seen: Estimates, outcomes: Outcomes, default: str) -> Swept:
    points = frontier(seen, default)
    return Swept(
        points.willingness_usd,
        np.full(len(points), np.nan),
        points.mean(outcomes.quality),
        points.mean(outcomes.cost_usd),
        _error(points.mean, _lead(outcomes, default)),
    )


def _lead(outcomes: Outcomes, best_single: str) -> FloatArray:
    """Return every model's quality minus that of the best single one on the same query, shape (n_queries, n_models)."""
    return outcomes.quality - outcomes.quality[:, [outcomes.column(best_single)]]


def _error(mean: Callable[[FloatArray], FloatArray], lead: FloatArray) -> FloatArray:
    """Return the standard error of the mean lead at every point; `mean` averages over what each point chooses."""
    variance = np.maximum(mean(np.square(lead)) - np.square(mean(lead)), 0.0)
    error: FloatArray = np.sqrt(variance / len(lead))
    return error


def meet(swept: Swept, target: Target, best: float) -> int:
    """Return the point that meets a target; `best` is the best single model's quality. Raises ConfigError."""
    if target.share is not None:
        if np.isnan(swept.share).any():
            raise ConfigError("A target share is of the strong model's calls. Name weak and strong.")
        return int(np.abs(swept.share - target.share).argmin())
    if target.quality is not None:
        # The cheapest of many settings that reach it would be the luckiest: each must have a standard error to spare.
        sure = swept.quality - swept.error
        reached = sure >= target.quality * best - 1e-12
        if not reached.any():
            top = f"the highest is {np.nanmax(sure) / best:.4f} with a standard error to spare"
            raise ConfigError(f"No setting reaches {target.quality:g} of the best single model's quality; {top}.")
        spent = swept.share if np.isnan(swept.cost_usd).any() else swept.cost_usd
        return int(np.where(reached, spent, np.inf).argmin())
    assert target.usd_per_1k is not None
    if np.isnan(swept.cost_usd).any():
        raise ConfigError("A target cost needs outcomes with costs, and some are unknown.")
    affordable = swept.cost_usd * 1_000 <= target.usd_per_1k
    if not affordable.any():
        low = swept.cost_usd.min() * 1_000
        raise ConfigError(f"No setting costs at most {target.usd_per_1k:g} USD per 1,000; the lowest is {low:.4g}.")
    return int(np.where(affordable, swept.quality, -np.inf).argmax())


def _ratio(quality: FloatArray, single: FloatArray, drawn: FloatArray) -> FloatArray:
    mean, best = mean_of(quality)(drawn), mean_of(single)(drawn)
    # In parts of nothing is not defined; it happens in resamples of very few queries.
    ratio: FloatArray = mean / np.where(best > 0, best, np.nan)
    return ratio
