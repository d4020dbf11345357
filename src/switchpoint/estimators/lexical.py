"""Lexical features: what the surface of a text says of its difficulty, from one pass over its bytes.

Counts of fourteen classes of bytes, as logarithms and as shares, with the text's length and the variety of its words.
They are cheap, they know nothing of meaning, and they are the part of a router that transfers best between domains.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np

from switchpoint.core.query import FloatArray

CLASSES: dict[str, bytes] = {
    "digits": digits.encode(),
    "upper": ascii_uppercase.encode(),
    "lower": ascii_lowercase.encode(),
    "newlines": b"\n",
    "spaces": b" ",
    "operators": b"=+*/^\\<>|~",
    "money": b"$%",
    "questions": b"?!",
    "periods": b".",
    "commas": b",;:",
    "brackets": b"()[]{}",
    "symbols": b"_#@&",
    "quotes": b"\"'`-",
    "foreign": bytes(range(128, 256)),
}
NAMES = (
    *(f"log_{name}" for name in (*CLASSES, "bytes", "tokens")),
    *(f"share_{name}" for name in CLASSES),
    "bytes_per_token",
    "distinct_words",
)
"""The features, in the order of the columns."""

N_CLASSES = len(CLASSES)
N_TALLIES = N_CLASSES + 3
_OTHER = N_CLASSES
_CLASS_OF_BYTE = bytes(next((i for i, chars in enumerate(CLASSES.values()) if b in chars), _OTHER) for b in range(256))


def tally(data: bytes, n_tokens: int, pieces: Sequence[bytes]) -> FloatArray:
    """Count one text: its bytes by class, all its bytes, its tokens, and the share of its pieces that are distinct.

    Returns shape (17,); an empty text counts as one byte and one token, so that shares are defined.
    """
    counts = np.bincount(np.frombuffer(data.translate(_CLASS_OF_BYTE), dtype=np.uint8), minlength=N_TALLIES)
    result = counts.astype(np.float32)
    result[_OTHER:] = (len(data) or 1, n_tokens or 1, len(set(pieces)) / (len(pieces) or 1))
    return result


def features(tallies: FloatArray) -> FloatArray:
    """Turn tallies, shape (n_texts, 17), into features, shape (n_texts, 32); see `NAMES`."""
    result = np.empty((len(tallies), len(NAMES)), dtype=np.float32)
    logs, shares, ratios = result[:, :16], result[:, 16:30], result[:, 30:]
    np.log1p(tallies[:, :16], out=logs)
    np.divide(tallies[:, :N_CLASSES], tallies[:, 14:15], out=shares)
    np.divide(tallies[:, 14:15], tallies[:, 15:16], out=ratios[:, :1])
    ratios[:, 1] = tallies[:, 16]
    return result
