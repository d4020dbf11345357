"""The exact index against the obvious computation, and the graph index against the exact one."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from switchpoint.core.errors import ArtifactError, ConfigError, DataError
from switchpoint.estimators import hnsw, index
from switchpoint.estimators.hnsw import HnswIndex, recall
from switchpoint.estimators.index import VectorIndex

needs_faiss = pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
KINDS = ("float32", "float16", "int8")


def block_rows(patch: pytest.MonkeyPatch, rows: int, dim: int) -> None:
    """Let the index look at so many rows at once, so that a small one has many blocks."""
    patch.setattr(index, "BLOCK_NUMBERS", rows * dim)
    patch.setattr(index, "WIDE_BLOCK_NUMBERS", rows * dim)


def vectors(n: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Rows around a few centres, as embeddings of text lie."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((20, dim))
    return (centres[random.integers(20, size=n)] + 0.7 * random.standard_normal((n, dim))).astype(np.float32)


def obvious(rows: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Sort all cosines, in float64, ties by row."""
    rows, queries = (
        each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-30)
        for each in (rows.astype(np.float64), queries.astype(np.float64))
    )
    cosines = queries @ rows.T
    order = np.argsort(-np.round(cosines, 12), axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(cosines, order, axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_closest_rows_come_first(kind: str) -> None:
    rows, queries = vectors(3000), vectors(40, seed=1)

    found = VectorIndex.of(rows, kind).search(queries, 10)

    expected = obvious(rows, queries, 10)
    assert found.cosines == pytest.approx(expected[1], abs={"float32": 1e-6, "float16": 1e-3, "int8": 1e-2}[kind])
    assert recall(found.rows, expected[0]) >= {"float32": 1.0, "float16": 0.99, "int8": 0.85}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_exact_for_what_it_stores(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    block_rows(monkeypatch, 37, dim=16)  # the last block is short
    exact = VectorIndex.of(vectors(1000), kind)
    stored, queries = exact.state()["rows"], vectors(50, seed=1)

    found = exact.search(queries, 7)

    assert (found.rows == obvious(stored, queries, 7)[0]).all()


@given(
    rows=arrays(np.float32, st.tuples(st.integers(1, 60), st.just(3)), elements=st.sampled_from([-1.0, 0.0, 1.0])),
    k=st.integers(1, 70),
    block=st.integers(1, 30),
)
def test_equal_cosines_come_in_the_order_of_the_rows(rows: np.ndarray, k: int, block: int) -> None:
    queries = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]], dtype=np.float32)

    with pytest.MonkeyPatch.context() as patch:
        block_rows(patch, block, dim=3)
        found = VectorIndex.of(rows).search(queries, k)

    rounded = np.round(found.cosines, 6)
    assert found.rows.shape == (3, min(k, len(rows)))
    same = rounded[:, 1:] == rounded[:, :-1]
    assert (np.diff(rounded, axis=1) <= 0).all()
    assert (np.diff(found.rows, axis=1)[same] > 0).all()


def test_a_thousand_copies_of_one_row_are_ties() -> None:
    rows = np.tile(vectors(1), (1000, 1))

    found = VectorIndex.of(rows).search(rows[:2], 5)

    assert (found.rows == np.arange(5)).all()


def test_other_queries_in_the_batch_do_not_matter() -> None:
    exact, queries = VectorIndex.of(vectors(2000), "int8"), vectors(30, seed=1)

    together = exact.search(queries, 5)

    alone = [exact.search(query[None], 5) for query in queries]
    assert (together.rows == np.concatenate([one.rows for one in alone])).all()
    assert (together.cosines == np.concatenate([one.cosines for one in alone])).all()


def test_a_large_batch_is_cut_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, queries = VectorIndex.of(vectors(500)), vectors(64, seed=1)
    whole = exact.search(queries, 5)

    monkeypatch.setattr(index, "SCORE_NUMBERS", 1000)
    block_rows(monkeypatch, 100, dim=16)

    assert (exact.search(queries, 5).rows == whole.rows).all()


def test_rows_sorted_towards_the_query_are_found_too(monkeypatch: pytest.MonkeyPatch) -> None:
    block_rows(monkeypatch, 100, dim=2)
    angles = np.linspace(np.pi, 0, 2000)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    found = VectorIndex.of(rows).search(np.array([[1.0, 0.0]], dtype=np.float32), 3)

    assert found.rows.tolist() == [[1999, 1998, 1997]]


@pytest.mark.parametrize(("n", "n_queries", "shape"), [(0, 2, (2, 0)), (3, 0, (0, 3)), (3, 2, (2, 3))])
def test_there_are_never_more_neighbours_than_rows(n: int, n_queries: int, shape: tuple[int, int]) -> None:
    found = VectorIndex.of(vectors(n)).search(vectors(n_queries), 10)

    assert found.rows.shape == found.cosines.shape == shape


