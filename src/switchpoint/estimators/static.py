"""Static embeddings: one short vector for every token, summed; the only encoder that costs microseconds.

The table is fitted so that the sum over a prompt's tokens predicts the teacher's vector of the whole prompt: a ridge
regression around the usual starting point, the teacher's vectors of single tokens (model2vec, MinishLab 2024), after
which the teacher's main directions are kept and each row is stored in one byte per number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from switchpoint.core.errors import ConfigError
from switchpoint.core.query import ROUTING_CHARS, FloatArray, IntArray, window
from switchpoint.estimators import lexical
from switchpoint.estimators.wordpiece import ID, WordPiece, split, utf8

SIF = 1e-4
"""Weight a / (a + p) of a token of frequency p (smooth inverse frequency, Arora et al. 2017)."""

N_SURFACE = len(lexical.NAMES)
CLIP = np.array(4.0, dtype=np.float32)
"""Standard deviations. An array, because every plain number of an expression costs half a microsecond to convert."""
MINUS_CLIP = np.array(-4.0, dtype=np.float32)
TINY = np.array(1e-12, dtype=np.float32)
MAX_TOKENS = 4 * (ROUTING_CHARS + 1)
"""No character becomes more tokens than it has code points when decomposed: at most four."""

Int8Array = npt.NDArray[np.int8]


class StaticEmbedder:
    """Reads text: sums the vectors of its tokens, and looks at its surface.

    codes : shape (n_tokens, dim); scales : shape (n_tokens,). A token's vector is its codes times its scale.
    mean, spread : shape (N_SURFACE,), of the surface of the texts that the table was fitted to.
    """

    def __init__(
        self, tokenizer: WordPiece, codes: Int8Array, scales: FloatArray, mean: FloatArray, spread: FloatArray
    ) -> None:
        self.tokenizer = tokenizer
        self.codes, self.scales = codes, scales
        self.mean, self.spread = mean, spread
        # Four times the memory of the codes, and half the time of scaling them for every text.
        self._table = codes * scales[:, None].astype(np.float32)
        self._ones = np.ones(MAX_TOKENS, dtype=np.float32)
        self._rate = (1 / np.maximum(spread, 1e-6)).astype(np.float32)
        self._dim = int(codes.shape[1])
        numbers = b"".join(part.astype(np.float32).tobytes() for part in (scales, mean, spread))
        self._name = f"static-{self._dim}-{hashlib.sha256(codes.tobytes() + numbers).hexdigest()[:12]}"

    @property
    def name(self) -> str:
        """The kind, the width, and the hash of the numbers: two embedders never share a name."""
        return self._name

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._dim

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, dim), rows of norm 1, or 0 for a text without a known token."""
        return self.read(texts)[:, : self._dim]

    def read(self, texts: Sequence[str]) -> FloatArray:
        """Return the columns of texts: vector, surface, and a 1, so that a linear function is one product.

        Shape (n_texts, dim + N_SURFACE + 1). The surface is standardised and clipped: an unheard-of text must not
        push a linear function beyond all experience. Only the `window` of a text is read.
        """
        dim = self._dim
        columns = np.empty((len(texts), dim + N_SURFACE + 1), dtype=np.float32)
        vectors, surface = columns[:, :dim], columns[:, dim:-1]
        lexical.features(self._scan(texts, vectors), out=surface)
        norms = np.sqrt(np.vecdot(vectors, vectors))
        norms += TINY
        vectors /= norms[:, None]
        surface -= self.mean
        surface *= self._rate
        np.minimum(surface, CLIP, out=surface)
        np.maximum(surface, MINUS_CLIP, out=surface)
        columns[:, -1] = 1.0
        return columns

    def _scan(self, texts: Sequence[str], vectors: FloatArray) -> FloatArray:
        """Sum the tokens of each text into `vectors`, and return the tallies of `lexical`."""
        tallies = np.empty((len(texts), lexical.N_TALLIES), dtype=np.float32)
        for i, text in enumerate(texts):
            data = utf8(window(text))
            pieces = split(data)
            ids = np.frombuffer(self.tokenizer.pack(pieces), dtype=ID)
            # A product with ones sums rows several times faster than np.add.reduce or reduceat.
            self._ones[: len(ids)].dot(self._table.take(ids, axis=0), out=vectors[i])
            lexical.tally(data, len(ids), pieces, out=tallies[i])
        return tallies

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
        codes = np.rint(table / scales[:, None]).astype(np.int8)
        plain = cls(tokenizer, codes, scales, np.zeros(N_SURFACE), np.ones(N_SURFACE))
        surface = np.empty((len(texts), N_SURFACE))
        lexical.features(plain._scan(texts, np.empty((len(texts), dim), dtype=np.float32)), out=surface)
        mean, spread = (np.asarray(part, dtype=np.float32) for part in (surface.mean(axis=0), surface.std(axis=0)))
        return cls(tokenizer, codes, scales, mean, spread)


def scipy(part: str) -> Any:
    """Import a part of SciPy, which only fitting needs; raises ConfigError where it is not installed."""
    try:
        return import_module(f"scipy.{part}")
    except ImportError:
        raise ConfigError("Fitting needs SciPy. Run: pip install 'switchpoint[train]'") from None


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
    shares: tuple[IntArray, IntArray, FloatArray],
    target: FloatArray,
    start: FloatArray,
    ridge: float = 0.003,
    steps: int = 20,
) -> FloatArray:
    """Solve ``(AᵀA + ridge) D = Aᵀ (target - A start)`` by conjugate gradients, and return ``start + D``.

    The few steps regularise too. `start` is first scaled to fit the target.
    """
    rows, columns, values = shares
    a = scipy("sparse").csr_matrix((values, (rows, columns)), shape=(len(target), len(start)))
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
