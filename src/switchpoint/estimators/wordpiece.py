"""WordPiece: BERT's uncased tokenizer, exact and in pure Python.

Almost every piece of text between two blanks has been seen before, so the whole pipeline (clean, strip accents, lower,
split at punctuation, greedy longest match) runs once per distinct piece and its ids are remembered as packed bytes.
No text is refused: lone surrogates are dropped as BERT drops control characters.

Differs from the reference (BERT, Devlin et al. 2019, as implemented by Hugging Face `tokenizers`): `[CLS]`, `[SEP]` and
the like in a text stay text; and where Python's Unicode tables know a character that the reference's older ones do not,
it is treated by its true category.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from switchpoint.core.query import IntArray

ID = np.dtype(np.intp)
MAX_WORD_CHARS = 100
MAX_REMEMBERED = 48
"""Longer pieces are rarely seen twice: remembering them would only cost memory."""
CACHE_ENTRIES = 50_000

_LOWER = bytes(range(256)).lower()
_CONTROLS = bytes(c for c in (*range(32), 127) if c not in b"\t\n\r")
_CJK = (
    range(0x4E00, 0xA000),
    range(0x3400, 0x4DC0),
    range(0x20000, 0x2A6E0),
    range(0x2A700, 0x2B740),
    range(0x2B740, 0x2B820),
    range(0x2B920, 0x2CEB0),  # the reference says 2B920 where Unicode's block begins at 2B820
    range(0xF900, 0xFB00),
    range(0x2F800, 0x2FA20),
)


class WordPiece:
    """Turns text into token ids, without special tokens.

    vocabulary : token to id; must hold `[UNK]`. Continuations begin with `##`.
    """

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self.size = len(vocabulary)
        self._packed = {token: i.to_bytes(ID.itemsize, sys.byteorder) for token, i in vocabulary.items()}
        self._unknown = self._packed["[UNK]"]
        self._words = _Words(self)
        self._pieces = _Pieces(self._words)

    @classmethod
    def parse(cls, vocabulary: bytes) -> WordPiece:
        """Read a vocabulary: UTF-8, one token a line, its id the number of the line."""
        return cls({token: i for i, token in enumerate(vocabulary.decode().rstrip("\n").split("\n"))})

    def dump(self) -> bytes:
        """Return the vocabulary in the form that `parse` reads."""
        return "\n".join(self._packed).encode() + b"\n"

    def pack(self, pieces: list[bytes]) -> bytes:
        """Return the ids of pieces (of `split`) as native bytes, `ID.itemsize` each: no list is faster to build."""
        return b"".join(map(self._pieces.__getitem__, pieces))

    def encode(self, text: str) -> IntArray:
        """Return the ids of a text, shape (n_tokens,)."""
        return np.frombuffer(self.pack(split(utf8(text))), dtype=ID)

    def match(self, word: str) -> bytes:
        """Cut one word greedily into the longest known tokens, packed; a word that cannot be cut is unknown."""
        if len(word) > MAX_WORD_CHARS:
            return self._unknown
        found: list[bytes] = []
        start, prefix = 0, ""
        while start < len(word):
            end = len(word)
            while (packed := self._packed.get(prefix + word[start:end])) is None:
                end -= 1
                if end == start:
                    return self._unknown
            found.append(packed)
            start, prefix = end, "##"
        return b"".join(found)


def utf8(text: str) -> bytes:
    """Return the UTF-8 bytes of any string, lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def split(data: bytes) -> list[bytes]:
    """Split UTF-8 bytes at ASCII blanks, ASCII letters lowered and ASCII controls dropped."""
    return data.translate(_LOWER, _CONTROLS).split()


def words(text: str) -> list[str]:
    """Return the words and the marks of a text: cleaned, without accents, lowered, split at punctuation."""
    return unicodedata.normalize("NFD", text.translate(_CLEAN)).translate(_STRIP).split()


class _Words(dict[str, bytes]):
    """Remembers the ids of words."""

    def __init__(self, tokenizer: WordPiece) -> None:
        self._match = tokenizer.match

    def __missing__(self, word: str) -> bytes:
        return _remember(self, word, self._match(word))


class _Pieces(dict[bytes, bytes]):
    """Remembers the ids of pieces: what stands between two ASCII blanks, punctuation included."""

    def __init__(self, known: _Words) -> None:
        self._known = known

    def __missing__(self, piece: bytes) -> bytes:
        text = piece.decode("utf-8", "surrogatepass")
        return _remember(self, piece, b"".join(map(self._known.__getitem__, words(text))))


def _remember(cache: dict[Any, bytes], key: str | bytes, packed: bytes) -> bytes:
    if len(key) <= MAX_REMEMBERED:
        # Starting over when full bounds the memory and lets the cache recover from a flood of rubbish.
        if len(cache) >= CACHE_ENTRIES:
            cache.clear()
        cache[key] = packed
    return packed


class _Clean(dict[int, str]):
    """For `str.translate`: controls vanish, every kind of space is a space, ideographs stand alone."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if char in "\t\n\r" or category in ("Zs", "Zl", "Zp"):
            clean = " "
        elif category in ("Cc", "Cf", "Co", "Cs") or char == "\ufffd":
            clean = ""
        else:
            clean = f" {char} " if any(code in block for block in _CJK) else char
        self[code] = clean
        return clean


class _Strip(dict[int, str]):
    """For `str.translate`, after decomposition: accents vanish, letters are lowered, marks stand alone."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        mark = category.startswith("P") or (code < 128 and category.startswith("S"))
        self[code] = stripped = "" if category == "Mn" else f" {char} " if mark else char.lower()
        return stripped


_CLEAN = _Clean()
_STRIP = _Strip()
