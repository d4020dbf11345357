"""Evidence: which estimators stand behind the routers of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from switchpoint.config.schema import LengthRouter, RandomRouter, SimpleRouter, UtilityRouter
from switchpoint.core.catalog import Catalog
from switchpoint.core.protocols import Estimator
from switchpoint.estimators.abilities import stated_abilities
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.cost import ListPriceCost, MeanCost
from switchpoint.estimators.heads import TextHeads
from switchpoint.estimators.length import PromptLength
from switchpoint.estimators.prior import MeanQuality

AnyRouter = SimpleRouter | RandomRouter | LengthRouter | UtilityRouter


class Evidence:
    """Loads artifacts once and binds estimators to the candidates of each router."""

    def __init__(self, catalog: Catalog) -> None:
        self.ability = {a.model: a.value for a in stated_abilities(catalog.models)}
        self._trained: dict[str, TextHeads] = {}

    @cached_property
    def bundled(self) -> Bundled:
        """The router that ships with the package."""
        return Bundled.load()

    def most_able(self, models: Catalog) -> str:
        """Return the model that is said to be best; of equals the first."""
        return max(models.ids, key=lambda model: self.ability[model])

    def least_able(self, models: Catalog) -> str:
        """Return the model that is said to be least able; of equals the last."""
        return min(reversed(models.ids), key=lambda model: self.ability[model])

    def trained_on(self, section: AnyRouter) -> Sequence[str] | None:
        """Return the models that a router's own artifact knows; None if it has none."""
        trained = self._own(section)
        return None if trained is None else trained.models_

    def quality(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the quality estimator of a router over its candidates."""
        trained = self._own(section)
        if trained is not None:
            return trained
        if isinstance(section, UtilityRouter):
            return self.bundled.bind(models.models)
        values = np.array([self.ability[model] for model in models.ids])
        if isinstance(section, LengthRouter):
            return PromptLength(models.ids, ability=values)
        return MeanQuality(models.ids, values)

    def cost(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the cost estimator of a router: list prices, and observed means where a model has none."""
        listed = ListPriceCost(models.models)
        trained = self._own(section)
        return listed if trained is None else MeanCost(models.ids, trained.mean_cost_usd_)

    def threshold(self, section: LengthRouter | UtilityRouter, models: Catalog, share: float) -> float:
        """Return the win rate that this share of the reference queries reaches; raises ConfigError."""
