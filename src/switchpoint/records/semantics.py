"""Semantics: every name that a span says anything under, in one place, because the standard's are still in development.

The `gen_ai.*` names follow OpenTelemetry's conventions for generative AI; `router.*` are ours, because the conventions
have no word for a choice between models.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/. Differs: none of its content attributes is ever set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Version = Literal["latest", "1.36"]
"""`latest` is the development version as of the release of this package; 1.36 is what many backends still read."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
CACHED_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
EVALUATION = "gen_ai.evaluation.result"
EVALUATION_NAME = "gen_ai.evaluation.name"
EVALUATION_SCORE = "gen_ai.evaluation.score.value"
ERROR = "error.type"
ADDRESS, PORT = "server.address", "server.port"

RECORD = "router.record.id"
REQUEST = "router.request.id"
ROUTE = "router.route"
STRATEGY = "router.strategy"
OUTCOME = "router.outcome"
ACCEPT_REASON = "router.accept_reason"
MODEL = "router.model"
REASON = "router.reason"
PROPENSITY = "router.propensity"
LAYER = "router.layer"
NOVELTY = "router.novelty"
QUALITY = "router.quality.estimated"
ESTIMATED_COST_USD = "router.cost.estimated_usd"
COST_USD = "router.cost_usd"
SAVED_USD = "router.saved_usd"
WASTED_USD = "router.wasted_usd"
BASELINE_MODEL = "router.baseline_model"
ESCALATED = "router.escalated"
ATTEMPTS = "router.attempts"
ATTEMPT = "router.attempt"
DECIDE_S = "router.decide_s"
OVERHEAD_S = "router.overhead_s"
CONFIG, ARTIFACT = "router.config", "router.artifact"

RENAMED: Mapping[Version, Mapping[str, str | None]] = {
    "latest": {},
    "1.36": {PROVIDER: "gen_ai.system", CACHED_INPUT_TOKENS: None, FIRST_CHUNK_S: None, STREAM: None},
}
"""What a version calls a name of the latest one; None for what it has no name for, which is then left out."""

PROVIDERS: Mapping[str, str] = {
    "api.openai.com": "openai",
    "openai.azure.com": "azure.ai.openai",
    "api.anthropic.com": "anthropic",
    "generativelanguage.googleapis.com": "gcp.gemini",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral_ai",
    "api.deepseek.com": "deepseek",
    "api.x.ai": "x_ai",
    "api.cohere.com": "cohere",
    "api.perplexity.ai": "perplexity",
}
"""What the conventions call a vendor, by the end of its host's name."""


def provider_of(host: str | None, upstream: str) -> str:
    """Return the conventions' name of a vendor, else the name of the upstream."""
    ends = (name for end, name in PROVIDERS.items() if host is not None and (f".{host}").endswith(f".{end}"))
    return next(ends, upstream)


def renamed(attributes: Mapping[str, object], version: Version) -> dict[str, object]:
    """Return attributes under the names of a version, without those that are unknown (None) or that it cannot name."""
    names = RENAMED[version]
    told = ((names.get(name, name), value) for name, value in attributes.items() if value is not None)
    return {name: value for name, value in told if name is not None}
