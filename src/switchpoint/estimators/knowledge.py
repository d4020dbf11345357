"""Knowledge: what the bundled router learned from recorded outcomes, whatever models it is later bound to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray
from switchpoint.estimators.artifact import Tensors
from switchpoint.estimators.calibration import Platt, folds
from switchpoint.estimators.linear import BOTH, SURFACE, Basis, Linear
from switchpoint.estimators.novelty import Novelty
from switchpoint.estimators.static import Reading, StaticEmbedder

RECIPES = (BOTH, SURFACE)
"""Chosen by cross-validation on the training rows; see docs/experiments.md."""
ROWS_PER_KIND = 64

Array = npt.NDArray[Any]


class Kinds(NamedTuple):
    """A few texts of many kinds, as read: what the training of another estimator may lack.

    names : of the kinds; labels : shape (n_texts,), indices into them; reading : of the texts.
    """

    names: tuple[str, ...]
    labels: Array
    reading: Reading


class Knowledge(NamedTuple):
    """Everything that fitting leaves behind.

    models : the weak and the strong anchor; anchors : their calibrated logits, linear in the columns of `basis`.
    reference : anchor logits of the training queries, out of fold, shape (n_queries, 2).
    """

    embedder: StaticEmbedder
    models: tuple[str, ...]
    basis: Basis
    anchors: Linear
    novelty: Novelty
    reference: FloatArray
    kinds: Kinds

    @classmethod
    def fit(cls, embedder: StaticEmbedder, outcomes: Outcomes, others: Mapping[str, Sequence[str]]) -> Self:
        """Learn from outcomes of two models, the weak one first, whose domains are the known kinds.

        others : texts of kinds without outcomes, by kind: what novelty takes for new.
        """
        texts = [query.text for query in outcomes.queries]
        everything = embedder.read([*texts, *(text for rows in others.values() for text in rows)])
        labels = np.array([*outcomes.domains, *(kind for kind, rows in others.items() for _ in rows)])
        known = np.arange(len(labels)) < len(texts)
        basis = Basis.fit(everything.surface[known])
        columns = basis.columns(everything)
        anchors, reference = _fit_anchors(columns[known], outcomes.quality, embedder.dim)
        kinds = {str(kind): labels == kind for kind in sorted(set(labels))}
        return cls(
            embedder=embedder,
            models=outcomes.models,
            basis=basis,
            anchors=anchors,
            novelty=Novelty.fit(columns, embedder.dim, kinds, known),
            reference=reference,
            kinds=_sample(everything, kinds),
        )

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Return the calibrated logits of the weak and the strong anchor, shape (n_texts, 2)."""
        return self.anchors.logits(self.basis.columns(self.embedder.read(texts)))

    def tensors(self) -> Tensors:
        """Return every array under a name."""
        parts: Mapping[str, NamedTuple] = {
            "basis": self.basis,
            "anchors": self.anchors,
            "novelty": self.novelty,
            "kinds": self.kinds.reading,
        }
        arrays = {
            f"{part}.{name}": array for part, values in parts.items() for name, array in values._asdict().items()
        }
        return {
            **arrays,
            "table.codes": self.embedder.codes,
            "table.scales": self.embedder.scales,
            "reference": self.reference,
            "kinds.labels": self.kinds.labels,
        }

    @classmethod
    def of(cls, embedder: StaticEmbedder, models: Sequence[str], kinds: Sequence[str], tensors: Tensors) -> Self:
        """Put together what `tensors` took apart."""
        return cls(
            embedder=embedder,
            models=tuple(models),
            basis=Basis(*named(tensors, "basis", Basis)),
            anchors=Linear(*named(tensors, "anchors", Linear)),
            novelty=Novelty(*named(tensors, "novelty", Novelty)),
            reference=tensors["reference"],
            kinds=Kinds(tuple(kinds), tensors["kinds.labels"], Reading(*named(tensors, "kinds", Reading))),
        )


def named(tensors: Tensors, part: str, kind: type[NamedTuple]) -> Iterator[Array]:
    """Yield the arrays of one part, in the order of its fields."""
    return (tensors[f"{part}.{field}"] for field in kind._fields)


def _fit_anchors(columns: FloatArray, quality: FloatArray, dim: int) -> tuple[Linear, FloatArray]:
    """Fit the anchors on every row, and calibrate them on what they say of rows that they have not seen."""
    held_out = np.zeros(quality.shape)
    for train, test in folds(len(columns)):
        held_out[test] = Linear.fit(columns[train], quality[train], dim, RECIPES).logits(columns[test])
    platt = Platt.fit(held_out, quality)
    linear = Linear.fit(columns, quality, dim, RECIPES)
    calibrated = Linear(
        (linear.weights * platt.slope).astype(np.float32), platt.apply(linear.bias).astype(np.float32)
    )
    return calibrated, platt.apply(held_out).astype(np.float32)


def _sample(reading: Reading, kinds: Mapping[str, Array]) -> Kinds:
    """Keep at most `ROWS_PER_KIND` rows of each kind, evenly spaced."""
    rows = [np.flatnonzero(mask) for mask in kinds.values()]
    kept = [row[np.linspace(0, len(row) - 1, min(len(row), ROWS_PER_KIND)).astype(int)] for row in rows]
    labels = np.repeat(np.arange(len(kept), dtype=np.int32), [len(row) for row in kept])
    index = np.concatenate(kept)
    return Kinds(tuple(kinds), labels, Reading(reading.vectors[index], reading.surface[index]))
