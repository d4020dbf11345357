"""How good is this answer? What looks at an answer and scores it: checks, learned scorers, models that judge."""

VERIFIERS: dict[str, str] = {
    "checks": "switchpoint.verifiers.plain:checks",
    "confidence": "switchpoint.verifiers.plain:confidence",
}
"""Verifiers that need no configuration, by name."""
