"""Evidence: which estimators stand behind the routers of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from switchpoint.assembly.ratings import rated_quality
from switchpoint.config.routers import LengthRouter, RandomRouter, RatedRouter, SimpleRouter, UtilityRouter
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import Query
from switchpoint.estimators.abilities import stated_abilities
from switchpoint.estimators.artifact import COST, LATENCY, Artifact, Trained, estimator_of, read, read_part
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.cost import TokenCost
from switchpoint.estimators.latency import Latency
from switchpoint.estimators.length import PromptLength
from switchpoint.estimators.mean import MeanQuality
from switchpoint.estimators.rating import RatedQuality

AnyRouter = SimpleRouter | RandomRouter | LengthRouter | UtilityRouter | RatedRouter

ORDINARY = Query.of("x" * 2_000)
"""A request of about 500 tokens."""


class Learned(NamedTuple):
    """What an artifact holds; cost and latency are None where its training knew nothing of them."""

    quality: Trained
    cost: TokenCost | None
    latency: Latency | None


class Evidence:
    """Loads artifacts once and binds estimators to the candidates of each router."""

    def __init__(self, catalog: Catalog) -> None:
        self.ability = {a.model: a.value for a in stated_abilities(catalog.models)}
        self._learned: dict[str, Learned] = {}
        self._digests: list[str] = []

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
        learned = self._own(section)
        return None if learned is None else learned.quality.models_

    def quality(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the quality estimator of a router over its candidates."""
        learned = self._own(section)
        if learned is not None:
            return learned.quality
        if isinstance(section, UtilityRouter):
            return self.bundled.bind(models.models)
        if isinstance(section, RatedRouter):
            return rated_quality(section, models, self.ability, self._read_rated(section))
        values = np.array([self.ability[model] for model in models.ids])
        if isinstance(section, LengthRouter):
            return PromptLength(models.ids, ability=values)
        return MeanQuality(models.ids, values)

    def cost(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the cost estimator of a router: predicted tokens at their prices, else mean bills or list prices."""
        learned = self._own(section)
        cached_share = section.cached_share if isinstance(section, UtilityRouter) else 0.0
        if learned is None:
            return TokenCost(models.models, cached_share=cached_share)
        cost = learned.cost or TokenCost.billed(learned.quality.models_, learned.quality.mean_cost_usd_)
        return cost.bind(models.models, cached_share=cached_share)

    def latency(self, section: AnyRouter) -> Estimator | None:
        """Return the latency estimator of a router; None where nothing was learned of it."""
        learned = self._own(section)
        return None if learned is None else learned.latency

    def threshold(self, section: LengthRouter | UtilityRouter, models: Catalog, share: float) -> float:
        """Return the win rate that this share of the reference queries reaches."""
        quality = self.quality(section, models)
        if not isinstance(quality, Bundled | PromptLength):
            raise ConfigError(
                f"strong_share needs reference queries, which {section.kind} with its own artifact does not keep. "
                "Use the threshold that `switchpoint tune --target-share` finds."
            )
        return (1.0 + quality.gap_quantile(share)) / 2.0

    def digest(self) -> str:
        """Return one hash of all artifacts that decide here."""
        return sha256(" ".join([str(self.bundled.digest), *self._digests]).encode()).hexdigest()[:16]

    def _read_rated(self, section: RatedRouter) -> Artifact | None:
        if section.artifact is None:
            return None
        artifact = read(section.artifact, RatedQuality.kind)
        if artifact.digest not in self._digests:
            self._digests.append(artifact.digest)
        return artifact

    def _own(self, section: AnyRouter) -> Learned | None:
        """Return what a router's own artifact holds; raises ArtifactError for one of another kind."""
        if not isinstance(section, UtilityRouter) or section.artifact == "bundled":
            return None
        if section.artifact not in self._learned:
            artifact = read(section.artifact)
            found = estimator_of(artifact)
            if not isinstance(found, Trained):
                raise ArtifactError(
                    f"{section.artifact}: holds a {type(found).__name__}; a router needs a trained quality estimator. "
                    "Make one with `switchpoint train router`."
                )
            cost, latency = (read_part(section.artifact, artifact, part) for part in (COST, LATENCY))
            self._learned[section.artifact] = Learned(
                quality=found,
                cost=None if cost is None else TokenCost.restore(cost),
                latency=None if latency is None else Latency.restore(latency),
            )
            self._digests.append(artifact.digest)
        return self._learned[section.artifact]
