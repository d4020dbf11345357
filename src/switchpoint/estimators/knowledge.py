"""Knowledge: what the bundled router learned from recorded outcomes, whatever models it is later bound to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray
from switchpoint.estimators.artifact import Tensors
from switchpoint.estimators.calibration import Platt, folds
from switchpoint.estimators.linear import BOTH, SURFACE, fit_linear
from switchpoint.estimators.neighbourhoods import usable
from switchpoint.estimators.novelty import Novelty, merged, unlike
from switchpoint.estimators.static import StaticEmbedder

RECIPES = (BOTH, SURFACE)
"""Chosen by cross-validation on the training rows; see docs/experiments.md."""
ROWS_PER_KIND = 64
OWN_KINDS = range(5, 21)
"""With so many kinds, each is left out in turn to learn what new looks like; else the bundled kinds stand for it."""
EMBEDDER = ("codes", "scales", "mean", "spread")

Array = npt.NDArray[Any]


class Kinds(NamedTuple):
    """A few texts of many kinds, as read: what the training of another estimator may lack.

    names : of the kinds; labels : shape (n_texts,), indices into them; columns : shape (n_texts, n_columns).
    """

    names: tuple[str, ...]
    labels: Array
    columns: FloatArray


class Knowledge(NamedTuple):
    """Everything that fitting leaves behind.

    models : the weak and the strong anchor; anchors : weights of their calibrated logits, shape (n_columns, 2).
    reference : anchor logits of the training queries, out of fold, shape (n_queries, 2).
    """

    embedder: StaticEmbedder
    models: tuple[str, ...]
    anchors: FloatArray
    novelty: Novelty
    reference: FloatArray
    kinds: Kinds

    @classmethod
    def fit(cls, embedder: StaticEmbedder, outcomes: Outcomes, others: Mapping[str, Sequence[str]]) -> Self:
        """Learn from outcomes of two models, the weak one first, whose domains are the known kinds.

        others : texts of kinds without outcomes, by kind: what novelty takes for new.
        """
        texts = [query.text for query in outcomes.queries]
        columns = embedder.read([*texts, *(text for rows in others.values() for text in rows)])
        labels = np.array([*outcomes.domains, *(kind for kind, rows in others.items() for _ in rows)])
        known = np.arange(len(labels)) < len(texts)
        kinds = {str(kind): labels == kind for kind in sorted(set(labels))}
        anchors, reference = _fit_anchors(columns[known], outcomes.quality)
        return cls(
            embedder=embedder,
            models=outcomes.models,
            anchors=anchors,
            novelty=Novelty.fit(columns, kinds, known),
            reference=reference,
            kinds=_sample(columns, kinds),
        )

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Return the calibrated logits of the weak and the strong anchor, shape (n_texts, 2)."""
        result: FloatArray = self.embedder.read(texts) @ self.anchors
        return result

    def ground(self, columns: FloatArray, domains: Sequence[str]) -> tuple[FloatArray, dict[str, BoolArray], BoolArray]:
        """Return what `Novelty` learns from beside these rows: their own kinds; where these are few, bundled ones too.

        Domains that cannot be told apart are one kind. Bundled kinds that cannot be told apart from an own one are not
        new, and left out.

        columns : of `embedder.read`, shape (n_texts, n_columns); domains : shape (n_texts,).
        """
        labels = merged(columns, domains) if usable(domains) else np.zeros(len(columns), dtype=np.intp)
        own = {f"own {kind}": labels == kind for kind in np.unique(labels)}
        if len(own) in OWN_KINDS:
            return columns, own, np.ones(len(columns), dtype=bool)
        if len(own) >= OWN_KINDS.stop:
            own = {"own": np.ones(len(columns), dtype=bool)}
        everything = np.concatenate([columns, self.kinds.columns])
        known = np.arange(len(everything)) < len(columns)
        own = {name: np.append(rows, np.zeros(len(self.kinds.labels), dtype=bool)) for name, rows in own.items()}
        number = np.append(np.full(len(columns), -1), self.kinds.labels)
        bundled = {name: number == kind for kind, name in enumerate(self.kinds.names)}
        new = unlike(everything, bundled, list(own.values()))
        return everything, {**(own if len(own) > 1 else {}), **new}, known

    def tensors(self) -> Tensors:
        """Return every array under a name."""
        return {
            **{f"embedder.{name}": getattr(self.embedder, name) for name in EMBEDDER},
            **{f"novelty.{name}": array for name, array in self.novelty._asdict().items()},
            "anchors": self.anchors,
            "reference": self.reference,
            "kinds.labels": self.kinds.labels,
            "kinds.columns": self.kinds.columns,
        }

    @classmethod
    def of(cls, embedder: StaticEmbedder, models: Sequence[str], kinds: Sequence[str], tensors: Tensors) -> Self:
        """Put together what `tensors` took apart."""
        return cls(
            embedder=embedder,
            models=tuple(models),
            anchors=tensors["anchors"],
            novelty=Novelty(*(tensors[f"novelty.{name}"] for name in Novelty._fields)),
            reference=tensors["reference"],
            kinds=Kinds(tuple(kinds), tensors["kinds.labels"], tensors["kinds.columns"]),
        )


def _fit_anchors(columns: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fit the anchors on every row, and calibrate them on what they say of rows that they have not seen."""
    held_out = np.zeros(quality.shape)
    for train, test in folds(len(columns)):
        held_out[test] = columns[test] @ fit_linear(columns[train], quality[train], RECIPES)
    platt = Platt.fit(held_out, quality)
    weights = platt.fold(fit_linear(columns, quality, RECIPES))
    return weights.astype(np.float32), platt.apply(held_out).astype(np.float32)


def _sample(columns: FloatArray, kinds: Mapping[str, Array]) -> Kinds:
    """Keep at most `ROWS_PER_KIND` rows of each kind, evenly spaced."""
    rows = [np.flatnonzero(mask) for mask in kinds.values()]
    kept = [row[np.linspace(0, len(row) - 1, min(len(row), ROWS_PER_KIND)).astype(int)] for row in rows]
    labels = np.repeat(np.arange(len(kept), dtype=np.int32), [len(row) for row in kept])
    return Kinds(tuple(kinds), labels, columns[np.concatenate(kept)])
