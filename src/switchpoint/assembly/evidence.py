"""Evidence: which estimators stand behind the routers of a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256

import numpy as np

from switchpoint.assembly.ratings import rated_quality
from switchpoint.config.schema import LengthRouter, RandomRouter, RatedRouter, SimpleRouter, UtilityRouter
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import Query
from switchpoint.estimators.abilities import stated_abilities
from switchpoint.estimators.artifact import Artifact, Trained, estimator_of, read
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.cost import ListPriceCost
from switchpoint.estimators.length import PromptLength
from switchpoint.estimators.mean import MeanCost, MeanQuality
from switchpoint.estimators.rating import RatedQuality

AnyRouter = SimpleRouter | RandomRouter | LengthRouter | UtilityRouter | RatedRouter

ORDINARY = Query.of("x" * 2_000)
"""A request of about 500 tokens."""


class Evidence:
    """Loads artifacts once and binds estimators to the candidates of each router."""

    def __init__(self, catalog: Catalog) -> None:
        self.ability = {a.model: a.value for a in stated_abilities(catalog.models)}
        self._trained: dict[str, Trained] = {}
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
        trained = self._own(section)
        return None if trained is None else trained.models_

    def quality(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the quality estimator of a router over its candidates."""
        trained = self._own(section)
        if trained is not None:
            return trained
        if isinstance(section, UtilityRouter):
            return self.bundled.bind(models.models)
        if isinstance(section, RatedRouter):
            return rated_quality(section, models, self.ability, self._read_rated(section))
        values = np.array([self.ability[model] for model in models.ids])
        if isinstance(section, LengthRouter):
            return PromptLength(models.ids, ability=values)
        return MeanQuality(models.ids, values)

    def cost(self, section: AnyRouter, models: Catalog) -> Estimator:
        """Return the cost estimator of a router: what was observed in its training, else list prices."""
        trained = self._own(section)
        listed = ListPriceCost(models.models)
        if trained is None:
            return listed
        # A model whose bills were never observed is estimated at its list price, at an input of ordinary length.
        observed = trained.mean_cost_usd_
        return MeanCost(models.ids, np.where(np.isnan(observed), listed.predict([ORDINARY]).mean[0], observed))

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

    def _own(self, section: AnyRouter) -> Trained | None:
        """Return the estimator of a router's own artifact; raises ArtifactError for one of another kind."""
        if not isinstance(section, UtilityRouter) or section.artifact == "bundled":
            return None
        if section.artifact not in self._trained:
            artifact = read(section.artifact)
            found = estimator_of(artifact)
            if not isinstance(found, Trained):
                raise ArtifactError(
                    f"{section.artifact}: holds a {type(found).__name__}; a router needs a trained quality estimator. "
                    "Make one with `switchpoint train router`."
                )
            self._trained[section.artifact] = found
            self._digests.append(artifact.digest)
        return self._trained[section.artifact]