@pytest.mark.parametrize(("kind", "bytes_per_row"), [("float32", 260), ("float16", 132), ("int8", 68)])
def test_a_row_of_64_numbers_takes_what_is_promised(kind: str, bytes_per_row: int) -> None:
    state = VectorIndex.of(vectors(100, 64), kind).state()

    assert sum(tensor.nbytes for tensor in state.values()) == 100 * bytes_per_row


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_is_read(kind: str, tmp_path: Path) -> None:
    exact, queries = VectorIndex.of(vectors(200), kind), vectors(5, seed=1)
    save_file(dict(exact.state()), tmp_path / "index.safetensors")

    restored = VectorIndex.restore(load_file(tmp_path / "index.safetensors"))

    assert (restored.search(queries, 4).cosines == exact.search(queries, 4).cosines).all()


def test_a_vector_that_is_not_a_number_is_named() -> None:
    broken = vectors(5)
    broken[3, 1] = np.nan

    with pytest.raises(DataError, match="row 3 holds NaN"):
        VectorIndex.of(broken)


@pytest.mark.parametrize("queries", [np.zeros(16), np.zeros((2, 15)), np.full((1, 16), np.inf)])
def test_a_question_of_another_shape_is_refused(queries: np.ndarray) -> None:
    with pytest.raises(DataError, match="shape|NaN or infinity"):
        VectorIndex.of(vectors(5)).search(queries, 1)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigError, match="k must be at least 1. Got 0"):
        VectorIndex.of(vectors(5)).search(vectors(1), 0)
    with pytest.raises(ConfigError, match="'int4' is none of float32, float16, int8"):
        VectorIndex.of(vectors(5), "int4")
    with pytest.raises(ArtifactError, match="lack 'scales'; they hold rows"):
        VectorIndex.restore({"rows": vectors(5)})
    with pytest.raises(ArtifactError, match="Got float64"):
        VectorIndex.restore({"rows": np.zeros((2, 2)), "scales": np.zeros(2)})


@needs_faiss
@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_the_graph_finds_nearly_all_true_neighbours(kind: str) -> None:
    rows, queries = vectors(5000, 64), vectors(200, 64, seed=0)[:100] + vectors(100, 64, seed=2) * 0.1

    graph = HnswIndex.of(rows, kind)

    found, true = graph.search(queries, 10), VectorIndex.of(rows).search(queries, 10)
    assert recall(found.rows, true.rows) >= 0.95
    hit = found.rows == true.rows
    assert found.cosines[hit] == pytest.approx(true.cosines[hit], abs=2e-3)


@needs_faiss
def test_the_same_vectors_give_the_same_graph_and_it_can_be_read_again() -> None:
    rows = vectors(500)
    one, two = HnswIndex.of(rows), HnswIndex.of(rows)

    restored = HnswIndex.restore(one.state())

    assert (one.state()["graph"] == two.state()["graph"]).all()
    assert len(restored) == 500
    assert restored.dim == 16
    assert (restored.search(rows[:9], 4).rows == one.search(rows[:9], 4).rows).all()


@needs_faiss
@pytest.mark.parametrize(("n", "n_queries", "shape"), [(0, 2, (2, 0)), (3, 0, (0, 3)), (3, 1, (1, 3)), (3, 2, (2, 3))])
def test_a_small_graph_has_no_more_neighbours_than_rows(n: int, n_queries: int, shape: tuple[int, int]) -> None:
    found = HnswIndex.of(vectors(n)).search(vectors(n_queries), 10)

    assert found.rows.shape == shape
    assert (np.sort(found.rows, axis=1) == np.arange(shape[1])).all()


@needs_faiss
def test_a_wider_search_finds_more() -> None:
    random = np.random.default_rng(0)
    rows, queries = random.standard_normal((4000, 64)), random.standard_normal((50, 64))  # no structure: the hard case
    true = VectorIndex.of(rows).search(queries, 10).rows

    narrow, wide = (HnswIndex.of(rows, search_width=width).search(queries, 10).rows for width in (16, 512))

    assert recall(narrow, true) < 0.9 < recall(wide, true)


@needs_faiss
def test_a_damaged_graph_is_refused() -> None:
    with pytest.raises(ArtifactError, match="Build it again"):
        HnswIndex.restore({"graph": np.zeros(10, dtype=np.uint8)})


def test_a_graph_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(hnsw, "import_module", missing)

    with pytest.raises(ConfigError, match=r"pip install 'switchpoint\[index\]'"):
        HnswIndex.of(vectors(5))
