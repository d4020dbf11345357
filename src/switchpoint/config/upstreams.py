"""Sections of who is called: upstreams, embeddings, models."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from switchpoint.config.resilience import BalancedUpstream, PooledUpstream
from switchpoint.config.section import Price, Section


class VendorUpstream(PooledUpstream):
    """What every upstream of a vendor has: the key, named by its environment variable, and time limits."""

    api_key_env: str | None = None
    first_byte_timeout_s: PositiveFloat = 60.0
    idle_timeout_s: PositiveFloat = 30.0
    total_timeout_s: PositiveFloat = 600.0


class HttpUpstream(VendorUpstream):
    """What every upstream has that we call over HTTP ourselves."""

    headers: dict[str, str] = {}
    connect_timeout_s: PositiveFloat = 5.0


class OpenAIUpstream(HttpUpstream):
    """Any OpenAI-compatible endpoint."""

    kind: Literal["openai"] = "openai"
    base_url: str
    api_key_header: str = "Authorization"
    query: dict[str, str] = {}


class AnthropicUpstream(HttpUpstream):
    """Anthropic, or a server that speaks its Messages."""

    kind: Literal["anthropic"]
    base_url: str = "https://api.anthropic.com"
    version: str = "2023-06-01"
    betas: list[str] = []
    max_tokens: PositiveInt = 4096


class GeminiUpstream(HttpUpstream):
    """Google's Gemini."""

    kind: Literal["gemini"]
    base_url: str = "https://generativelanguage.googleapis.com"


class AnyLLMUpstream(VendorUpstream):
    """A vendor that the library any-llm-sdk knows."""

    kind: Literal["any_llm"]
    provider: str
    base_url: str | None = None


class FakeUpstream(Section):
    """Scripted answers by upstream model name, for trying a configuration without calling anybody."""

    kind: Literal["fake"]
    script: dict[str, list[str]]
    latency_s: NonNegativeFloat = 0.0


class ReplayUpstream(Section):
    """Recorded answers: a folder of queries.jsonl and outcomes.jsonl; at time_scale 1 they take as long as they did."""

    kind: Literal["replay"]
    data: Path
    time_scale: NonNegativeFloat = 0.0


Upstream = Annotated[
    OpenAIUpstream
    | AnthropicUpstream
    | GeminiUpstream
    | AnyLLMUpstream
    | BalancedUpstream
    | FakeUpstream
    | ReplayUpstream,
    Field(discriminator="kind"),
]


class EmbeddingsSection(Section):
    """An OpenAI-compatible embeddings endpoint; a router that names it has each query's vector before it decides."""

    base_url: str
    model: str | None = None
    dim: PositiveInt
    shorten: bool = False
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    usd_per_mtok: Price | None = None
    time_box_s: PositiveFloat = 2.0


class ModelSection(Section):
    """One callable option. Prices and context length that are not given come from the price library."""

    upstream: str
    upstream_model: str | None = None
    parameters: dict[str, Any] = {}
    preamble: list[dict[str, Any]] = []
    samples: PositiveInt = 1
    input_usd_per_mtok: Price | None = None
    cached_input_usd_per_mtok: Price | None = None
    cache_write_usd_per_mtok: Price | None = None
    output_usd_per_mtok: Price | None = None
    usd_per_hour: Price | None = None
    context_tokens: PositiveInt | None = None
    can: list[Literal["tools", "vision", "json_schema", "logprobs"]] | None = None
    tier: Literal["weak", "mid", "strong"] | None = None
    output_tokens: PositiveInt = 300
    max_output_tokens: PositiveInt | None = None
    retires: date | None = None
