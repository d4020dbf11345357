"""TextHeads: the router trained on your own outcomes.

Two members see every text: a linear one on meaning and surface, and the neighbourhood it falls into. Their logits are
averaged, and calibrated on rows that they were not fitted on. Where two of the models are the bundled router's anchors,
what that learned elsewhere is averaged in: beside a few hundred outcomes it is worth as much as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.abilities import known_ability
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.calibration import Platt, held_out_parts
from switchpoint.estimators.fitted import OnOutcomes
from switchpoint.estimators.guard import Guard, Watch
from switchpoint.estimators.knowledge import Knowledge
from switchpoint.estimators.linear import BOTH, fit_linear
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.neighbourhoods import Neighbourhoods
from switchpoint.estimators.novelty import Novelty

FEW_ROWS = 1_000
NEIGHBOURHOOD = 2 / 3
"""Share of the neighbourhood in the average of the two members; by cross-validation, see docs/experiments.md."""
PRIOR_WEIGHT, SMALL_PRIOR_WEIGHT = 1.0, 0.3
"""Of the anchors' knowledge beside that of the outcomes: up to FEW_ROWS of them, and beyond."""
PARTS = (1.0, 0.3, 0.0)
"""Of that weight which are tried: on other traffic what was learned elsewhere may do harm."""

Kinds = npt.NDArray[np.object_]


class Fitted(NamedTuple):
    """What serving needs; logits are ``columns @ linear + share * neighbourhoods.logits``.

    linear : shape (n_columns, n_models); share, mean_cost_usd : shape (n_models,).
    """

    linear: FloatArray
    share: FloatArray
    neighbourhoods: Neighbourhoods
    novelty: Novelty
    guard: Guard
    mean_cost_usd: FloatArray


