"""Plan: a trained cascade: what was learned of answers, the program over a few models, and an operating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from switchpoint.cascades.belief import Evidence
from switchpoint.cascades.latent import Latent
from switchpoint.cascades.program import Program, build
from switchpoint.cascades.reading import Reading
from switchpoint.cascades.willingness import price
from switchpoint.core.errors import ArtifactError
from switchpoint.core.query import FloatArray
from switchpoint.estimators.artifact import Artifact, State

KIND = "cascade"
VERIFIER = "verifier"
"""The part of the artifact that scores answers, where one was worth its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What training leaves behind.

    program : the models that may be asked, and every state. reading : how answers are compared.
    cost_usd : mean cost of each model's call, shape (n_models,), in the order of the program; where no cost was known,
        in parts of a call of the strong model, and then `priced` is false.
    willingness_usd : the operating point that was chosen in training.
    strong : the best single model.
    """

    program: Program
    reading: Reading
    cost_usd: FloatArray
    priced: bool
    willingness_usd: float
    strong: str

    @property
    def models(self) -> tuple[str, ...]:
        """The models that may be asked."""
        return self.program.models

    def price(self, willingness_usd: float | FloatArray) -> FloatArray:
        """Return what each call costs in quality, shape (n_willingnesses, n_models); see `willingness.price`."""
        return price(self.cost_usd, np.atleast_1d(willingness_usd))

    def evidence(self, responses: Any, score: FloatArray | None = None) -> Evidence:
        """Read recorded answers of the belief's models, shape (n_queries, n_models)."""
        return self.reading.evidence(responses, score)

    def state(self) -> State:
        """Return everything."""
        belief = self.program.belief
        settings: Mapping[str, Any] = {
            "n_options": belief.n_options,
            "options": list(self.reading.options),
            "columns": list(self.program.columns),
            "scored": list(self.program.scored),
            "priced": self.priced,
            "willingness_usd": self.willingness_usd,
            "strong": self.strong,
        }
        tensors = {name: getattr(belief, name) for name in ("share", "role", "edges", "score")}
        return State(
            kind=KIND, models=belief.models_, settings=settings, tensors={**tensors, "cost_usd": self.cost_usd}
        )

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the plan that was written; raises ArtifactError for another kind."""
        manifest, tensors = artifact.manifest, artifact.tensors
        if manifest.kind != KIND:
            raise ArtifactError(f"A trained cascade is needed here. Got an artifact of kind {manifest.kind!r}.")
        settings = manifest.settings
        belief = Latent(
            models_=manifest.models,
            n_options=settings["n_options"],
            share=tensors["share"],
            role=tensors["role"],
            edges=tensors["edges"],
            score=tensors["score"],
        )
        return cls(
            program=build(belief, settings["columns"], settings["scored"]),
            reading=Reading(options=tuple(settings["options"])),
            cost_usd=tensors["cost_usd"],
            priced=settings["priced"],
            willingness_usd=settings["willingness_usd"],
            strong=settings["strong"],
        )
