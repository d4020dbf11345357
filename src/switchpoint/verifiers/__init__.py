"""How good is this answer? What looks at an answer and scores it: checks, learned scorers, models that judge."""

VERIFIERS: dict[str, str] = {
    "checks": "switchpoint.verifiers.plain:checks",
    "confidence": "switchpoint.verifiers.plain:confidence",
    "chow_sum": "switchpoint.verifiers.logprobs:chow_sum",
    "chow_quantile": "switchpoint.verifiers.logprobs:least_sure_twentieth",
    "json_schema": "switchpoint.verifiers.json_schema:json_schema",
    "tool_calls": "switchpoint.verifiers.tool_calls:tool_calls",
    "arithmetic": "switchpoint.verifiers.arithmetic:arithmetic",
    "code": "switchpoint.verifiers.code:code",
    "language": "switchpoint.verifiers.language:language",
    "repetition": "switchpoint.verifiers.repetition:repetition",
}
"""Verifiers that need no configuration, by name."""

NEEDS_LOGPROBS = frozenset({"confidence", "chow_sum", "chow_quantile"})
"""Of these, the ones that look at the answer's log-probabilities: asked for with the call, and refused at start where a
model cannot give them."""
