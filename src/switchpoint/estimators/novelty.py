"""Novelty: how far a text is from everything that an estimator was trained on.

A text is familiar if it lies nearer to one of the known kinds, by the spread inside kinds, than to the middle of all
texts, by the spread of all: the relative Mahalanobis distance (Ren et al. 2021). What "far" means is learned from kinds
that are *left out* in turn: a query of a new kind, not merely another query of a known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

import numpy as np

from switchpoint.core.query import BoolArray, FloatArray, IntArray
from switchpoint.estimators.calibration import folds
from switchpoint.estimators.logistic import sigmoid, solve
from switchpoint.estimators.static import N_SURFACE

VECTOR, SURFACE = 8.0, 0.5
"""How strongly the vector and the surface are seen; they matter only through the ridge of the spreads."""
RIDGE = 0.15
"""In parts of the mean variance of a column."""
SAME = 4.0
"""Squared distance, in units of the spread inside kinds, below which nobody could tell two kinds apart."""
MAX_ROWS = 20_000
"""More rows than this are thinned: a spread of a hundred columns needs no more."""


class Novelty(NamedTuple):
    """Distances to the kinds of known texts, and what those of left-out kinds are.

    matrix : shape (n_columns, 2 * n_sight + n_kinds), of which the product with columns gives a text in units of the
        spread inside kinds, in units of the spread of all texts, and minus twice its products with every kind.
    line : shape (2,), slope and intercept of the log-odds of a left-out kind in the distance.
    """

    matrix: FloatArray
    line: FloatArray

    @classmethod
    def fit(cls, columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray) -> Self:
        """Learn from columns (of `StaticEmbedder.read`), shape (n_texts, n_columns).

        kinds : for each kind, which rows are of it. known : which rows the estimator was fitted on. Known kinds are
        left out in turn; kinds that are not known are as they are. Every kind weighs the same, and so do all that are
        left out together and all that are not.
        """
        thin = slice(None, None, 1 + len(columns) // MAX_ROWS)
        columns, known = columns[thin], known[thin]
        kinds = {name: rows[thin] for name, rows in kinds.items() if rows[thin].any()}
        far = [(distance, 1.0) for distance in _left_out(columns, kinds, known)]
        near = [(distance, 0.0) for distance in _kept(columns, kinds, known)]
        matrix = _matrix(columns, kinds, known)
        return cls(matrix.astype(np.float32), _line(far + near).astype(np.float32))

    @classmethod
    def measured(cls, columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray, line: FloatArray) -> Self:
        """Measure the known rows and take over a line that was learned before."""
        return cls(_matrix(columns, kinds, known).astype(np.float32), line)

    def of(self, columns: FloatArray, products: FloatArray | None = None) -> FloatArray:
        """Return how probably each text is of a new kind, before one knows how common these are; (n_texts,).

        0.5 is undecided. products : ``columns @ matrix``, where the caller has it already.
        """
        distance = _distance(columns @ self.matrix if products is None else products, _sight(columns))
        return sigmoid(distance * self.line[:1] + self.line[1:])


def merged(columns: FloatArray, names: Sequence[str]) -> IntArray:
    """Number the kinds of texts, those that cannot be told apart as one; shape (n_texts,).

    Leaving one of two such kinds out would rehearse nothing: the other one would stand for it.
    """
    kinds, labels = np.unique(np.array(names, dtype=str), return_inverse=True)
    near = separation(columns, [labels == number for number in range(len(kinds))]) < SAME
    # Whoever is near to somebody near belongs together: the closure of the relation, by squaring it.
    for _ in range(len(kinds).bit_length()):
        near = (near.astype(np.int64) @ near.astype(np.int64)) > 0
    first = near.argmax(axis=1) if len(kinds) else np.zeros(0, dtype=np.intp)
    numbers: IntArray = np.unique(first, return_inverse=True)[1][labels] if len(labels) else labels
    return numbers


def unlike(columns: FloatArray, kinds: Mapping[str, BoolArray], known: Sequence[BoolArray]) -> dict[str, BoolArray]:
    """Return the kinds that can be told apart from every known one."""
    apart = separation(columns, [*known, *kinds.values()])[len(known) :, : len(known)]
    return {name: kinds[name] for name, each in zip(kinds, apart, strict=True) if (each > SAME).all()}


def separation(columns: FloatArray, groups: Sequence[BoolArray]) -> FloatArray:
    """Return the squared distance of the middles of groups of texts, in units of the spread inside groups.

    Shape (n_groups, n_groups). What two samples of one kind would be apart is taken off, so 0 is expected of those.
    """
    seen = [columns[rows, :-1] * _scale(columns) for rows in groups]
    if not seen:
        return np.zeros((0, 0))
    middles = np.array([rows.mean(axis=0) for rows in seen])
    around = [rows - middle for rows, middle in zip(seen, middles, strict=True)]
    white = _whitening(around)
    places = middles @ white
    luck = np.array([np.square(rows @ white).sum(axis=1).mean() / len(rows) for rows in around])
    apart: FloatArray = np.square(places[:, None] - places[None]).sum(axis=2) - luck[:, None] - luck
    np.fill_diagonal(apart, 0.0)
    return apart


def _scale(columns: FloatArray) -> FloatArray:
    return np.repeat([VECTOR, SURFACE], [_sight(columns) - N_SURFACE, N_SURFACE])


def _sight(columns: FloatArray) -> int:
    return int(columns.shape[1]) - 1


def _distance(products: FloatArray, n_sight: int) -> FloatArray:
    """Squared distance to the nearest kind, minus that to the middle of all; shape (n_texts,)."""
    inside, outside = products[:, :n_sight], products[:, n_sight : 2 * n_sight]
    nearest = np.minimum.reduce(products[:, 2 * n_sight :], axis=1)
    result: FloatArray = np.vecdot(inside, inside) + nearest - np.vecdot(outside, outside)
    return result


def _matrix(columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray) -> FloatArray:
    """Measure the middle of each known kind and the spread around them, and the middle and the spread of all texts."""
    scale = _scale(columns)
    seen = columns[:, :-1] * scale
    groups = [seen[rows] for rows in _groups(kinds, known)] or [np.zeros((1, len(scale)))]
    middles = np.array([group.mean(axis=0) for group in groups])
    inside = _whitening([group - middle for group, middle in zip(groups, middles, strict=True)])
    world = [seen[rows] for rows in kinds.values()] or groups
    middle = np.mean([group.mean(axis=0) for group in world], axis=0)
    outside = _whitening([group - middle for group in world])
    places = middles @ inside
    constant = np.concatenate([np.zeros(len(scale)), -middle @ outside, np.square(places).sum(axis=1)])
    return np.vstack([np.hstack([inside, outside, -2 * inside @ places.T]) * scale[:, None], constant])


def _groups(kinds: Mapping[str, BoolArray], known: BoolArray) -> list[BoolArray]:
    """Return the known rows of each kind, and those of no kind as one more."""
    named = np.zeros(len(known), dtype=bool)
    for rows in kinds.values():
        named |= rows
    return [group for group in (*(rows & known for rows in kinds.values()), known & ~named) if group.any()]


def _whitening(groups: Sequence[FloatArray]) -> FloatArray:
    """Return W of shape (n_sight, n_sight), ``W Wᵀ`` the inverse of the mean second moment of the groups, ridged."""
    n_sight = groups[0].shape[1]
    spread = np.mean([group.T @ group / len(group) for group in groups], axis=0)
    ridge = RIDGE * np.trace(spread) / n_sight + 1e-9
    root: FloatArray = np.linalg.cholesky(np.linalg.inv(spread + ridge * np.eye(n_sight)))
    return root


def _left_out(columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray) -> Iterator[FloatArray]:
    """Yield the distances of each kind's rows to the known rows of all others, in a world without that kind."""
    for name, rows in kinds.items():
        others = {other: mask for other, mask in kinds.items() if other != name}
        if (known & ~rows).any():
            yield _distance(columns[rows] @ _matrix(columns, others, known & ~rows), _sight(columns))


