"""Bundled: the router that works before it has seen a single outcome of yours.

Two anchors, a weak and a strong model with recorded outcomes, say how well each would answer; every other model is
placed on the line through them (`Ability`). It orders queries by how much a stronger model helps. How well that carries
over to your models and your queries is unproven until measured: see `novelty`, and train on your own outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Prediction
from switchpoint.core.model import Model
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.abilities import Ability, fit_abilities, stated_abilities
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.knowledge import EMBEDDER, Knowledge
from switchpoint.estimators.logistic import HALF, sigmoid
from switchpoint.estimators.static import StaticEmbedder
from switchpoint.estimators.wordpiece import WordPiece

SHIPPED = Path(__file__).parent / "artifacts" / "bundled"
VOCABULARY = "vocab.txt"


class Bundled:
    """Predicts quality for models placed between two anchors; unless bound, for the anchors themselves.

    abilities_ : where each model stands, and where that was taken from.
    digest : hash of the artifact it was read from; None if it was just fitted.
    """

    kind = "bundled"

    def __init__(
        self, knowledge: Knowledge, abilities: Sequence[Ability] | None = None, digest: str | None = None
    ) -> None:
        self.knowledge = knowledge
        self.digest = digest
        self.abilities_ = tuple(abilities if abilities is not None else _anchors(knowledge.models))
        self.models_ = tuple(ability.model for ability in self.abilities_)
        value = np.array([ability.value for ability in self.abilities_])
        self._place = np.stack([1 - value, value])
        self._shift = np.array([ability.shift for ability in self.abilities_])
        weights = knowledge.anchors @ self._place
        weights[-1] += self._shift
        # One product gives half of every model's logit, which is what `tanh` needs, and all that novelty needs.
        self._matrix = np.hstack([weights / 2, knowledge.novelty.matrix]).astype(np.float32)

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict quality, shape (n_queries, n_models), and novelty; no standard error."""
        columns = self.knowledge.embedder.read([query.text for query in queries])
        products = columns @ self._matrix
        n_models = len(self.models_)
        quality = np.tanh(products[:, :n_models])
        quality *= HALF
        quality += HALF
        return Prediction(mean=quality, novelty=self.knowledge.novelty.of(columns, products[:, n_models:]))

    def bind(self, models: Sequence[Model], outcomes: Outcomes | None = None) -> Bundled:
        """Return this router for other models.

        A model stands where its tier says; else it is one of the anchors by name; else where its price lies between
        the cheapest and the dearest of `models`; else in the middle. Outcomes of a model, a few are enough, move it.
        """
        abilities = stated_abilities(models)
        if outcomes is not None:
            anchors = self.knowledge.logits([query.text for query in outcomes.queries])
            abilities = fit_abilities(abilities, anchors, outcomes)
        return Bundled(self.knowledge, abilities, self.digest)

    def gap_quantile(self, strong_share: float) -> float:
        """Return the gap in predicted quality that `strong_share` of the reference queries reach.

        The gap is between the ablest and the least able model. The reference queries are training queries, so the
        share of other traffic will differ; tune on your own as soon as there is some. Raises ConfigError.
        """
        if not 0 <= strong_share <= 1:
            raise ConfigError(f"strong_share must be in [0, 1]. Got {strong_share!r}.")
        quality = sigmoid(self.knowledge.reference @ self._place + self._shift)
        value = [ability.value for ability in self.abilities_]
        gap = quality[:, int(np.argmax(value))] - quality[:, int(np.argmin(value))]
        return float(np.quantile(gap, 1 - strong_share))

    def state(self) -> State:
        """Return everything, the embedder included: this artifact stands alone."""
        known = self.knowledge
        return State(
            kind=self.kind,
            models=self.models_,
            embedder=known.embedder.name,
            settings={
                "anchors": known.models,
                "abilities": [asdict(ability) for ability in self.abilities_],
                "kinds": known.kinds.names,
            },
            tensors=known.tensors(),
            files={VOCABULARY: known.embedder.tokenizer.dump()},
        )

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the router that was written."""
        tensors, settings = found.tensors, found.manifest.settings
        tokenizer = WordPiece.parse(found.files[VOCABULARY])
        embedder = StaticEmbedder(tokenizer, *(tensors[f"embedder.{name}"] for name in EMBEDDER))
        artifact.check_embedder(found, embedder.name)
        knowledge = Knowledge.of(embedder, settings["anchors"], settings["kinds"], tensors)
        return cls(knowledge, [Ability(**ability) for ability in settings["abilities"]], found.digest)

    @classmethod
    def load(cls, folder: Path | str | None = None) -> Bundled:
        """Read an artifact, by default the one that ships with the package; raises ArtifactError."""
        return shipped() if folder is None else cls.restore(artifact.read(folder, cls.kind))


@cache
def shipped() -> Bundled:
    """Return the router that ships with the package, read once."""
    return Bundled.restore(artifact.read(SHIPPED))


def _anchors(models: Sequence[str]) -> tuple[Ability, ...]:
    return tuple(
        Ability(model=model, value=value, source="known model") for model, value in zip(models, (0.0, 1.0), strict=True)
    )
