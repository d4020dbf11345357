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
N_TALLIES = N_CLASSES + 4
_OTHER = N_CLASSES
_CLASS_OF_BYTE = bytes(next((i for i, chars in enumerate(CLASSES.values()) if b in chars), _OTHER) for b in range(256))


def tally(data: bytes, n_tokens: int, pieces: Sequence[bytes], out: FloatArray) -> None:
    """Count one text into `out`, shape (18,): bytes by class, all bytes, tokens, bytes per token, distinct pieces.

    An empty text counts as one byte and one token, so that shares are defined.
    """
    n_bytes, n_tokens = len(data) or 1, n_tokens or 1
    classes = np.frombuffer(data.translate(_CLASS_OF_BYTE), dtype=np.uint8)
    out[:N_CLASSES] = np.bincount(classes, minlength=N_CLASSES + 1)[:N_CLASSES]
    out[N_CLASSES] = n_bytes
    out[N_CLASSES + 1] = n_tokens
    out[N_CLASSES + 2] = n_bytes / n_tokens
    out[N_CLASSES + 3] = len(set(pieces)) / (len(pieces) or 1)


def features(tallies: FloatArray, out: FloatArray) -> None:
    """Turn tallies, shape (n_texts, 18), into features in `out`, shape (n_texts, 32); see `NAMES`."""
    logs, shares = N_CLASSES + 2, 2 * N_CLASSES + 2
    np.log1p(tallies[:, :logs], out=out[:, :logs])
    np.divide(tallies[:, :N_CLASSES], tallies[:, N_CLASSES : N_CLASSES + 1], out=out[:, logs:shares])
    out[:, shares:] = tallies[:, logs:]
