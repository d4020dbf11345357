"""Ratings: what a small model can say of a query before anybody answers it, and what each word of it means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from switchpoint.core.model import TIERS

RATINGS = ("1", "2", "3", "4", "5")
"""The rating tokens, lowest first: one token each in every common vocabulary."""

WAYS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "difficulty": {rating: (5 - int(rating)) / 4 for rating in RATINGS},
        "weak_ok": {rating: float(int(rating) >= 4) for rating in RATINGS},
        "tier": {tier: 1.0 - ability for tier, ability in TIERS.items()},
        "trained": {rating: float(int(rating) >= 4) for rating in RATINGS},
    }
)
"""By way of asking, the closed set of answers and the *ease* that each means, in [0, 1]: 1 says a weak model will do.

difficulty : how hard the query is, 1 to 5.
weak_ok : how good a weak model's answer would be, 1 to 5; 4 and 5 are good enough, as in RouteLLM's causal_llm.
tier : the least able tier that will do.
trained : as weak_ok, by a model that was fine-tuned to say it and needs no instruction (`learning/causal.py`).
"""

_HARMLESS = str.maketrans("<>", "‹›")


def as_data(text: str) -> str:
    """Return the text without the two characters that marks around it, and control tokens of models, are made of."""
    return text.translate(_HARMLESS)
