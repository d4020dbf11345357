"""Manifest: the index of an artifact folder. Numbers lie beside it as safetensors; nothing is ever pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an artifact is and where it comes from.

    kind : the estimator that reads it.
    models : its columns; a bundled artifact names its weak and its strong model.
    embedder : name of the embedder that its vectors come from; an artifact never runs on another's.
    digests : SHA-256 of every other file of the folder, checked at loading.
    trained_on : dataset, split and number of rows of everything it was fitted on.
    settings : the constructor arguments; metrics : figures measured when it was made.
    code : version of Switchpoint that made it.
    parts : what was learned of the same models beside it: the hash of the artifact in each of these subfolders.
    """

    kind: str
    created: str
    models: tuple[str, ...]
    embedder: str
    digests: Mapping[str, str]
    trained_on: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    metrics: Mapping[str, Any]
    code: str
    format: int = FORMAT
    parts: Mapping[str, str] = field(default_factory=dict)
