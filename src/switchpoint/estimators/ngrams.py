"""Ngrams: which words and letters stand in a text, hashed into a table, and one logistic regression per model on them.

It reads what an embedding blurs: a formula, a name, a turn of phrase. It transfers to no other domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from switchpoint.core.query import FloatArray, IntArray, window
from switchpoint.estimators.bundled import shipped
from switchpoint.estimators.logistic import sigmoid, solve_all
from switchpoint.estimators.member import logit, shrunk_mean
from switchpoint.estimators.reading import Reading
from switchpoint.estimators.static import scipy
from switchpoint.estimators.wordpiece import ID, split, utf8

BITS = 16
N_BUCKETS = 1 << BITS
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Fibonacci hashing (Knuth, The Art of Computer Programming 3, section 6.4)."""
TOKENS, LETTERS = (1, 2), (3, 4)
"""Lengths of the runs that are counted."""
INTERCEPT_RIDGE = 1e-3
GAIN = 1e-2
"""Of the solver; a tenth of it gains nothing in cross-validation on MMLU."""
BLOCK = 256
"""Texts whose terms are counted together, so that their keys stay in the processor's caches."""


class Terms(NamedTuple):
    """How often each hashed term stands in each text, ordered by text; all of shape (n_terms,)."""

    texts: IntArray
    buckets: IntArray
    counts: IntArray


class Ngrams(NamedTuple):
    """One logistic regression per model on hashed terms.

    weights : shape (N_BUCKETS, n_models), float16; offset : shape (n_models,).
    rarity : shape (N_BUCKETS,), inverse document frequency, as a logarithm.
    """

    weights: FloatArray
    offset: FloatArray
    rarity: FloatArray

    @classmethod
    def fit(cls, reading: Reading, quality: FloatArray, *, c: float = 1.0) -> Self:
        """Learn one line per model, each from the rows on which it was observed; c : inverse ridge."""
        terms, n_texts = count_terms(reading.texts), len(reading)
        seen = np.bincount(terms.buckets, minlength=N_BUCKETS)
        rarity = (np.log((1 + n_texts) / (1 + seen)) + 1).astype(np.float32)
        firsts = np.searchsorted(terms.texts, np.arange(n_texts + 1))
        values = _weigh(terms, rarity, n_texts)
        # A term of one text only tells nothing of others.
        values[seen[terms.buckets] == 1] = 0.0
        x = scipy("sparse").csr_matrix((values, terms.buckets, firsts), shape=(n_texts, N_BUCKETS))
        weights, offset = _fit_sparse(x, quality, c)
        return cls(weights.astype(np.float16), offset, rarity)

    def predict(self, reading: Reading) -> FloatArray:
        """Return probabilities, shape (n_queries, n_models)."""
        terms = count_terms(reading.texts)
        values = _weigh(terms, self.rarity, len(reading))
        logits = np.tile(self.offset, (len(reading), 1))
        firsts = np.flatnonzero(np.diff(terms.texts, prepend=-1))
        if len(firsts):
            logits[terms.texts[firsts]] += np.add.reduceat(self.weights[terms.buckets] * values[:, None], firsts)
        return sigmoid(logits)


def count_terms(texts: Sequence[str]) -> Terms:
    """Count runs of tokens (WordPiece) and of letters (bytes of UTF-8, ASCII ones lowered) in the window of each text.

    The hash is arithmetic on token numbers and bytes: the same in every process.
    """
    parts = [_count(texts[start : start + BLOCK], start) for start in range(0, max(1, len(texts)), BLOCK)]
    return Terms(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _count(texts: Sequence[str], first: int) -> Terms:
    """Count the terms of one block, whose first text has this number."""
    data = [utf8(window(text)) for text in texts]
    tokenizer = shipped().knowledge.embedder.tokenizer
    tokens = _joined([np.frombuffer(tokenizer.pack(split(each)), dtype=ID) for each in data])
    letters = _joined([np.frombuffer(each.lower(), dtype=np.uint8) for each in data])
    keys = [*(_keys(*tokens, n, salt=0) for n in TOKENS), *(_keys(*letters, n, salt=1) for n in LETTERS)]
    unique, counts = np.unique(np.concatenate(keys), return_counts=True)
    texts_of = (unique >> BITS).astype(np.int32) + np.int32(first)
    return Terms(texts_of, (unique & (N_BUCKETS - 1)).astype(np.int32), counts.astype(np.int32))


def _joined(rows: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Return all rows end to end, after the number of the row that each element is of."""
    lengths = [len(row) for row in rows]
    return np.repeat(np.arange(len(rows)), lengths), np.concatenate([np.zeros(0), *rows]).astype(np.uint64)


def _keys(texts: IntArray, elements: IntArray, n: int, salt: int) -> IntArray:
    """Return the text and the bucket of every run of n elements of one text, as one number."""
    starts = max(0, len(elements) - n + 1)
    whole = texts[:starts] == texts[len(texts) - starts :]
    code = np.full(np.count_nonzero(whole), 8 * n + salt, dtype=np.uint64)
    for place in range(n):
        code = (code ^ elements[place : place + starts][whole]) * MULTIPLIER
        code ^= code >> np.uint64(32)
    buckets = (code * MULTIPLIER) >> np.uint64(64 - BITS)
    keys: IntArray = (texts[:starts][whole].astype(np.uint32) << BITS) | buckets.astype(np.uint32)
    return keys


def _weigh(terms: Terms, rarity: FloatArray, n_texts: int) -> FloatArray:
    """Return (1 + log count) · rarity of each term, every text of length 1; shape (n_terms,)."""
    levels = 1 + np.log(np.maximum(1, np.arange(1 + terms.counts.max(initial=0))))
    value = levels.astype(np.float32)[terms.counts] * rarity[terms.buckets]
    length = np.sqrt(np.bincount(terms.texts, value * value, minlength=n_texts))
    weighed: FloatArray = (value / length[terms.texts]).astype(np.float32)
    return weighed


def _fit_sparse(x: Any, quality: FloatArray, c: float) -> tuple[FloatArray, FloatArray]:
    """Minimise ``|w|² / 2 + c · Σ log-loss`` of all models at once.

    x : sparse, shape (n_rows, n_terms). Returns weights, shape (n_terms, n_models), and offsets, (n_models,).
    """
    ones = np.ones((x.shape[0], 1), dtype=np.float32)
    rows = scipy("sparse").hstack([x, ones], format="csr", dtype=np.float32)
    ridge, offset = np.append(np.ones(x.shape[1]), INTERCEPT_RIDGE), logit(shrunk_mean(quality))
    w = solve_all(rows, quality, ridge=ridge, weight=c, offset=offset, gain=GAIN)
    return w[:-1], offset + w[-1]
