"""Writing JSON, the one way for every dialect."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


encode = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number").encode
"""Write JSON: amounts of money as numbers, NaN as null."""
