"""VectorIndex: the rows of a table of vectors that are closest to a query, by cosine; exact, and nothing but numpy.

It holds a million rows of 64 numbers in 260, 132 or 68 MB and compares with each of them. For more rows than that,
`hnsw` has the same interface. Both leave tensors behind, which an artifact checks by digest before they are read.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.errors import ArtifactError, ConfigError, DataError
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.artifact import Tensors

Kind = Literal["float32", "float16", "int8"]
DTYPES: dict[str, type[np.generic]] = {"float32": np.float32, "float16": np.float16, "int8": np.int8}

BLOCK_NUMBERS = 1 << 18
"""Numbers of the table that are looked at together, at least: 1 MB as float32, which stays in a processor's cache."""
WIDE_BLOCK_NUMBERS = 1 << 23
"""At most, for few queries of rows that need no conversion: there each step in Python costs more than the cache."""
SCORE_NUMBERS = 1 << 22
"""Scores that are held at once, 16 MB: a batch of queries is cut to fit."""
MARGIN = 1e-5
"""More than the rounding of a float32 product of vectors of norm 1; what lies within is compared again in float64."""
PAIRS = 1 << 16
"""Pairs of query and row that are compared again at once."""
MANY = 8
"""Candidates per place from which on a block is first cut to its own best."""


class Neighbours(NamedTuple):
    """The closest rows of each query, closest first; both of shape (n_queries, k)."""

    rows: IntArray
    cosines: FloatArray


