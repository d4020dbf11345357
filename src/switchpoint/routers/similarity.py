"""How near a text is to each of a few fixed texts: dense, sparse, or both."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.protocols import Embedder
from switchpoint.core.query import FloatArray, IntArray, window

K1 = 1.2
"""How soon a term that is repeated counts for no more."""

# Scripts that are written without blanks: Thai to Tibetan, Myanmar, Khmer, kana, and the ideographs.
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Marks inside words of Hebrew, Arabic and the scripts of India, which `\w` leaves out.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
_TERM = re.compile(rf"[{_UNSPACED}]+|(?:[^\W{_UNSPACED}]|[{_MARKS}])+")
_FIRST_UNSPACED = re.compile(f"[{_UNSPACED}]")


class Similarity:
    """Compare texts with `texts`.

    alpha : weight of the dense similarity, the cosine of the embedder's vectors, below 0 taken as 0. The rest is the
        sparse one (`Sparse`). With alpha 0 the embedder is not used and may be None.

    Raises ConfigError where an embedder is needed and missing, or gives vectors that are not numbers.
    """

    def __init__(self, texts: Sequence[str], embedder: Embedder | None, alpha: float) -> None:
        if embedder is None and alpha > 0:
            raise ConfigError(f"alpha {alpha} compares vectors, which takes an embedder. Give one, or set alpha to 0.")
        self.alpha = alpha
        self.embedder = embedder if alpha > 0 else None
        self._sparse = Sparse(texts) if alpha < 1 else None
        self._vectors = self._embed(texts)
        if not np.isfinite(self._vectors).all():
            raise ConfigError("The embedder gives vectors that are not finite numbers. Use another one.")

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Return the similarity of each text to each fixed one, in [0, 1]; shape (n_texts, n_fixed).

        Only the `window` of a text is read, as by the embedders.
        """
        dense = np.maximum(self._embed(texts) @ self._vectors.T, 0.0)
        if self._sparse is None:
            return dense
        sparse = np.array([self._sparse(text) for text in texts])
        if self.embedder is None:
            return sparse
        mixed: FloatArray = self.alpha * dense + (1 - self.alpha) * sparse
        return mixed

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        return np.zeros((len(texts), 0)) if self.embedder is None else self.embedder.embed(texts)


class Sparse:
    """The cosine of two texts' term weights, after BM25.

    A term counts √idf · tf (k1 + 1) / (tf + k1) in either text, idf = ln(1 + (n - df + ½) / (df + ½)) over the n fixed
    texts; a term that none of them has counts in the length of its text alone, so that what is off every topic is near
    to nothing. The same text has 1, texts without a common term 0; a text without any term is near to nothing.

    Source: Okapi BM25 (Robertson and Zaragoza 2009), idf as in Lucene, the terms of the query saturated as those of
    the document are. Differs: divided by the root of what each text scores against itself, which bounds it by 1 and
    takes the place of BM25's division by length (b).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        split = [terms(window(text)) for text in texts]
        found = Counter(term for each in split for term in set(each))
        self._n = len(texts)
        self._root_idf = {term: self._root(df) for term, df in found.items()}
        self._root_new = self._root(0)
        self._postings = self._post(split)

    def __call__(self, text: str) -> FloatArray:
        """Return the similarity to each fixed text, shape (n_fixed,)."""
        found = np.zeros(self._n)
        for term, weight in self._weigh(terms(window(text))).items():
            posting = self._postings.get(term)
            if posting is not None:
                found[posting.rows] += posting.weights * weight
        return found

    def _root(self, df: int) -> float:
        return math.sqrt(math.log(1 + (self._n - df + 0.5) / (df + 0.5)))

    def _weigh(self, split: Sequence[str]) -> dict[str, float]:
        """Return the weight of each term, the squares adding up to 1."""
        weights: dict[str, float] = {}
        for term, tf in Counter(split).items():
            weights[term] = self._root_idf.get(term, self._root_new) * tf * (K1 + 1) / (tf + K1)
        norm = math.hypot(*weights.values())
        return {term: weight / norm for term, weight in weights.items()}

    def _post(self, split: Sequence[Sequence[str]]) -> dict[str, Posting]:
        held: dict[str, list[tuple[int, float]]] = {}
        for row, each in enumerate(split):
            for term, weight in self._weigh(each).items():
                held.setdefault(term, []).append((row, weight))
        return {term: Posting(*map(np.array, zip(*pairs, strict=True))) for term, pairs in held.items()}


class Posting(NamedTuple):
    """Where a term stands: numbers of fixed texts, and its weight in each; both of shape (n_texts_with_it,)."""

    rows: IntArray
    weights: FloatArray


def terms(text: str) -> list[str]:
    """Split a text into words, whatever their case; where a script has no blanks, into pairs of neighbours."""
    split: list[str] = []
    for run in _TERM.findall(unicodedata.normalize("NFKC", text).casefold()):
        if len(run) > 2 and _FIRST_UNSPACED.match(run):
            split.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            split.append(run)
    return split
