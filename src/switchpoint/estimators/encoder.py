"""Encoder: a sentence encoder that was fine-tuned on outcomes (`learning/encoder.py`), served from ONNX without torch.

Tokens of the text → graph → a logit per model → a calibration makes them probabilities → far from the training they go
back to each model's mean, as every learned estimator's do (`learned`). Graph and vocabulary are files of the artifact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from switchpoint.core.errors import ArtifactError, ConfigError, DataError
from switchpoint.core.estimate import Prediction
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray, Query
from switchpoint.estimators import artifact
from switchpoint.estimators.artifact import Artifact, State
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.calibration import Calibration, calibration_of
from switchpoint.estimators.fitted import OnOutcomes, faded
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.member import shrunk_mean
from switchpoint.estimators.novelty import Novelty
from switchpoint.estimators.onnx import BATCH_TOKENS, head_and_tail
from switchpoint.estimators.wordpiece import WordPiece

GRAPH, VOCABULARY = "encoder.onnx", "vocab.txt"
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"
MAX_TOKENS = 256
SLOW = {"SkipLayerNormFusion"}
"""Of onnxruntime's rewritings: a norm with a sum fused into it takes longer, a fifth of the whole int8 graph."""
AGAIN = "Train it again, or take a fresh copy."


class Tokens:
    """Turns texts into token ids as a BERT takes them: `[CLS]`, the head and the tail of the text, `[SEP]`.

    vocabulary : UTF-8, one token a line, its id the number of the line; must hold `[CLS]`, `[SEP]` and `[UNK]`.
    max_tokens : of a text, the two marks included.
    """

    def __init__(self, vocabulary: bytes, max_tokens: int = MAX_TOKENS) -> None:
        if max_tokens < 4:
            raise ConfigError(f"max_tokens must be at least 4: two marks, head and tail. Got {max_tokens}.")
        self.wordpiece = WordPiece.parse(vocabulary)
        self.max_tokens = max_tokens
        lines = vocabulary.decode().split("\n")
        self._first, self._last = lines.index("[CLS]"), lines.index("[SEP]")

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, at most `max_tokens` of them."""
        room = self.max_tokens - 2
        found = [head_and_tail(self.wordpiece.encode(text).tolist(), room) for text in texts]
        return [[self._first, *ids, self._last] for ids in found]


class Scorer:
    """A graph that takes token ids and gives one logit for every model. One thread.

    graph : bytes of an ONNX file with the inputs `input_ids` and `attention_mask` and the output `logits`.
    Raises ConfigError where onnxruntime is missing, ArtifactError for a graph that does not fit.
    """

    def __init__(self, graph: bytes, vocabulary: bytes, max_tokens: int = MAX_TOKENS) -> None:
        self.graph, self.vocabulary = graph, vocabulary
        self.tokens = Tokens(vocabulary, max_tokens)
        self._session = _session(graph)
        # Such a graph takes its scale from the whole batch, so that a text's logits would depend on its neighbours.
        self._alone = b"DynamicQuantize" in graph
        try:
            self.n_models = int(self._forward([[self.tokens.wordpiece.size - 1] * max_tokens]).shape[1])
        except Exception as error:  # onnxruntime raises a class of its own for every status
            said = " ".join(str(error).split())[:300]
            raise ArtifactError(
                f"{GRAPH}: does not fit {VOCABULARY} and {max_tokens} tokens ({said}). {AGAIN}"
            ) from None

    def logits(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, n_models)."""
        return self.score(self.tokens.ids(texts))

    def score(self, ids: Sequence[Sequence[int]]) -> FloatArray:
        """Return the logits of texts by their token ids, shape (n_texts, n_models)."""
        result = np.empty((len(ids), self.n_models), dtype=np.float32)
        for rows in self._batches(np.array([len(each) for each in ids], dtype=np.intp)):
            result[rows] = self._forward([ids[row] for row in rows])
        return result

    def _batches(self, lengths: IntArray) -> Iterator[IntArray]:
        """Yield rows whose texts are of similar length, so that little is padded."""
        order = np.argsort(lengths, kind="stable")
        size = 1 if self._alone else max(1, BATCH_TOKENS // self.tokens.max_tokens)
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def _forward(self, ids: Sequence[Sequence[int]]) -> FloatArray:
        width = max(map(len, ids))
        feed = {name: np.zeros((len(ids), width), dtype=np.int64) for name in INPUTS}
        for row, each in enumerate(ids):
            feed["input_ids"][row, : len(each)] = each
            feed["attention_mask"][row, : len(each)] = 1
        logits: FloatArray = self._session.run([OUTPUT], feed)[0]
        return logits


class Fitted(NamedTuple):
    """What stands around the graph; prior, mean_cost_usd : shape (n_models,)."""

    calibration: Calibration
    prior: FloatArray
    novelty: Novelty
    mean_cost_usd: FloatArray


class Encoder(OnOutcomes[Fitted]):
    """Predicts the quality of each model from the text of a query.

    scorer : the graph and its vocabulary; models : what its logits are of.
    calibration : "platt", "isotonic" or "beta"; "none" leaves scores as they are.
    """

    kind = "encoder"

    def __init__(self, scorer: Scorer, models: Sequence[str], *, calibration: str = "platt") -> None:
        super().__init__()
        if scorer.n_models != len(models):
            raise ArtifactError(f"{GRAPH}: gives {scorer.n_models} logits for {len(models)} models. {AGAIN}")
        self.scorer, self.calibration = scorer, calibration
        self.knowledge = Bundled.load().knowledge
        self._models = tuple(models)

    def fit(self, outcomes: Outcomes, unseen: BoolArray | None = None) -> Self:
        """Learn what stands around the graph, which stays as it is: calibration, means, costs, and what is familiar.

        unseen : shape (n_queries,), the rows that the graph was not trained on; the calibration is fitted on these. All
        of them by default. Raises DataError for outcomes of other models than the graph's.
        """
        if outcomes.models != self._models:
            raise DataError(
                f"{outcomes.name}: models {', '.join(outcomes.models)}; the graph was trained for "
                f"{', '.join(self._models)}. Give these, in this order."
            )
        rows = np.ones(len(outcomes), dtype=bool) if unseen is None else unseen
        held_out = outcomes.take(np.flatnonzero(rows))
        columns = self.knowledge.embedder.read([query.text for query in outcomes.queries])
        self._fit = Fitted(
            calibration=calibration_of(self.calibration).fit(self._logits(held_out.queries), held_out.quality),
            prior=shrunk_mean(outcomes.quality),
            novelty=Novelty.fit(*self.knowledge.ground(columns, outcomes.domains)),
            mean_cost_usd=outcomes.mean_cost_usd(),
        )
        return self

    def predict(self, queries: Sequence[Query]) -> Prediction:
        """Predict quality, shape (n_queries, n_models), and novelty."""
        fitted = self._fitted()
        mean = sigmoid(fitted.calibration.apply(self._logits(queries)))
        novelty = fitted.novelty.of(self.knowledge.embedder.read([query.text for query in queries]))
        return Prediction(mean=faded(mean, fitted.prior, novelty), novelty=novelty)

    def state(self) -> State:
        """Return everything; the embedder that is named is the one on which novelty is judged."""
        fitted = self._fitted()
        return State(
            kind=self.kind,
            models=self._models,
            embedder=self.knowledge.embedder.name,
            settings={"calibration": self.calibration, "max_tokens": self.scorer.tokens.max_tokens},
            tensors={
                **{f"calibration.{name}": array for name, array in fitted.calibration._asdict().items()},
                **{f"novelty.{name}": array for name, array in fitted.novelty._asdict().items()},
                "prior": fitted.prior,
                "mean_cost_usd": fitted.mean_cost_usd,
            },
            files={GRAPH: self.scorer.graph, VOCABULARY: self.scorer.vocabulary},
        )

    @classmethod
    def restore(cls, found: Artifact) -> Self:
        """Return the estimator that was written; raises ArtifactError, and ConfigError without onnxruntime."""
        settings, tensors = found.manifest.settings, found.tensors
        scorer = Scorer(found.files[GRAPH], found.files[VOCABULARY], settings["max_tokens"])
        encoder = cls(scorer, found.manifest.models, calibration=settings["calibration"])
        artifact.check_embedder(found, encoder.knowledge.embedder.name)
        calibration = calibration_of(encoder.calibration)
        encoder._fit = Fitted(
            calibration=calibration(**{name: tensors[f"calibration.{name}"] for name in _fields(calibration)}),
            prior=tensors["prior"],
            novelty=Novelty(*(tensors[f"novelty.{name}"] for name in Novelty._fields)),
            mean_cost_usd=tensors["mean_cost_usd"],
        )
        return encoder

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read an artifact; raises ArtifactError."""
        return cls.restore(artifact.read(folder, cls.kind))

    def _logits(self, queries: Sequence[Query]) -> FloatArray:
        return self.scorer.logits([query.text for query in queries]).astype(np.float64)


def _fields(calibration: type[Calibration]) -> tuple[str, ...]:
    return tuple(calibration.identity(1)._asdict())


def _session(graph: bytes) -> Any:
    try:
        runtime = import_module("onnxruntime")
    except ImportError:
        raise ConfigError("An encoder needs onnxruntime. Run: pip install 'switchpoint[encoder]'") from None
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW)
    except Exception as error:  # the library raises a class of its own for every status
        said = " ".join(str(error).split())[:300]
        raise ArtifactError(f"{GRAPH}: onnxruntime cannot load it ({said}). {AGAIN}") from None
