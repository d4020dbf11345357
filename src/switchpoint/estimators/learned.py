"""Learned: an estimator of quality made of one member, or of several.

Read the text once → every member predicts → their logits are averaged → a calibration makes them probabilities → far
from the training, where nobody knows, they go back to each model's mean. Members, weights and calibration are fitted
here, on your outcomes: weights and calibration on predictions for rows that the members had not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes, Preferences
from switchpoint.core.query import BoolArray, FloatArray, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.abilities import UNKNOWN
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.battles import Battles, calibrate, compare
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.calibration import Calibration, calibration_of, held_out_parts
from switchpoint.estimators.embedders import Reader, embedder_of, read_queries
from switchpoint.estimators.fitted import OnOutcomes, faded
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import MEMBERS, Line, Member, joined, line_of, logit, shrunk_mean
from switchpoint.estimators.novelty import Novelty
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.stacking import ENSEMBLES, Ensemble, combine

METHODS: dict[str, Ensemble | Line] = {**ENSEMBLES, **MEMBERS}
"""What `Learned` can be made of."""

Fit = Callable[[Line, Reading, BoolArray], Member]
"""From a line of the table, what was read of the rows to learn from, and which rows these are."""


class Fitted(NamedTuple):
    """What serving needs; weights : shape (n_members,); prior, mean_cost_usd : shape (n_models,)."""

    members: tuple[Member, ...]
    weights: FloatArray
    calibration: Calibration
    prior: FloatArray
    novelty: Novelty
    mean_cost_usd: FloatArray


class Learned(OnOutcomes[Fitted]):
    """Predicts the quality of each model from the text of a query.

    method : kind of a member, or of an ensemble of them.
    reader : name of the embedder that reads the text; see `embedders`.
    calibration : "platt", "isotonic" or "beta"; "none" leaves scores as they are. By default what suits the method.
    """

    kind = "learned"

    def __init__(
        self, method: str = "average", *, reader: str = "static", calibration: str | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.ensemble = ENSEMBLES.get(method) or Ensemble((method,))
        self.lines = tuple(line_of(member) for member in self.ensemble.members)
        calibration = calibration or METHODS[method].calibration
        self.settings = {"method": method, "reader": reader, "calibration": calibration, "seed": seed}
        self.seed = seed
        self.reader: Reader = embedder_of(reader)
        self.knowledge = Bundled.load().knowledge

    def fit(self, outcomes: Outcomes) -> Self:
        """Learn from outcomes; cells that were not observed are left out, and a model without any gets one half."""
        reading, quality = self._read(outcomes.queries, outcomes.domains, outcomes.cost_usd), outcomes.quality
        rows, held_out = self._held_out(reading, quality.shape[1], lambda line, known, at: line.fit(known, quality[at]))
        weights, prior = self.ensemble.weigh(held_out, quality[rows]), shrunk_mean(quality)
        calibration = calibration_of(str(self.settings["calibration"]))
        logits = combine(weights, held_out, prior)
        # Too few rows to hold any out: nothing is known of the calibration.
        fitted = calibration.fit(logits, quality[rows]) if rows.any() else calibration.identity(quality.shape[1])
        self._models = outcomes.models
        self._fit = Fitted(
            members=tuple(line.fit(reading, quality) for line in self.lines),
            weights=weights,
            calibration=fitted,
            prior=prior,
            novelty=self._novelty(outcomes.queries, reading),
            mean_cost_usd=outcomes.mean_cost_usd(),
        )
        return self

    def fit_preferences(self, preferences: Preferences) -> Self:
        """Learn from who won; quality is then the win rate against a model of mean strength, and cost is unknown.

        Differences of logits are those of win rates, ties half, made honest by one factor on held-out battles. Raises
        ConfigError for members that learn from outcomes only, and for a calibration that needs them.
        """
        models, battles = Battles.of(preferences)
        reading = self._read(preferences.queries)
        rows, held_out = self._held_out(
            reading, len(models), lambda line, known, at: compare(line, known, battles.take(at))
        )
        weights = np.full(len(self.lines), 1 / len(self.lines))
        logits = np.tensordot(weights, held_out, axes=1)
        fitted = calibrate(str(self.settings["calibration"]), battles.take(rows), logits)
        self._models = models
        self._fit = Fitted(
            members=tuple(compare(line, reading, battles) for line in self.lines),
            weights=weights,
            calibration=fitted,
            prior=shrunk_mean(sigmoid(fitted.apply(logits))),
            novelty=self._novelty(preferences.queries, reading),
            mean_cost_usd=np.full(len(models), np.nan),
        )
        return self

    def join(self, model: str, outcomes: Outcomes | None = None, ability: float = UNKNOWN) -> Self:
        """Take in one more model by fitting its own numbers alone, from tens of outcomes or from none.

        ability : where it is said to stand between the weakest model known (0) and the strongest (1); a stated tier or
        price gives it, see `abilities.stated_abilities`. Raises NotFittedError; ConfigError for members that cannot.
        """
        fitted, known = self._fitted(), None if outcomes is None else outcomes.of([model])
        quality = np.zeros(0) if known is None else known.quality[:, 0]
        reading = self._read(() if known is None else known.queries)
        stated = (1 - ability) * fitted.prior.min() + ability * fitted.prior.max()
        observed = quality[~np.isnan(quality)]
        cost = np.full(1, np.nan) if known is None else known.mean_cost_usd()
        self._fit = Fitted(
            members=tuple(joined(m, reading, quality, ability) for m in fitted.members),
            weights=fitted.weights,
            # Of the new model's own calibration nothing is known: it gets the mean one.
            calibration=type(fitted.calibration)(
                **{k: np.append(v, [v.mean(axis=0)], axis=0) for k, v in fitted.calibration._asdict().items()}
            ),
            prior=np.append(fitted.prior, (observed.sum() + stated) / (len(observed) + 1)),
            novelty=fitted.novelty,
            mean_cost_usd=np.append(fitted.mean_cost_usd, cost),
        )
        self._models = (*self._models, model)
        return self

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict quality, shape (n_queries, n_models), and novelty."""
        fitted = self._fitted()
        reading = self._read(queries)
        shape = (len(queries), len(self._models))
        heard = [
            logit(m.predict(reading)) if w > 0 else np.zeros(shape)
            for m, w in zip(fitted.members, fitted.weights, strict=True)
        ]
        logits = combine(fitted.weights, np.array(heard), fitted.prior)
        novelty = fitted.novelty.of(self._ground(queries, reading))
        mean = sigmoid(fitted.calibration.apply(logits))
        return Prediction(mean=faded(mean, fitted.prior, novelty), novelty=novelty)

    def state(self) -> State:
        """Return everything but the reader, of which only the name is kept."""
        fitted = self._fitted()
        members = {f"member{i}.{k}": v for i, m in enumerate(fitted.members) for k, v in m._asdict().items()}
        return State(
            kind=self.kind,
            models=self._models,
            embedder=self.reader.name,
            settings=self.settings,
            tensors={
                **{name: np.asarray(array) for name, array in members.items()},
                **{f"calibration.{name}": array for name, array in fitted.calibration._asdict().items()},
                **{f"novelty.{name}": array for name, array in fitted.novelty._asdict().items()},
                "weights": fitted.weights,
                "prior": fitted.prior,
                "mean_cost_usd": fitted.mean_cost_usd,
            },
        )

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError if it was made with another embedder."""
        learned, tensors = cls(**found.manifest.settings), found.tensors
        artifact.check_embedder(found, learned.reader.name)
        learned._models = found.manifest.models
        learned._fit = Fitted(
            members=tuple(line.restore(_under(tensors, f"member{i}.")) for i, line in enumerate(learned.lines)),
            weights=tensors["weights"],
            calibration=calibration_of(str(learned.settings["calibration"]))(**_under(tensors, "calibration.")),
            prior=tensors["prior"],
            novelty=Novelty(**_under(tensors, "novelty.")),
            mean_cost_usd=tensors["mean_cost_usd"],
        )
        return learned

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read an artifact; raises ArtifactError."""
        return cls.restore(artifact.read(folder, cls.kind))

    def _read(self, queries: Sequence[Query], kinds: Sequence[str] = (), cost_usd: FloatArray | None = None) -> Reading:
        texts = tuple(query.text for query in queries)
        return Reading(texts, read_queries(self.reader, queries), tuple(kinds), cost_usd)

    def _ground(self, queries: Sequence[Query], reading: Reading) -> FloatArray:
        """Return the columns on which novelty is judged: always the bundled embedder's, which knows other kinds."""
        embedder = self.knowledge.embedder
        return reading.columns if self.reader is embedder else embedder.read([query.text for query in queries])

    def _novelty(self, queries: Sequence[Query], reading: Reading) -> Novelty:
        return Novelty.fit(*self.knowledge.ground(self._ground(queries, reading), reading.kinds))

    def _held_out(self, reading: Reading, n_models: int, fit: Fit) -> tuple[BoolArray, FloatArray]:
        """Return which rows were held out, shape (n_queries,), and what the members say of those.

        The second is every member's logits of the rows that it was not fitted on, (n_members, n_held_out, n_models).
        """
        rows = np.zeros(len(reading), dtype=bool)
        result = np.zeros((len(self.lines), len(reading), n_models))
        for train, test in held_out_parts(len(reading), self.seed):
            known, rest = reading.take(train), reading.take(test)
            rows |= test
            for number, line in enumerate(self.lines):
                result[number, test] = logit(fit(line, known, train).predict(rest))
        return rows, result[:, rows]


def _under(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}
