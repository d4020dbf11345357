"""Static embeddings: one short vector for every token, summed; the only encoder that costs microseconds.

The table is fitted so that the sum over a prompt's tokens predicts the teacher's vector of the whole prompt: a ridge
regression around the usual starting point, the teacher's vectors of single tokens (model2vec, MinishLab 2024), after
which the teacher's main directions are kept and each row is stored in one byte per number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.query import FloatArray, IntArray, window
from switchpoint.estimators import lexical
from switchpoint.estimators.wordpiece import ID, WordPiece, split, utf8

SIF = 1e-4
"""Weight a / (a + p) of a token of frequency p (smooth inverse frequency, Arora et al. 2017)."""

Int8Array = npt.NDArray[np.int8]


class Reading(NamedTuple):
    """What one pass over texts gives.

    vectors : shape (n_texts, dim), rows of norm 1, or 0 for a text without a token.
    surface : shape (n_texts, 32), see `switchpoint.estimators.lexical.NAMES`.
    """

    vectors: FloatArray
    surface: FloatArray


class StaticEmbedder:
    """Embeds text by summing the vectors of its tokens.

    codes : shape (n_tokens, dim); scales : shape (n_tokens,). A token's vector is its codes times its scale.
    """

    def __init__(self, tokenizer: WordPiece, codes: Int8Array, scales: FloatArray) -> None:
        self.tokenizer = tokenizer
        self.codes = codes
        self.scales = scales
        # Four times the memory of the codes, and half the time of scaling them for every text.
        self._table = codes * scales[:, None].astype(np.float32)
        self._ones = np.ones(8_192, dtype=np.float32)
        digest = hashlib.sha256(codes.tobytes() + scales.astype(np.float32).tobytes()).hexdigest()
        self._name = f"static-{codes.shape[1]}-{digest[:12]}"

    @property
    def name(self) -> str:
        """The kind, the width, and the hash of the table: two tables never share a name."""
        return self._name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.codes.shape[1])

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, dim), rows of norm 1, or 0 for a text without a known token."""
        return self.read(texts).vectors

    def read(self, texts: Sequence[str]) -> Reading:
        """Tokenise each text once, for its vector and its surface; only its `window` is read."""
        sums = np.empty((len(texts), self.dim), dtype=np.float32)
        tallies = np.empty((len(texts), lexical.N_TALLIES), dtype=np.float32)
        for i, text in enumerate(texts):
            data = utf8(window(text))
            pieces = split(data)
            ids = np.frombuffer(self.tokenizer.pack(pieces), dtype=ID)
            # A product with ones sums rows several times faster than np.add.reduce or reduceat.
            np.matmul(self._ones[: len(ids)], self._table.take(ids, axis=0), out=sums[i])
            tallies[i] = lexical.tally(data, len(ids), pieces)
        norms = np.sqrt(np.vecdot(sums, sums))
        sums /= np.maximum(norms, np.float32(1e-12))[:, None]
        return Reading(sums, lexical.features(tallies))

    @classmethod
    def fit(cls, tokenizer: WordPiece, texts: Sequence[str], teacher: FloatArray, words: FloatArray, dim: int) -> Self:
        """Fit a table to a teacher.

        teacher : the teacher's vectors of the texts, shape (n_texts, width).
        words : its vectors of single tokens, shape (n_tokens, width).
        """
        target = teacher - teacher.mean(axis=0)
        directions = np.linalg.svd(target, full_matrices=False)[2][:dim].T
        start = (words - words.mean(axis=0)) @ directions * _rarity(len(words))[:, None]
        table = _regress(_shares(tokenizer, texts), target @ directions, start)
        scales = (np.abs(table).max(axis=1) / 127 + 1e-12).astype(np.float32)
        return cls(tokenizer, np.rint(table / scales[:, None]).astype(np.int8), scales)


def _rarity(n_tokens: int) -> FloatArray:
    """Weigh tokens by their expected rarity: the vocabulary is ordered by frequency, so Zipf's law stands in for it."""
    frequency = 1 / (np.arange(n_tokens) + 1.0)
    frequency /= frequency.sum()
    weights: FloatArray = SIF / (SIF + frequency)
    return weights


def _shares(tokenizer: WordPiece, texts: Sequence[str]) -> tuple[IntArray, IntArray, FloatArray]:
    """Return a sparse matrix (texts, tokens, values): each text's tokens, each weighing 1 / length."""
    ids = [tokenizer.encode(window(text)) for text in texts]
    lengths = np.array([len(row) for row in ids])
    rows = np.repeat(np.arange(len(texts)), lengths)
    return rows, np.concatenate(ids), np.repeat(1 / np.maximum(lengths, 1), lengths)


def _regress(
    shares: tuple[IntArray, IntArray, FloatArray], target: FloatArray, start: FloatArray, ridge: float = 0.003, steps: int = 20
) -> FloatArray:
    """Solve ``(AᵀA + ridge) D = Aᵀ (target - A start)`` by conjugate gradients, and return ``start + D``.

    The few steps regularise too. `start` is first scaled to fit the target.
    """
    from scipy.sparse import csr_matrix

    rows, columns, values = shares
    a = csr_matrix((values, (rows, columns)), shape=(len(target), len(start)))
    guess = a @ start
    start = start * (np.vdot(guess, target) / np.vdot(guess, guess))
    residual = a.T @ (target - a @ start)
    solution = np.zeros_like(residual)
    direction, power = residual.copy(), np.square(residual).sum(axis=0)
    for _ in range(steps):
        applied = a.T @ (a @ direction) + ridge * direction
        rate = power / np.maximum((direction * applied).sum(axis=0), 1e-30)
        solution += rate * direction
        residual = residual - rate * applied
        previous, power = power, np.square(residual).sum(axis=0)
        direction = residual + power / np.maximum(previous, 1e-30) * direction
    result: FloatArray = start + solution
    return result
