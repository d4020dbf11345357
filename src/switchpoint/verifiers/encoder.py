"""PairEncoder: a sentence encoder that was fine-tuned to read a question with its answer; served from ONNX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import ArtifactError
from switchpoint.core.protocols import Verifier
from switchpoint.core.query import FloatArray, Query, window
from switchpoint.estimators import artifact
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.encoder import Encoder
from switchpoint.verifiers.learned import Learned

PART_CHARS = 980
"""Of question and of answer: with the mark between them a pair is read whole by what reads 2,000 characters."""
RIGHT = "right"
"""The one column of such an encoder."""


class PairEncoder:
    """A verifier: the probability that an answer is right, free of charge; which model wrote it is not looked at.

    Source: the scorer of FrugalGPT (Chen et al. 2023). Differs: MiniLM in int8 instead of DistilBERT, one for all
    models, calibrated on rows held out, and the answer is never cut off for a long question.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.models_: tuple[str, ...] = ()

    def score(
        self,
        query_texts: Sequence[str],
        answer_texts: Sequence[str],
        models: Sequence[str] | None = None,
        others: Mapping[str, Sequence[str | None]] | None = None,
        logprobs: Sequence[Sequence[float]] | None = None,
    ) -> FloatArray:
        """Return the probability that each answer is right, shape (n_rows,); it reads the texts alone."""
        pairs = [Query.of(pair_text(*pair)) for pair in zip(query_texts, answer_texts, strict=True)]
        if not pairs:
            return np.empty(0)
        mean: FloatArray = self.encoder.predict(pairs).mean[:, 0]
        return mean

    async def __call__(self, query: Query, answer: Answer) -> Verdict:
        """Score one answer; takes milliseconds of processor time."""
        return Verdict(score=float(self.score([query.full_text], [answer.text])[0]))

    def state(self) -> State:
        """Return everything; raises NotFittedError."""
        return self.encoder.state()

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the verifier that was written; raises ArtifactError, and ConfigError without onnxruntime."""
        return cls(Encoder.restore(found))


def pair_text(query_text: str, answer_text: str) -> str:
    """Return what is read of a question and its answer; of a long one head and tail."""
    return f"{window(query_text, PART_CHARS)}\n[SEP]\n{window(answer_text, PART_CHARS)}"


def load(folder: Path | str) -> Verifier:
    """Read a trained verifier of either kind; raises ArtifactError."""
    found = artifact.read(folder)
    return (PairEncoder if found.manifest.kind == Encoder.kind else Learned).restore(_checked(found, folder))


def _checked(found: Artifact, folder: Path | str) -> Artifact:
    """Return the artifact of a verifier; raises ArtifactError for one that predicts before the answer."""
    kind, models = found.manifest.kind, found.manifest.models
    if kind != Learned.kind and not (kind == Encoder.kind and models == (RIGHT,)):
        raise ArtifactError(f"{folder}: holds {kind!r}, which scores no answers. Run: switchpoint train verifier")
    return found
