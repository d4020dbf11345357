"""Clear: the layer that settles a query before generation where looking at an answer would not pay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from switchpoint.cascades.layered import Passed, Willingness
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.willingness import price
from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Call, Decision, Reason, Step
from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import FloatArray, Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """Settle a query where the best cascade could add at most `margin` to the router's choice.

    name : of the layer. router : chooses by estimates, which its decisions carry. candidates : its models.
    willingness_usd : the one that the router's policy uses.
    margin : in quality, 0 or more; what the best cascade would add is an upper bound (see `value_of_looking`), and a
        real verifier reaches a part of it.
    max_novelty : a query beyond it is not clear, whatever is predicted.

    A query that it has called for stays its own. Unknown estimates are never clear.
    Raises ConfigError for a negative margin.
    """

    name: str
    router: Strategy
    candidates: Catalog
    willingness_usd: Willingness
    margin: float = 0.05
    max_novelty: float = 0.5

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise ConfigError(f"margin must be 0 or more. Got {self.margin!r}.")

    def settle(self, query: Query, attempts: Sequence[Attempt]) -> Step | Passed:
        """Return the router's step where the query is clear; raises what the router raises."""
        step = self.router.next(query, attempts)
        if not isinstance(step, Call) or any(attempt.decision.layer == self.name for attempt in attempts):
            return step
        decision = step.decision
        if decision.reason is Reason.NO_EVIDENCE or self._is_novel(decision.novelty):
            return Passed("unknown ground")
        added = self._added(query, decision)
        if not added <= self.margin:
            return Passed("unknown estimates" if np.isnan(added) else f"looking may add {added:.2f}")
        said = f"looking would add {added:.2f} at most"
        detail = said if decision.detail is None else f"{decision.detail}; {said}"
        return replace(step, decision=replace(decision, detail=detail))

    def _is_novel(self, novelty: float | None) -> bool:
        return novelty is not None and novelty > self.max_novelty

    def _added(self, query: Query, decision: Decision) -> float:
        """Return what the best cascade of the eligible models would add to this choice, in quality; NaN is unknown."""
        eligible = [m for m, ok in zip(self.candidates.ids, self.candidates.eligible(query), strict=True) if ok]
        quality = np.array([decision.quality.get(model, np.nan) for model in eligible])
        cost_usd = np.array([decision.cost_usd.get(model, np.nan) for model in eligible])
        prices = price(cost_usd, self.willingness_usd(query)).ravel()
        chosen = eligible.index(decision.model)
        known = np.isfinite(quality) & np.isfinite(prices)
        if not known[chosen]:
            return float("nan")
        return value_of_looking(quality[known], prices[known]) - float(quality[chosen] - prices[chosen])


def value_of_looking(quality: FloatArray, prices: FloatArray) -> float:
    """Return the expected quality less prices of the best cascade with a perfect verifier: E[max_i min(X_i, r_i)].

    quality, prices : shape (n_models,), at least one; quality in [0, 1], prices of a call in quality, 0 or more.
    X_i is 1 with probability `quality`, else 0, independently; r_i is its reservation value. At least one model is
    called. No verifier and no order of calls gives more: of all answers of this mean quality, those that are right or
    wrong have the largest spread. Answers that tend to be wrong together give less.

    Source: Weitzman, Optimal search for the best alternative (1979), the value of the optimal policy.
    """
    value = bernoulli(quality, quality, prices)
    order = np.argsort(-value)
    value, right = value[order], quality[order]
    worth = value > 0
    if not worth.any():
        return float(value[0])
    all_wrong = np.cumprod(1 - right[worth])
    before = np.concatenate([[1.0], all_wrong[:-1]])
    return float((value[worth] * right[worth] * before).sum())