class TextHeads(OnOutcomes[Fitted]):
    """Predicts the quality of each model from the text of a query.

    knowledge : embedder, anchors and kinds to build on; by default those that ship with the package.
    prior : whether the anchors' knowledge may help where their outcomes are being learned.
    """

    kind = "heads"

    def __init__(self, knowledge: Knowledge | None = None, *, prior: bool = True, seed: int = 0) -> None:
        super().__init__()
        self.knowledge = Bundled.load().knowledge if knowledge is None else knowledge
        self.prior, self.seed = prior, seed

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from outcomes; cells that were not observed are left out, and a model without any gets one half."""
        columns = self.knowledge.embedder.read([query.text for query in outcomes.queries])
        quality, domains = outcomes.quality, np.array(outcomes.domains, dtype=object)
        weight, prior = self._prior(outcomes)
        rows, own = np.zeros(len(outcomes), dtype=bool), np.zeros(quality.shape)
        for train, test in held_out_parts(len(outcomes), self.seed):
            rows, own[test] = (
                rows | test,
                _logits(columns[test], *self._members(columns[train], quality[train], domains[train])),
            )
        # Too few rows to hold any out: nothing is known of the calibration, nor of what the prior is worth.
        learned = columns[rows] @ prior
        weight = _worth(own[rows], learned, quality[rows], weight)
        held_out = _mixed(own[rows], learned, weight)
        platt = Platt.fit(held_out, quality[rows]) if rows.any() else Platt.identity(len(weight))
        linear, neighbourhoods = self._members(columns, quality, domains)
        linear, share = _mixed(linear, prior, weight), NEIGHBOURHOOD / (1 + weight)
        fitted = Fitted(
            linear=platt.fold(linear).astype(np.float32),
            share=(share * platt.slope).astype(np.float32),
            neighbourhoods=neighbourhoods,
            novelty=Novelty.fit(*self.knowledge.ground(columns, outcomes.domains)),
            guard=Guard.fit(columns, outcomes.quality, outcomes.domains, self.knowledge.ground, self.seed),
            mean_cost_usd=outcomes.mean_cost_usd(),
        )
        return self._keep(outcomes.models, fitted)

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict quality, shape (n_queries, n_models), novelty, and what the guard holds to be proven."""
        fitted, n_models = self._fitted(), len(self._models)
        columns = self.knowledge.embedder.read([query.text for query in queries])
        products = columns @ self._matrix
        nearby = fitted.neighbourhoods.logits(products[:, n_models : self._kinds_end])
        logits = products[:, :n_models] + fitted.share * nearby
        mean = sigmoid(logits)
        novelty = fitted.novelty.of(columns, products[:, self._kinds_end : self._novelty_end])
        reference = mean[:, self._watch.reference, None]
        proven = self._watch.of(columns, novelty, mean - reference, products[:, self._novelty_end :])
        proven += reference
        return Prediction(mean=mean, novelty=novelty, proven=proven)

    def state(self) -> State:
        """Return everything but the embedder, of which only the name is kept."""
        fitted = self._fitted()
        return State(
            kind=self.kind,
            models=self._models,
            embedder=self.knowledge.embedder.name,
            settings={"prior": self.prior, "seed": self.seed},
            tensors={
                "linear": fitted.linear,
                "share": fitted.share,
                "mean_cost_usd": fitted.mean_cost_usd,
                **{f"neighbourhoods.{name}": array for name, array in fitted.neighbourhoods._asdict().items()},
                **{f"novelty.{name}": array for name, array in fitted.novelty._asdict().items()},
                **{f"guard.{name}": array for name, array in fitted.guard._asdict().items()},
            },
        )

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError if it was made with another embedder."""
        heads, tensors = cls(**found.manifest.settings), found.tensors
        artifact.check_embedder(found, heads.knowledge.embedder.name)
        fitted = Fitted(
            linear=tensors["linear"],
            share=tensors["share"],
            neighbourhoods=Neighbourhoods(*(tensors[f"neighbourhoods.{name}"] for name in Neighbourhoods._fields)),
            novelty=Novelty(*(tensors[f"novelty.{name}"] for name in Novelty._fields)),
            guard=Guard(*(tensors[f"guard.{name}"] for name in Guard._fields)),
            mean_cost_usd=tensors["mean_cost_usd"],
        )
        return heads._keep(found.manifest.models, fitted)

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read an artifact; raises ArtifactError."""
        return cls.restore(artifact.read(folder, cls.kind))

    def _keep(self, models: tuple[str, ...], fitted: Fitted) -> Self:
        self._models, self._fit = models, fitted
        self._watch = Watch(fitted.guard)
        parts = (fitted.linear, fitted.neighbourhoods.places, fitted.novelty.matrix, fitted.guard.places)
        # One product gives the linear logits, the places in the neighbourhoods, and what novelty and guard need.
        self._matrix = np.hstack(parts)
        _, self._kinds_end, self._novelty_end, _ = np.cumsum([part.shape[1] for part in parts]).tolist()
        return self

    def _members(self, columns: FloatArray, quality: FloatArray, domains: Kinds) -> tuple[FloatArray, Neighbourhoods]:
        """Fit both members; the weights of the linear one are those of its share in the average."""
        neighbourhoods = Neighbourhoods.fit(columns, self.knowledge.embedder.dim, quality, list(domains), self.seed)
        return fit_linear(columns, quality, (BOTH,)) * (1 - NEIGHBOURHOOD), neighbourhoods

    def _prior(self, outcomes: Outcomes) -> tuple[FloatArray, FloatArray]:
        """Return the weight of the anchors' knowledge for each model, and its linear weights; 0 where it has none."""
        ability = [known_ability(model) for model in outcomes.models]
        weights = np.zeros((len(self.knowledge.anchors), len(ability)))
        if not self.prior or not {0.0, 1.0} <= set(ability):
            return np.zeros(len(ability)), weights
        for column, value in enumerate(ability):
            if value is not None:
                weights[:, column] = self.knowledge.anchors[:, int(value)]
        rows = (~np.isnan(outcomes.quality)).sum(axis=0)
        size = np.where(rows <= FEW_ROWS, PRIOR_WEIGHT, SMALL_PRIOR_WEIGHT)
        return np.where(weights.any(axis=0), size, 0.0), weights


def _logits(columns: FloatArray, linear: FloatArray, neighbourhoods: Neighbourhoods) -> FloatArray:
    result: FloatArray = columns @ linear + NEIGHBOURHOOD * neighbourhoods.logits(columns @ neighbourhoods.places)
    return result


def _mixed(own: FloatArray, prior: FloatArray, weight: FloatArray) -> FloatArray:
    """Average what is own, which counts once, and the prior; their columns are the models."""
    result: FloatArray = (own + prior * weight) / (1 + weight)
    return result


def _worth(own: FloatArray, prior: FloatArray, quality: FloatArray, weight: FloatArray) -> FloatArray:
    """Return the weight of the prior, or that part of it which predicts the rows better by more than chance.

    own, prior : logits of rows that the members had not seen, shape (n_rows, n_models). weight : shape (n_models,).
    """
    if not weight.any() or len(own) < 2:
        return weight
    losses = {part: _log_loss(_mixed(own, prior, part * weight), quality) for part in PARTS}
    best = min(losses, key=lambda part: float(losses[part].mean()))
    saved = losses[1.0] - losses[best]
    sure = saved.mean() > saved.std() / np.sqrt(len(saved))
    return weight * best if sure else weight


def _log_loss(logits: FloatArray, quality: FloatArray) -> FloatArray:
    """Log-loss of each row after calibration, summed over the models that were observed, shape (n_rows,)."""
    z, observed = Platt.fit(logits, quality).apply(logits), ~np.isnan(quality)
    loss: FloatArray = np.where(observed, np.logaddexp(0, z) - np.where(observed, quality, 0.0) * z, 0.0).sum(axis=1)
    return loss
