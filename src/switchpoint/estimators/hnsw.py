"""HnswIndex: neighbours among more rows than one would compare with each; a graph walk of the library faiss."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal, Self

import numpy as np

from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.artifact import Tensors
from switchpoint.estimators.index import Neighbours, checked_k, checked_queries, checked_vectors, tensor, unit_rows


class HnswIndex:
    """Walks a graph of near neighbours: approximate, in time that grows with the logarithm of the rows.

    Source: hierarchical navigable small worlds, Malkov & Yashunin 2018. Raises ConfigError where faiss is missing.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph

    @classmethod
    def of(
        cls,
        vectors: FloatArray,
        kind: Literal["float32", "float16"] = "float16",
        *,
        links: int = 16,
        build_width: int = 128,
        search_width: int = 128,
    ) -> Self:
        """Build the graph in one thread, so that the same vectors give the same graph.

        links : neighbours kept of each row, twice as many at the bottom; build_width, search_width : candidates held
        while building and searching. More of any finds more of the true neighbours and takes longer. A zero row has
        cosine 0 with everything. Raises DataError for NaN or infinity.
        """
        if kind not in ("float32", "float16"):
            raise ConfigError(f"index kind {kind!r} is none of float32, float16.")
        rows, faiss = checked_vectors(vectors), _faiss()
        code = faiss.ScalarQuantizer.QT_fp16
        graph = (
            faiss.IndexHNSWFlat(rows.shape[1], links, faiss.METRIC_INNER_PRODUCT)
            if kind == "float32"
            else faiss.IndexHNSWSQ(rows.shape[1], code, links, faiss.METRIC_INNER_PRODUCT)
        )
        graph.hnsw.efConstruction, graph.hnsw.efSearch = build_width, search_width
        graph.is_trained = True  # halves need no training, and the library asks for it
        _add(faiss, graph, unit_rows(rows))
        return cls(graph)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._graph.d)

    def __len__(self) -> int:
        return int(self._graph.ntotal)

    def search(self, queries: FloatArray, k: int) -> Neighbours:
        """Return about the ``min(k, len)`` closest rows of each query.

        queries : shape (n_queries, dim), of any norm. A place that the walk did not fill holds row -1 and cosine NaN.
        """
        unit = unit_rows(checked_queries(queries, self.dim))
        k = min(checked_k(k), len(self))
        if not len(unit) or k == 0:
            return Neighbours(np.empty((len(unit), k), np.intp), np.empty((len(unit), k), np.float32))
        cosines, rows = self._graph.search(unit, k)
        return Neighbours(rows.astype(np.intp), np.where(rows < 0, np.float32(np.nan), cosines))

    def state(self) -> Tensors:
        """Return the library's own bytes."""
        return {"graph": _faiss().serialize_index(self._graph)}

    @classmethod
    def restore(cls, tensors: Tensors) -> Self:
        """Return the index that was written; raises ArtifactError.

        The bytes are read by C++ code that was not made for hostile ones: restore only what you trust.
        """
        try:
            graph = _faiss().deserialize_index(tensor(tensors, "graph"))
        except RuntimeError as error:
            said = str(error).partition("Error: ")[2] or str(error)
            raise ArtifactError(f"The stored graph of an index cannot be read ({said}). Build it again.") from None
        return cls(graph)


def recall(found: IntArray, true: IntArray) -> float:
    """Return the mean share of each query's true neighbours that was found; both of shape (n_queries, k)."""
    return float((found[:, :, None] == true[:, None, :]).any(axis=1).mean())


def _add(faiss: Any, graph: Any, rows: FloatArray) -> None:
    """Add rows in one thread: with several, their order and so the graph would be left to chance."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        graph.add(rows)
    finally:
        faiss.omp_set_num_threads(threads)


def _faiss() -> Any:
    try:
        return import_module("faiss")
    except ImportError:
        raise ConfigError("A graph index needs faiss. Run: pip install 'switchpoint[index]'") from None
