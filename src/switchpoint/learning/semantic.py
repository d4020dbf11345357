"""Fit the thresholds of semantic routes on labelled texts, and say route by route how well that goes on unseen ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.protocols import Embedder
from switchpoint.core.query import BoolArray, FloatArray, IntArray, text_id
from switchpoint.evaluation.bootstrap import Interval, intervals
from switchpoint.evaluation.report import Sheet, cells
from switchpoint.learning.thresholds import best_thresholds
from switchpoint.routers.semantic import NONE, Matcher, choose
from switchpoint.routers.utterances import RouteSet

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
FOLDS = 5


class Labelled(NamedTuple):
    """A text and what is right for it.

    route : the route it belongs to; None is no route. not_route : the route it is a negative example of; it may
    belong to any other or to none.
    """

    text: str
    route: str | None
    not_route: str | None = None


class Misrouted(NamedTuple):
    """A text that went to the wrong place: what it was found to be, with what score, and what is right."""

    text: str
    expected: str
    found: str | None
    score: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFigures:
    """One route on texts that its threshold was not fitted on; NaN is unknown.

    precision : of the texts that it took, the share that belongs to it; recall : of those that belong, the share
    that it took; f1 : their harmonic mean. n : texts that belong; taken : texts that it took.
    """

    name: str
    threshold: float
    n: int
    taken: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticFit:
    """What fitting found.

    routes : with their new thresholds, fitted on every text.
    accuracy : share of texts that went where they belong, each judged by thresholds fitted without it; 95 % interval.
    before : the same with the thresholds as they were.
    misrouted : every text that did not, in the order of the file.
    notes : what a reader must know to read the figures.
    """

    routes: RouteSet
    n_texts: int
    accuracy: Interval
    before: float
    figures: tuple[RouteFigures, ...]
    misrouted: tuple[Misrouted, ...]
    notes: tuple[str, ...]

    def sheets(self) -> Iterator[Sheet]:
        """Yield the tables for people: the routes, then the misrouted texts."""
        value, interval = cells(self.accuracy)
        caption = f"Right: {value} {interval} of {self.n_texts} texts; as the thresholds were: {self.before:.3f}."
        columns = ("route", "threshold", "texts", "taken", "precision", "recall", "F1")
        rows = [(f.name, f.threshold, f.n, f.taken, f.precision, f.recall, f.f1) for f in self.figures]
        yield Sheet("Routes, on texts that their thresholds were not fitted on", columns, rows, caption)
        if self.misrouted:
            told = [(m.text, m.expected, m.found or "no route", m.score, m.threshold) for m in self.misrouted]
            yield Sheet("Misrouted", ("text", "belongs to", "went to", "score", "threshold"), told)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "n_texts": self.n_texts,
            "accuracy": list(self.accuracy),
            "accuracy_before": self.before,
            "alpha": self.routes.alpha,
            "fitted_with": self.routes.fitted_with,
            "routes": [_fields(each) for each in self.figures],
            "misrouted": [each._asdict() for each in self.misrouted],
            "notes": list(self.notes),
        }


def fit(routes: RouteSet, embedder: Embedder | None, *, wrong: float = 1.0) -> SemanticFit:
    """Fit every threshold to the labelled texts of the routes, and judge that by cross-validation.

    wrong : how many missed matches one wrong match is worth.

    The labelled texts are utterances, examples, negatives and others. None is compared with itself, so an utterance
    counts as unseen. A threshold is the exact best one given the others (`best_thresholds`); figures come from
    `FOLDS` folds, each judged by thresholds fitted on the rest.

    Raises DataError where there are fewer texts than folds, ConfigError for a `wrong` below 0 or without end.
    """
    if not wrong >= 0 or math.isinf(wrong):
        raise ConfigError(f"wrong must be a number from 0. Got {wrong!r}.")
    unfitted = Matcher(replace(routes, fitted_with=None), embedder)  # the way out of another embedder's thresholds
    texts = labelled(routes)
    if len(texts) < FOLDS:
        raise DataError(f"{len(texts)} texts can be judged; {FOLDS} at least are needed. Add utterances or examples.")
    scores = unfitted.scores([text.text for text in texts], unseen=True)
    worth = _worth(texts, unfitted.names, wrong)
    thresholds = best_thresholds(scores, worth)
    used = embedder.name if embedder is not None and routes.alpha > 0 else None
    named = dict(zip(unfitted.names, (round(float(t), 6) for t in thresholds), strict=True))
    judged = _out_of_fold(scores, worth, texts)
    return SemanticFit(
        routes=routes.with_thresholds(named, used),
        n_texts=len(texts),
        accuracy=_accuracy(_is_right(judged.chosen, worth)),
        before=float(_is_right(choose(scores, unfitted.thresholds), worth).mean()),
        figures=tuple(_figures(judged.chosen, texts, named)),
        misrouted=tuple(_misrouted(judged, scores, worth, texts, unfitted.names)),
        notes=tuple(_notes(routes, texts)),
    )


def compare(routes: RouteSet, embedder: Embedder, *, wrong: float = 1.0) -> dict[float, Interval]:
    """Return by alpha, from sparse (0) to dense (1), the share of texts that go where they belong; see `fit`.

    The highest of several is a little too good to be true. Raises as `fit` does.
    """
    return {alpha: fit(replace(routes, alpha=alpha), embedder, wrong=wrong).accuracy for alpha in ALPHAS}


def labelled(routes: RouteSet) -> list[Labelled]:
    """Return every text that something is known of; an only utterance is left out: without it its route is empty."""
    found: list[Labelled] = []
    for route in routes.routes:
        utterances = route.utterances if len(route.utterances) > 1 else ()
        found += [Labelled(text, route.name) for text in (*utterances, *route.examples)]
        known = {text for other in routes.routes for text in (*other.utterances, *other.examples)}
        found += [Labelled(text, None, route.name) for text in route.negatives if text not in known]
    return found + [Labelled(text, None) for text in routes.others]


def _worth(texts: Sequence[Labelled], names: Sequence[str], wrong: float) -> FloatArray:
    """Return what each choice is worth: right 1, a missed match 0, a wrong match -wrong."""
    worth = np.zeros((len(texts), len(names) + 1))
    for row, text in zip(worth, texts, strict=True):
        if text.not_route is not None:  # all that is known is where it does not belong
            row[:] = 1.0
            row[names.index(text.not_route)] = -wrong
        else:
            row[:-1] = -wrong
            row[NONE if text.route is None else names.index(text.route)] = 1.0
    return worth


class _Judged(NamedTuple):
    """chosen : the route of each text, shape (n_texts,); thresholds : what it was judged by, (n_texts, n_routes)."""

    chosen: IntArray
    thresholds: FloatArray


def _out_of_fold(scores: FloatArray, worth: FloatArray, texts: Sequence[Labelled]) -> _Judged:
    fold = _folds(texts)
    chosen, thresholds = np.full(len(texts), NONE), np.zeros(scores.shape)
    for number in range(FOLDS):
        held_out = fold == number
        fitted = best_thresholds(scores[~held_out], worth[~held_out])
        chosen[held_out] = choose(scores[held_out], fitted)
        thresholds[held_out] = fitted
    return _Judged(chosen, thresholds)


def _folds(texts: Sequence[Labelled]) -> IntArray:
    """Deal the texts of each label out to the folds, in the order of their hashes; always the same."""
    fold = np.zeros(len(texts), dtype=int)
    labels = [(text.route, text.not_route) for text in texts]
    next_fold = 0
    for label in dict.fromkeys(labels):
        rows = [row for row, each in enumerate(labels) if each == label]
        for row in sorted(rows, key=lambda row: text_id(texts[row].text)):
            fold[row] = next_fold % FOLDS
            next_fold += 1
    return fold


def _is_right(chosen: IntArray, worth: FloatArray) -> BoolArray:
    right: BoolArray = worth[np.arange(len(chosen)), chosen] == 1.0
    return right


def _accuracy(right: BoolArray) -> Interval:
    found = intervals({"accuracy": lambda weights: weights @ right / len(right)}, len(right))
    return found["accuracy"]


def _figures(chosen: IntArray, texts: Sequence[Labelled], thresholds: dict[str, float]) -> Iterator[RouteFigures]:
    for number, (name, threshold) in enumerate(thresholds.items()):
        belongs = np.array([text.route == name for text in texts])
        taken = chosen == number
        # A negative example of another route may belong here: it counts neither way.
        judged = belongs | np.array([text.not_route in (None, name) for text in texts])
        right = int((belongs & taken).sum())
        n, n_taken = int(belongs.sum()), int((taken & judged).sum())
        yield RouteFigures(
            name=name,
            threshold=threshold,
            n=n,
            taken=n_taken,
            precision=_ratio(right, n_taken),
            recall=_ratio(right, n),
            f1=_ratio(2 * right, n + n_taken),
        )


def _misrouted(
    judged: _Judged, scores: FloatArray, worth: FloatArray, texts: Sequence[Labelled], names: Sequence[str]
) -> Iterator[Misrouted]:
    """Yield each wrong text: with the score and threshold of the route that took it, or of the one that missed it."""
    for row in np.flatnonzero(~_is_right(judged.chosen, worth)).tolist():
        text, number = texts[row], int(judged.chosen[row])
        at = number if number != NONE else names.index(text.route or "")
        yield Misrouted(
            text.text,
            f"not {text.not_route}" if text.not_route else text.route or "no route",
            None if number == NONE else names[number],
            float(scores[row, at]),
            float(judged.thresholds[row, at]),
        )


def _notes(routes: RouteSet, texts: Sequence[Labelled]) -> Iterator[str]:
    if not routes.others:
        yield "No `others` are given: nothing says how texts that belong to no route score."
    for route in routes.routes:
        n = sum(text.route == route.name for text in texts)
        if n < FOLDS:
            yield f"{route.name}: {n} texts can be judged, too few for a threshold to hold. Add utterances or examples."


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _fields(figures: RouteFigures) -> dict[str, Any]:
    return {name: getattr(figures, name) for name in RouteFigures.__slots__}
