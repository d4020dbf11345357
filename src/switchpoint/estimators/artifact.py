"""Artifacts: what training leaves behind, as a folder that can be read by eye and checked at loading.

`manifest.json` says what it is and names every other file with its SHA-256; numbers lie in `tensors.safetensors`. What
was learned beside it (of cost, of latency) are its parts: a subfolder each, an artifact whose hash the manifest names.
Nothing is pickled, and the same content gives the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from switchpoint.core.errors import ArtifactError, nearest
from switchpoint.core.manifest import FORMAT, Manifest
from switchpoint.core.protocols import Estimator
from switchpoint.core.query import FloatArray
from switchpoint.estimators import ESTIMATORS

MANIFEST = "manifest.json"
TENSORS = "tensors.safetensors"
COST, LATENCY = "cost", "latency"
"""The parts that the artifact of a router may have."""
AGAIN = "Train it again, or take a fresh copy."

Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All that an estimator needs to come back.

    embedder : name of the embedder that its numbers depend on; empty if none.
    settings : JSON values; tensors : numpy arrays; files : whatever else lies in the folder, by name.
    """

    kind: str
    models: tuple[str, ...]
    embedder: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An artifact as read: its manifest, its numbers, its other files; `digest` is the SHA-256 of the manifest."""

    manifest: Manifest
    tensors: Tensors
    files: Mapping[str, bytes]
    digest: str


class Stored(Protocol):
    """Whatever can be written."""

    def state(self) -> State:
        """Return everything; raises NotFittedError."""
        ...


@runtime_checkable
class Storable(Estimator, Protocol):
    """An estimator that can be written and read."""

    def state(self) -> State:
        """Return everything; raises NotFittedError."""
        ...

    @classmethod
    def restore(cls, artifact: Artifact) -> Self:
        """Return the estimator that was written."""
        ...


@runtime_checkable
class Trained(Storable, Protocol):
    """An estimator of quality that was fitted on outcomes: what a router can be made of."""

    @property
    def mean_cost_usd_(self) -> FloatArray:
        """Mean known cost of each model's answers, shape (n_models,); NaN is unknown."""
        ...


def write(
    stored: Stored,
    folder: Path | str,
    *,
    created: str,
    trained_on: Sequence[Mapping[str, Any]] = (),
    metrics: Mapping[str, Any] | None = None,
    parts: Mapping[str, Stored] | None = None,
) -> str:
    """Write what was trained into a folder, made if missing; returns the artifact's hash.

    created : a date or a time, of the caller's clock; it is part of the hash.
    parts : what else was learned of the same rows, by the name of the subfolder that it goes to.
    """
    state, folder = stored.state(), Path(folder)
    arrays = {name: np.asarray(array, order="C") for name, array in sorted(state.tensors.items())}
    files = {TENSORS: save(arrays), **state.files}
    manifest = Manifest(
        kind=state.kind,
        created=created,
        models=state.models,
        embedder=state.embedder,
        digests={name: _sha256(data) for name, data in sorted(files.items())},
        trained_on=tuple(trained_on),
        settings=state.settings,
        metrics=metrics or {},
        code=metadata.version("switchpoint"),
        parts={
            name: write(part, folder / name, created=created, trained_on=trained_on)
            for name, part in (parts or {}).items()
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    text = msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"
    (folder / MANIFEST).write_bytes(text)
    return _sha256(text)


def read(folder: Path | str, kind: str | None = None) -> Artifact:
    """Read an artifact, of this kind if one is named, and check every byte; raises ArtifactError: what to do."""
    folder = Path(folder)
    text = _bytes(folder, MANIFEST)
    manifest = _manifest(folder, text)
    if kind is not None and manifest.kind != kind:
        raise ArtifactError(f"{folder}: holds an artifact of kind {manifest.kind!r}, {kind!r} is needed here.")
    files = {name: _bytes(folder, name) for name in manifest.digests}
    for name, digest in manifest.digests.items():
        if (found := _sha256(files[name])) != digest:
            raise ArtifactError(f"{folder / name}: damaged (SHA-256 {found}, expected {digest}). {AGAIN}")
    try:
        tensors = load(files.pop(TENSORS))
    except (KeyError, SafetensorError) as error:
        raise ArtifactError(f"{folder / TENSORS}: no tensors in it ({error}). {AGAIN}") from error
    return Artifact(manifest=manifest, tensors=tensors, files=files, digest=_sha256(text))


def read_part(folder: Path | str, whole: Artifact, name: str) -> Artifact | None:
    """Read a part of the artifact that was read from `folder`; None if it has none of this name.

    Raises ArtifactError as `read` does, and where the subfolder holds what was written at another time.
    """
    if name not in whole.manifest.parts:
        return None
    part = read(Path(folder) / name)
    if part.digest != whole.manifest.parts[name]:
        raise ArtifactError(
            f"{Path(folder) / name}: is not the part that {folder} was written with (SHA-256 {part.digest}, expected "
            f"{whole.manifest.parts[name]}). {AGAIN}"
        )
    return part


def load_estimator(folder: Path | str) -> Estimator:
    """Read an artifact and return its estimator, whatever its kind; raises ArtifactError."""
    return estimator_of(read(folder))


def estimator_of(artifact: Artifact) -> Estimator:
    """Return the estimator of an artifact that was read; raises ArtifactError for an unknown kind."""
    kind = artifact.manifest.kind
    if kind not in ESTIMATORS:
        known = ", ".join(ESTIMATORS)
        raise ArtifactError(f"The artifact is of an unknown kind {kind!r}.{nearest(kind, ESTIMATORS)} Known: {known}.")
    module, name = ESTIMATORS[kind].split(":")
    estimator: Storable = getattr(import_module(module), name)
    return estimator.restore(artifact)


def check_embedder(artifact: Artifact, name: str) -> None:
    """Raise ArtifactError unless the artifact was made with this embedder; vectors of another mean nothing to it."""
    needed = artifact.manifest.embedder
    if needed != name:
        raise ArtifactError(
            f"The artifact ({artifact.manifest.kind}) was made with embedder {needed!r}, this is {name!r}. "
            "Train it again with this version."
        )


def _manifest(folder: Path, text: bytes) -> Manifest:
    try:
        found = msgspec.json.decode(text)
        if found.get("format") != FORMAT:
            raise ArtifactError(
                f"{folder / MANIFEST}: format {found.get('format')!r}, this version reads {FORMAT}. "
                "Train it again, or install the version that made it."
            )
        manifest = msgspec.convert(found, Manifest)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise ArtifactError(f"{folder / MANIFEST}: not a manifest ({error}). {AGAIN}") from error
    return replace(manifest, digests=dict(manifest.digests), parts=dict(manifest.parts))


def _bytes(folder: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise ArtifactError(f"{folder / MANIFEST}: names {name!r}, which is not a file of the folder. {AGAIN}")
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{folder / name}: cannot be read ({error.strerror}). Is this an artifact folder?"
        ) from None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
