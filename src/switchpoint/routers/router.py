"""Router: estimators and a policy. One choice before generation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from switchpoint.core.attempt import Attempt
from switchpoint.core.catalog import Catalog
from switchpoint.core.decision import Accept, Call, Decision, Reason, Step
from switchpoint.core.errors import ConfigError, NoEligibleModel
from switchpoint.core.estimate import Estimates
from switchpoint.core.protocols import Estimator, Policy
from switchpoint.core.query import Query


class Router:
    """Estimate each model's quality and cost, then let the policy choose.

    name : under which the configuration and the records know it.
    catalog : the candidates; columns of all estimates follow it.
    quality, cost : estimators whose `models_` are the catalog's ids.
    default : the model for queries whose novelty is above `max_novelty`, where there is no evidence for a choice;
        None trusts the estimates everywhere.
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
    ) -> None:
        for estimator in (quality, cost):
            if estimator.models_ != catalog.ids:
                raise ConfigError(
                    f"routers.{name}: {type(estimator).__name__} knows the models {', '.join(estimator.models_)}; "
                    f"the catalog has {', '.join(catalog.ids)}. Bind or train it for these."
                )
        self.name = name
        self.catalog = catalog
        self.quality = quality
        self.cost = cost
        self.policy = policy
        self.default = default
        self.max_novelty = max_novelty
        self.reason = reason

    def estimate(self, queries: Sequence[Query]) -> Estimates:
        """Estimate a batch once; any number of policies can then be applied to the result."""
        quality = self.quality.predict(queries)
        return Estimates(
            models=self.catalog.ids,
            quality=quality.mean,
            quality_std=quality.std,
            novelty=quality.novelty,
            cost_usd=self.cost.predict(queries).mean,
            eligible=np.array([self.catalog.eligible(query) for query in queries]).reshape(quality.mean.shape),
            draw=np.array([query.draw for query in queries]),
        )

    def route(self, queries: Sequence[Query]) -> list[Decision]:
        """Decide for a batch; raises NoEligibleModel for the first query that no model may take."""
        estimates = self.estimate(queries)
        if not estimates.all_eligible:
            self._check_eligible(queries, estimates)
        columns, propensities = self.policy(estimates)
        return [
            self._decision(estimates, row, column, propensity)
            for row, (column, propensity) in enumerate(zip(columns.tolist(), propensities.tolist(), strict=True))
        ]

    def next(self, query: Query, attempts: Sequence[Attempt]) -> Step:
        """Accept an answer in hand, else choose."""
        if attempts and attempts[-1].answered:
            return Accept(attempt=len(attempts) - 1)
        return Call(decision=self.route([query])[0])

    def _check_eligible(self, queries: Sequence[Query], estimates: Estimates) -> None:
        stuck = ~estimates.eligible.any(axis=1)
        if stuck.any():
            raise NoEligibleModel(self.catalog.exclusions(queries[int(stuck.argmax())]))

    def _decision(self, estimates: Estimates, row: int, column: int, propensity: float) -> Decision:
        models = estimates.models
        eligible = estimates.eligible[row]
        novelty = None if estimates.novelty is None else float(estimates.novelty[row])
        model, reason = models[column], self.reason
        if self._unknown_ground(novelty) and self.default is not None and eligible[models.index(self.default)]:
            model, reason, propensity = self.default, Reason.NO_EVIDENCE, 1.0
        elif len(models) > 1 and np.count_nonzero(eligible) == 1:
            reason = Reason.ONLY_ELIGIBLE
        return Decision(
            model=model,
            router=self.name,
            reason=reason,
            propensity=propensity,
            quality=dict(zip(models, estimates.quality[row].tolist(), strict=True)),
            cost_usd=dict(zip(models, estimates.cost_usd[row].tolist(), strict=True)),
            novelty=novelty,
        )

    def _unknown_ground(self, novelty: float | None) -> bool:
        return novelty is not None and novelty > self.max_novelty
