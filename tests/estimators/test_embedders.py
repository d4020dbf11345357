"""What every embedder promises, whatever its kind; and how queries are read when the vectors come from elsewhere."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.estimators.embedders import EMBEDDERS, Reader, RemoteEmbedder, embedder_of, read_queries
from switchpoint.estimators.static import N_SURFACE
from switchpoint.estimators.teacher import PACKAGE

needs_weights = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="the weights are not installed")
TEXTS = ("What is 2 + 2?", "def f(x): return x", "法国的首都是什么？", "\ud800", "a " * 3000)
DIMS = {"static": 64, "minilm": 384, "remote:some-model:3": 3}
NAMES = ["static", pytest.param("minilm", marks=needs_weights), "remote:some-model:3"]

every = pytest.mark.parametrize("name", NAMES)


def queries(dim: int) -> list[Query]:
    random = np.random.default_rng(0)
    return [replace(Query.of(text), vector=random.standard_normal(dim)) for text in TEXTS]


def reader_and_columns(name: str) -> tuple[Reader, np.ndarray]:
    reader = embedder_of(name)
    return reader, read_queries(reader, queries(reader.dim))


@every
def test_columns_are_a_vector_the_surface_and_a_one(name: str) -> None:
    reader, columns = reader_and_columns(name)

    assert reader.dim == DIMS[name]
    assert columns.shape == (len(TEXTS), reader.dim + N_SURFACE + 1)
    norms = np.linalg.norm(columns[:, : reader.dim], axis=1)
    assert np.where(norms == 0, 1, norms) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (columns[:, -1] == 1).all()


@every
def test_the_surface_is_that_of_the_bundled_embedder(name: str) -> None:
    reader, columns = reader_and_columns(name)

    expected = embedder_of("static").read([query.text for query in queries(1)])[:, 64:]

    assert (columns[:, reader.dim :] == expected).all()


@every
def test_other_queries_in_the_batch_do_not_matter(name: str) -> None:
    reader, together = reader_and_columns(name)

    alone = [read_queries(reader, [query]) for query in queries(reader.dim)]

    assert together == pytest.approx(np.concatenate(alone), abs=1e-5)


@every
def test_no_queries_give_no_rows(name: str) -> None:
    reader = embedder_of(name)

    assert read_queries(reader, []).shape == (0, reader.dim + N_SURFACE + 1)
    assert reader.read([]).shape == (0, reader.dim + N_SURFACE + 1)
    assert reader.embed([]).shape == (0, reader.dim)


def test_two_embedders_never_share_a_name() -> None:
    names = [embedder_of(name).name for name in ("static", "remote:a:3", "remote:a:4", "remote:b:3")]

    assert len(set(names)) == len(names)


def test_a_remote_vector_is_normalised_and_zero_stays_zero() -> None:
    reader = RemoteEmbedder("m", 2)
    asked = [replace(Query.of("x"), vector=np.array(vector)) for vector in ([3.0, 4.0], [0.0, 0.0])]

    columns = read_queries(reader, asked)

    assert columns[:, :2] == pytest.approx(np.array([[0.6, 0.8], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("vector", "message"), [(None, "has no vector"), (np.zeros(3), r"shape \(3,\)"), (np.array([np.nan, 1]), "NaN")]
)
def test_a_query_without_the_right_vector_is_named(vector: np.ndarray | None, message: str) -> None:
    query = replace(Query.of("x", id="q7"), vector=vector)

    with pytest.raises(ConfigError, match=f"query 'q7' .*{message}"):
        read_queries(RemoteEmbedder("m", 2), [query])


def test_deciding_embeds_no_bare_text_remotely() -> None:
    with pytest.raises(ConfigError, match="cannot embed a bare text"):
        RemoteEmbedder("m", 2).read(["x"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("statik", "Unknown embedder 'statik'. Did you mean 'static'?"),
        ("static:64", "takes nothing after a colon. Got '64'"),
        ("onnx", "needs a folder or a model hub id"),
        ("remote:m", "must be remote:NAME:DIM"),
        ("remote:m:many", "must be remote:NAME:DIM"),
        ("remote:m:0", "dim must be at least 1. Got 0"),
    ],
)
def test_a_name_that_means_nothing_is_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        embedder_of(name)

    assert message in str(caught.value)


def test_the_contract_covers_every_kind_but_onnx_which_has_its_own_tests() -> None:
    assert set(EMBEDDERS) == {name.partition(":")[0] for name in DIMS} | {"onnx"}
