"""The next choice after an answer: check it, accept it, call again, give up."""

VERIFIERS: dict[str, str] = {
    "checks": "switchpoint.cascades.verifiers:checks",
    "confidence": "switchpoint.cascades.verifiers:confidence",
}
"""Verifiers by their name in the configuration."""
