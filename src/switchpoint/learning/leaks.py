"""Leaks: texts of a test set that stand in training too, as they are or nearly; and groups of near-duplicates.

Exact is equal normalised text. Near is a Jaccard similarity of character shingles (Broder 1997) of at least `NEAR`;
candidates come from MinHash signatures in bands (Leskovec, Rajaraman & Ullman, chapter 3) and every one is checked
exactly, so nothing is reported that is not near. A pair at 0.7 is missed with probability 0.001, a nearer one less.

Differs: shingles that many texts share are no evidence and are left out, or all questions behind one few-shot prefix
would be near each other. What is read of a long text is its first and last part, as routers do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import BoolArray, FloatArray, IntArray, window
from switchpoint.learning.datasets import normalised_text

NEAR = 0.7
SHINGLE_CHARS = 8
BANDS, BAND_ROWS = 25, 4
COMMON_SHARE, COMMON_TEXTS = 0.01, 20
"""A shingle in more than this share of the texts, and in more texts than this, is a template."""
PEERS = 16
"""Of texts with one signature, each is compared with so many; a large family is joined through them."""

_random = np.random.default_rng(1)
_FACTORS = (_random.integers(0, 1 << 32, SHINGLE_CHARS, dtype=np.uint32) | np.uint32(1)).astype(np.uint32)
_MULTIPLY = _random.integers(0, 1 << 32, (BANDS * BAND_ROWS, 1), dtype=np.uint32) | np.uint32(1)
_ADD = _random.integers(0, 1 << 32, (BANDS * BAND_ROWS, 1), dtype=np.uint32)
_BAND = _random.integers(0, 1 << 63, BAND_ROWS, dtype=np.uint64) | np.uint64(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """Rows of a test set that stand in a training set; one match for each, the nearest found.

    rows, matches : rows of test, ascending, and of train, shape (n_leaked,).
    similarity : of the pair, in [NEAR, 1], shape (n_leaked,); exact : whether the normalised texts are equal.
    """

    rows: IntArray
    matches: IntArray
    similarity: FloatArray
    exact: BoolArray

    def __len__(self) -> int:
        return len(self.rows)


def leaks(train: Outcomes, test: Outcomes, near: float = NEAR) -> Leaks:
    """Find the rows of `test` that stand in `train`, exactly or with a similarity of `near` or more.

    near : in (0, 1]; the search is made for `NEAR` and above, and misses a fifth of the pairs at 0.5.
    """
    texts, place = _distinct([*_keys(train), *_keys(test)])
    in_train, in_test = (np.isin(np.arange(len(texts)), part) for part in (place[: len(train)], place[len(train) :]))
    left, right, similarity = _pairs(texts, in_train, in_test & ~in_train, near)
    best = np.zeros(len(texts))
    match = np.full(len(texts), -1)
    for a, b, value in zip(left.tolist(), right.tolist(), similarity.tolist(), strict=True):
        if value > best[b]:
            best[b], match[b] = value, a
    both = in_train & in_test
    best[both], match[both] = 1.0, np.flatnonzero(both)
    first = np.full(len(texts), -1)
    first[place[: len(train)][::-1]] = np.arange(len(train))[::-1]
    key = place[len(train) :]
    rows = np.flatnonzero(match[key] >= 0)
    found = key[rows]
    return Leaks(rows=rows, matches=first[match[found]], similarity=best[found], exact=both[found])


def groups(outcomes: Outcomes, near: float = NEAR) -> IntArray:
    """Number the groups of near-duplicate queries in order of appearance, shape (n_queries,).

    Likeness is passed on: of three texts where the first is near the second and the second near the third, all are one
    group. For the grouped bootstrap, and for splits that separate no twins.
    """
    return text_groups([query.full_text for query in outcomes.queries], near)


def text_groups(texts: Sequence[str], near: float = NEAR) -> IntArray:
    """Number the groups of near-duplicate texts in order of appearance, shape (n_texts,)."""
    distinct, place = _distinct([normalised_text(text) for text in texts])
    everyone = np.ones(len(distinct), dtype=bool)
    left, right, _ = _pairs(distinct, everyone, everyone, near)
    parent = list(range(len(distinct)))
    for a, b in zip(left.tolist(), right.tolist(), strict=True):
        low, high = sorted((_root(parent, a), _root(parent, b)))
        parent[high] = low
    roots = np.array([_root(parent, i) for i in range(len(distinct))], dtype=np.intp)
    numbers: IntArray = np.unique(roots, return_inverse=True)[1][place]
    return numbers


def _keys(part: Outcomes) -> list[str]:
    return [normalised_text(query.full_text) for query in part.queries]


def _distinct(keys: Sequence[str]) -> tuple[list[str], IntArray]:
    """Return the distinct keys in order of appearance, and the place of each key among them."""
    places: dict[str, int] = {}
    place = np.array([places.setdefault(key, len(places)) for key in keys], dtype=np.intp)
    return list(places), place


def _root(parent: list[int], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


def _pairs(
    texts: Sequence[str], left: BoolArray, right: BoolArray, near: float
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return pairs of near texts, the first of each from `left`, the second from `right`, and their similarity."""
    sets = _without_common([_shingles(window(text)) for text in texts])
    some = np.array([len(each) > 0 for each in sets], dtype=bool)
    signatures = np.zeros((len(texts), BANDS), dtype=np.uint64)
    for i in np.flatnonzero(some).tolist():
        signatures[i] = _signature(sets[i])
    found = {pair for pair in _candidates(signatures, left & some, right & some) if pair[0] != pair[1]}
    a, b = np.array(sorted(found), dtype=np.intp).reshape(-1, 2).T
    similarity = np.array([_jaccard(sets[i], sets[j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)])
    keep = similarity >= near
    return a[keep], b[keep], similarity[keep]


def _shingles(text: str) -> IntArray:
    """Return the hashes of all runs of `SHINGLE_CHARS` characters, ascending, each once; a short text is one run."""
    padded = text.ljust(SHINGLE_CHARS)
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    length = len(codes) - SHINGLE_CHARS + 1
    hashes = np.zeros(length, dtype=np.uint32)
    for i, factor in enumerate(_FACTORS):
        hashes += codes[i : i + length] * factor
    ordered = np.sort(_mixed(hashes))  # np.unique is slower on arrays as short as these
    distinct: IntArray = ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))]
    return distinct