class Index(Protocol):
    """What finds neighbours."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def search(self, queries: FloatArray, k: int) -> Neighbours:
        """Return the ``min(k, len)`` closest rows of each query; queries : shape (n_queries, dim), of any norm."""
        ...

    def state(self) -> Tensors:
        """Return everything as tensors."""
        ...


class VectorIndex:
    """Compares with every row, block by block: exact for the numbers that are stored.

    rows : shape (n, dim), of any of `DTYPES`; scales : shape (n,), what brings each row to norm 1, 0 for a zero row.
    """

    def __init__(self, rows: npt.NDArray[Any], scales: FloatArray) -> None:
        if rows.ndim != 2 or rows.dtype.name not in DTYPES or scales.shape != rows.shape[:1]:
            raise ArtifactError(
                f"An index needs rows of {', '.join(DTYPES)} in two dimensions and a scale for each. "
                f"Got {rows.dtype.name} of shape {rows.shape} and scales of shape {scales.shape}."
            )
        self._rows, self._scales = rows, scales

    @classmethod
    def of(cls, vectors: FloatArray, kind: Kind = "float32") -> Self:
        """Store vectors, shape (n, dim); raises ConfigError for an unknown kind, DataError for NaN or infinity.

        int8 keeps 8 bits of each number, scaled by the row's largest, and errs by about 0.003 in a cosine.
        """
        if kind not in DTYPES:
            raise ConfigError(f"index kind {kind!r} is none of {', '.join(DTYPES)}.")
        rows = np.empty(checked_vectors(vectors).shape, dtype=DTYPES[kind])
        scales = np.empty(len(rows), dtype=np.float32)
        step = _least_rows(rows.shape[1])
        for start in range(0, len(rows), step):
            block = unit_rows(vectors[start : start + step])
            if kind == "int8":
                peaks = np.abs(block).max(axis=1, keepdims=True, initial=0)
                block = np.rint(block * (127 / np.maximum(peaks, 1e-30)))
            rows[start : start + step] = block
            stored = rows[start : start + step].astype(np.float32)
            scales[start : start + step] = inverse_norms(stored)[:, 0]
        return cls(rows, scales)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._rows.shape[1])

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, queries: FloatArray, k: int) -> Neighbours:
        """Return the ``min(k, len)`` closest rows of each query, equal cosines in the order of the rows.

        queries : shape (n_queries, dim), of any norm; a zero vector has cosine 0 with everything. Other queries of the
        batch do not matter. Beside the result it needs some 40 MB, however many rows there are.
        """
        unit = unit_rows(checked_queries(queries, self.dim))
        k = min(checked_k(k), len(self))
        step = max(1, SCORE_NUMBERS // min(_least_rows(self.dim), max(1, len(self))))
        parts = [self._search(unit[start : start + step], k) for start in range(0, len(unit), step)]
        if not parts or k == 0:
            return Neighbours(np.empty((len(unit), k), np.intp), np.empty((len(unit), k), np.float32))
        return Neighbours(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def state(self) -> Tensors:
        """Return the rows as they are stored, and their scales."""
        return {"rows": self._rows, "scales": self._scales}

    @classmethod
    def restore(cls, tensors: Tensors) -> Self:
        """Return the index that was written; raises ArtifactError."""
        return cls(tensor(tensors, "rows"), tensor(tensors, "scales"))

    def _search(self, queries: FloatArray, k: int) -> Neighbours:
        best = Neighbours(np.empty((len(queries), 0), np.intp), np.empty((len(queries), 0), np.float32))
        step = self._block_rows(len(queries))
        for start in range(0, len(self), step):
            block = self._rows[start : start + step].astype(np.float32, copy=False)
            scores = queries @ block.T
            if self._rows.dtype != np.float32:
                scores *= self._scales[start : start + step]
            best = self._better(best, queries, scores, start, k)
        return best

    def _block_rows(self, n_queries: int) -> int:
        """Return how many rows are looked at together: more of them the fewer the queries."""
        least = _least_rows(self.dim)
        most = WIDE_BLOCK_NUMBERS // max(1, self.dim) if self._rows.dtype == np.float32 else least
        return max(least, min(most, SCORE_NUMBERS // (4 * n_queries)))

    def _better(self, best: Neighbours, queries: FloatArray, scores: FloatArray, start: int, k: int) -> Neighbours:
        """Return the k best of what was found so far and of a block that begins at row `start`."""
        full = best.rows.shape[1] == k
        floor = best.cosines[:, -1:] - MARGIN if full else np.full((len(queries), 1), -np.inf, dtype=np.float32)
        close = scores >= floor
        if np.count_nonzero(close) > MANY * k * len(queries) and scores.shape[1] > k:
            own = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k, None] - MARGIN
            close = scores >= np.maximum(floor, own)
        hits = np.flatnonzero(close)
        if not len(hits):
            return best
        askers, columns = np.divmod(hits, scores.shape[1])
        return _merged(best, askers, columns + start, self._exact(queries, askers, columns + start), k)

    def _exact(self, queries: FloatArray, askers: IntArray, rows: IntArray) -> FloatArray:
        """Return cosines of pairs in float64, rounded: equal rows are equal, whatever they were multiplied with."""
        cosines = np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), PAIRS):
            pair = slice(start, start + PAIRS)
            products = np.vecdot(self._rows[rows[pair]].astype(np.float64), queries[askers[pair]])
            cosines[pair] = products * self._scales[rows[pair]]
        return cosines


def _merged(best: Neighbours, askers: IntArray, rows: IntArray, cosines: FloatArray, k: int) -> Neighbours:
    """Return the k best of each query, by cosine and then by row; every query has as many as there are."""
    n_queries, held = best.rows.shape
    askers = np.concatenate([np.repeat(np.arange(n_queries), held), askers])
    rows = np.concatenate([best.rows.ravel(), rows])
    cosines = np.concatenate([best.cosines.ravel(), cosines])
    order = np.lexsort((rows, -cosines, askers))
    counts = np.bincount(askers, minlength=n_queries)
    firsts = np.cumsum(counts) - counts
    kept = order[firsts[:, None] + np.arange(min(k, int(counts.min())))]
    return Neighbours(rows[kept], cosines[kept])


def _least_rows(dim: int) -> int:
    return max(1, BLOCK_NUMBERS // max(1, dim))


def checked_vectors(vectors: FloatArray) -> FloatArray:
    """Return vectors, shape (n, dim), as they are; raises DataError for another shape, NaN or infinity."""
    if vectors.ndim != 2:
        raise DataError(f"An index is made of vectors of shape (n, dim). Got shape {vectors.shape}.")
    # The sum is NaN or infinite if any number is, and needs no table of booleans as large as the vectors.
    if not np.isfinite(vectors.sum(dtype=np.float64)):
        with np.errstate(over="ignore"):
            bad = np.flatnonzero(~np.isfinite(vectors.astype(np.float32)).all(axis=1))
        raise DataError(f"vectors: row {bad[0]} holds NaN or infinity. Leave it out, or embed it again.")
    return vectors


def checked_queries(queries: FloatArray, dim: int) -> FloatArray:
    """Return queries, shape (n_queries, dim), as they are; raises DataError as `checked_vectors` does."""
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise DataError(f"An index of dimension {dim} is asked with shape (n_queries, {dim}). Got {queries.shape}.")
    return checked_vectors(queries)


def checked_k(k: int) -> int:
    """Return k as it is; raises ConfigError below 1."""
    if k < 1:
        raise ConfigError(f"k must be at least 1. Got {k}.")
    return k


def unit_rows(vectors: FloatArray) -> FloatArray:
    """Return float32 rows of norm 1; a zero row stays zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    return rows * inverse_norms(rows)


def inverse_norms(rows: FloatArray) -> FloatArray:
    """Return shape (n, 1); 0 for a zero row."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    result: FloatArray = np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)
    return result


def tensor(tensors: Tensors, name: str) -> npt.NDArray[Any]:
    """Return the tensor of this name; raises ArtifactError where there is none."""
    try:
        return tensors[name]
    except KeyError:
        raise ArtifactError(
            f"The tensors of an index lack {name!r}; they hold {', '.join(tensors) or 'nothing'}."
        ) from None