def _kept(columns: FloatArray, kinds: Mapping[str, BoolArray], known: BoolArray) -> Iterator[FloatArray]:
    """Yield the distances of each known kind's rows to known rows that they are not among, but their kind is."""
    rows = np.flatnonzero(known)
    distance = np.full(len(columns), np.nan)
    for train, test in folds(len(rows)):
        fitted = np.zeros(len(columns), dtype=bool)
        fitted[rows[train]] = True
        distance[rows[test]] = _distance(columns[rows[test]] @ _matrix(columns, kinds, fitted), _sight(columns))
    yield from (distance[group] for group in _groups(kinds, known))


def _line(groups: list[tuple[FloatArray, float]]) -> FloatArray:
    """Fit the odds of a left-out kind; all novel where nothing was left out or nothing kept."""
    found = [(distance[~np.isnan(distance)], far) for distance, far in groups]
    found = [(distance, far) for distance, far in found if len(distance)]
    if {far for _, far in found} != {0.0, 1.0}:
        return np.array([0.0, -50.0 if any(far == 0.0 for _, far in found) else 50.0])
    x = np.concatenate([distance for distance, _ in found])
    far = np.concatenate([np.full(len(distance), side) for distance, side in found])
    sides = {side: sum(1 for _, each in found if each == side) for side in (0.0, 1.0)}
    weight = np.concatenate([np.full(len(distance), 1 / len(distance) / sides[side]) for distance, side in found])
    centre, spread = x.mean(), x.std() + 1e-9
    rows = np.column_stack([(x - centre) / spread, np.ones(len(x))])
    slope, intercept = solve(rows, far, ridge=np.array([1.0, 1e-6]), weight=weight * len(x) / 2)
    return np.array([slope / spread, intercept - slope * centre / spread])
