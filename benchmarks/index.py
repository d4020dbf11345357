"""Exact search among vectors, in one thread, beside what one would write in two lines; and the graph index.

The baseline multiplies everything and takes the ten best by `argpartition`: its memory grows with rows times queries.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import numpy as np

from benchmarks.timing import in_turns, ms
from switchpoint.core.errors import ConfigError
from switchpoint.estimators.hnsw import HnswIndex, recall
from switchpoint.estimators.index import DTYPES, VectorIndex

SIZES = ((10_000, 64), (100_000, 64), (1_000_000, 64), (100_000, 384))
BATCH = 100
K = 10
GRAPH_ROWS = 100_000
"""A graph of a million rows takes some minutes to build."""


def measure() -> list[dict[str, str]]:
    return [line for n, dim in SIZES for line in exact(n, dim)] + graph(GRAPH_ROWS, 64)


def vectors(n: int, dim: int, seed: int) -> np.ndarray:
    """Rows of norm 1 around a hundred centres, as embeddings of text lie."""
    centres = np.random.default_rng(0).standard_normal((100, dim), dtype=np.float32)
    random = np.random.default_rng(seed)
    rows = random.standard_normal((n, dim), dtype=np.float32)
    rows += centres[random.integers(100, size=n)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def plain(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    scores = queries @ rows.T
    best = np.argpartition(-scores, K, axis=1)[:, :K]
    return np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1)


def exact(n: int, dim: int) -> list[dict[str, str]]:
    rows, queries = vectors(n, dim, 1), vectors(BATCH, dim, 2)
    indexes = {kind: VectorIndex.of(rows, kind) for kind in DTYPES}
    found = {kind: recall(index.search(queries, K).rows, plain(rows, queries)) for kind, index in indexes.items()}
    lines = []
    for size in (1, BATCH):
        asked = queries[:size]
        work = {kind: (lambda index=index, asked=asked: index.search(asked, K)) for kind, index in indexes.items()}
        work["plain"] = lambda asked=asked: plain(rows, asked)
        seconds = in_turns(work, rounds=25 if size * n <= 1_000_000 else 5, warm_up=1)
        p50 = {name: float(np.median(each)) for name, each in seconds.items()}
        lines += [
            {
                "what": f"{n:,} x {dim} {kind} ({megabytes(indexes[kind])}), {size} queries, p50",
                "value": ms(p50[kind]),
                "beside": f"{p50['plain'] / p50[kind]:.2f}x plain numpy ({ms(p50['plain'])}); recall {found[kind]:.3f}",
            }
            for kind in indexes
        ]
    return lines


def graph(n: int, dim: int) -> list[dict[str, str]]:
    rows, queries = vectors(n, dim, 1), vectors(BATCH, dim, 2)
    start = time.perf_counter()
    try:
        walked = HnswIndex.of(rows)
    except ConfigError as error:
        return [{"what": f"graph of {n:,} x {dim}", "value": "-", "beside": str(error)}]
    built_s, index = time.perf_counter() - start, VectorIndex.of(rows)
    share = recall(walked.search(queries, K).rows, index.search(queries, K).rows)
    one = queries[:1]
    seconds = in_turns({"graph": lambda: walked.search(one, K), "exact": lambda: index.search(one, K)}, rounds=50)
    p50, beside = float(np.median(seconds["graph"])), float(np.median(seconds["exact"]))
    return [
        {
            "what": f"graph of {n:,} x {dim} ({megabytes(walked)}, built in {built_s:.0f} s), 1 query, p50",
            "value": ms(p50),
            "beside": f"{beside / p50:.0f}x the exact index ({ms(beside)}); recall {share:.3f}",
        }
    ]


def megabytes(index: VectorIndex | HnswIndex) -> str:
    return f"{sum(tensor.nbytes for tensor in index.state().values()) / 1e6:.0f} MB"