def _mixed(values: IntArray) -> IntArray:
    """Spread the bits of 32-bit numbers: neighbouring hashes become unrelated."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        values = (values ^ (values >> np.uint32(shift))) * np.uint32(factor)
    mixed: IntArray = values ^ (values >> np.uint32(16))
    return mixed


def _without_common(sets: list[IntArray]) -> list[IntArray]:
    most = max(COMMON_TEXTS, int(COMMON_SHARE * len(sets)))
    every = np.sort(np.concatenate([*sets, np.empty(0, dtype=np.uint32)]))
    # In sorted order, a value that stands again `most` places further stands in more than `most` texts.
    common = np.unique(every[:-most][every[:-most] == every[most:]])
    return [each[~np.isin(each, common, assume_unique=True)] for each in sets] if len(common) else sets


def _signature(shingles: IntArray) -> IntArray:
    """Return one number for each band, shape (BANDS,): equal where the least hashes of all its rows are equal."""
    least = (_MULTIPLY * shingles + _ADD).min(axis=1)
    bands: IntArray = least.astype(np.uint64).reshape(BANDS, BAND_ROWS) @ _BAND
    return bands


def _candidates(signatures: IntArray, left: BoolArray, right: BoolArray) -> Iterator[tuple[int, int]]:
    rows = np.flatnonzero(left | right)
    for band in range(BANDS):
        order = rows[np.argsort(signatures[rows, band], kind="stable")]
        values = signatures[order, band]
        edges = np.flatnonzero(np.diff(values, prepend=values[:1] + np.uint64(1), append=values[-1:] + np.uint64(1)))
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if stop - start > 1:
                members = order[start:stop]
                peers = members[left[members]][:PEERS].tolist()
                yield from ((a, b) for b in members[right[members]].tolist() for a in peers)


def _jaccard(a: IntArray, b: IntArray) -> float:
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
