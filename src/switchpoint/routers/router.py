"""Router: estimators and a policy. One choice before generation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Reason, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.estimate import Estimates
from switchpoint.core.protocols import Estimator, Policy
from switchpoint.core.query import BoolArray, FloatArray, Query
from switchpoint.routers.contract import keep_contracts, shortfall
from switchpoint.routers.observed import with_observed


class Router:
    """Estimate each model's quality and cost, then let the policy choose.

    name : under which the configuration and the records know it.
    catalog : the candidates; columns of all estimates follow it.
    quality, cost, latency : estimators whose `models_` are the catalog's ids; without `latency` nothing is known of it.
    default : the model for queries whose novelty is above `max_novelty`, where there is no evidence for a choice, of
        estimators that keep no evidence of their own (`Prediction.proven`); None trusts the estimates everywhere.
    max_latency_s : how long an answer may be expected to take; see `Estimates.within`. None is no limit.
    reason : the cause that decisions carry.

    Raises ConfigError when an estimator was made for other models.
    """

    def __init__(
        self,
        name: str,
        catalog: Catalog,
        quality: Estimator,
        cost: Estimator,
        policy: Policy,
        *,
        default: str | None = None,
        max_novelty: float = 0.5,
        reason: Reason = Reason.ESTIMATED,
        latency: Estimator | None = None,
        max_latency_s: float | None = None,
    ) -> None:
        for estimator in (quality, cost, latency):
            if estimator is not None and estimator.models_ != catalog.ids:
                raise ConfigError(
                    f"routers.{name}: {type(estimator).__name__} knows the models {', '.join(estimator.models_)}; "
                    f"the catalog has {', '.join(catalog.ids)}. Bind or train it for these."
                )
        self.name = name
        self.catalog = catalog
        self.quality = quality
        self.cost = cost
        self.latency = latency
        self.max_latency_s = max_latency_s
        self.policy = policy
        self.default = default
        self.max_novelty = max_novelty
        self.reason = reason

    def estimate(self, queries: Sequence[Query]) -> Estimates:
        """Estimate a batch once; any number of policies can then be applied to the result.

        Raises NoEligibleModel for the first query that no model may take.
        """
        quality = self.quality.predict(queries)
        return Estimates(
            models=self.catalog.ids,
            quality=quality.mean,
            novelty=quality.novelty,
            proven=quality.proven,
            cost_usd=self.cost.predict(queries).mean,
            latency_s=self._latency_s(queries),
            eligible=self._eligible(queries),
            draw=np.array([query.draw for query in queries]),
        )

    def route(self, queries: Sequence[Query]) -> list[Decision]:
        """Decide for a batch; raises NoEligibleModel as `estimate` does."""
        estimates = self.estimate(queries)
        seen = estimates if self.default is None else estimates.cautiously()
        seen = seen if self.max_latency_s is None else seen.within(self.max_latency_s)
        columns, propensities = self.policy(seen)
        known = estimates if seen is estimates else estimates._replace(eligible=seen.eligible)
        columns, propensities = keep_contracts(queries, known, columns, propensities)
        nothing: list[None] = [None] * len(queries)
        rows = zip(
            columns.tolist(),
            propensities.tolist(),
            seen.eligible.tolist(),
            estimates.quality.tolist(),
            estimates.cost_usd.tolist(),
            nothing if estimates.latency_s is None else estimates.latency_s.tolist(),
            nothing if estimates.novelty is None else estimates.novelty.tolist(),
            nothing if self.default is None or seen.novelty is None else (seen.novelty > self.max_novelty).tolist(),
            nothing if seen.quality is estimates.quality else seen.quality.tolist(),
            [query.min_quality for query in queries],
            strict=True,
        )
        return [self._decision(*row) for row in rows]

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept an answer in hand, else choose."""
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1)
        return Call(decision=self.route([query])[0])

    def _latency_s(self, queries: Sequence[Query]) -> FloatArray | None:
        if self.latency is None:
            return None
        return with_observed(self.latency.predict(queries).mean, self.catalog.ids, queries)

    def _eligible(self, queries: Sequence[Query]) -> BoolArray:
        """Say which models may take each query, shape (n_queries, n_models); raises NoEligibleModel."""
        rows = [self.catalog.eligible(query) for query in queries]
        for query, row in zip(queries, rows, strict=True):
            if True not in row:
                raise NoEligibleModel(self.catalog.exclusions(query))
        return np.array(rows) if rows else np.zeros((0, len(self.catalog)), dtype=bool)

    def _decision(
        self,
        column: int,
        propensity: float,
        eligible: list[bool],
        quality: list[float],
        cost_usd: list[float],
        latency_s: list[float] | None,
        novelty: float | None,
        is_unknown: bool | None,
        proven: list[float] | None,
        floor: float | None,
    ) -> Decision:
        models = self.catalog.ids
        model, reason = models[column], self.reason
        if is_unknown and self.default is not None and eligible[models.index(self.default)]:
            model, reason, propensity = self.default, Reason.NO_EVIDENCE, 1.0
        elif sum(eligible) == 1 < len(models):
            reason = Reason.ONLY_ELIGIBLE
        chosen = models.index(model)
        missed = shortfall(floor, quality, eligible, chosen)
        said = [
            *(() if missed is None else [missed]),
            *(() if proven is None else [f"quality {proven[chosen]:.2f} is proven"]),
            *(() if latency_s is None else [_wait(latency_s[chosen], self.max_latency_s)]),
        ]
        return Decision(
            model=model,
            router=self.name,
            reason=reason,
            propensity=propensity,
            quality=dict(zip(models, quality, strict=True)),
            cost_usd=dict(zip(models, cost_usd, strict=True)),
            novelty=novelty,
            detail="; ".join(said) or None,
        )


def _wait(expected_s: float, max_s: float | None) -> str:
    """Say how long the answer is expected to take."""
    if math.isnan(expected_s):
        return "how long it takes is unknown"
    over = max_s is not None and expected_s > max_s
    return f"{expected_s:.2g} s expected" + (f", none within {max_s:g} s" if over else "")
