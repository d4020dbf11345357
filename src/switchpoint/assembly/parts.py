"""The catalog and the upstreams of a configuration."""

from __future__ import annotations

from importlib import import_module
from typing import TypeVar

from switchpoint.assembly.resilience import balanced, pooled
from switchpoint.config.resilience import POOLED, BalancedUpstream
from switchpoint.config.schema import Config
from switchpoint.config.upstreams import (
    AnthropicUpstream,
    AnyLLMUpstream,
    FakeUpstream,
    GeminiUpstream,
    ModelSection,
    OpenAIUpstream,
    ReplayUpstream,
)
from switchpoint.core.catalog import Catalog
from switchpoint.core.model import Model
from switchpoint.core.prices import ListPrice, list_price
from switchpoint.core.protocols import Upstream
from switchpoint.upstreams import UPSTREAMS

T = TypeVar("T")

OVER_HTTP = (OpenAIUpstream, AnthropicUpstream, GeminiUpstream, AnyLLMUpstream)
"""Sections whose keys are the arguments of the class of their kind."""

SingleUpstream = OpenAIUpstream | AnthropicUpstream | GeminiUpstream | AnyLLMUpstream | FakeUpstream | ReplayUpstream

NO_PRICE = ListPrice(
    input_usd_per_mtok=None, cached_input_usd_per_mtok=None, output_usd_per_mtok=None, context_tokens=None, source=""
)


def catalog_of(config: Config) -> Catalog:
    """Make the catalog: what the configuration says, and list prices where it is silent."""
    return Catalog(_model(config, model, section) for model, section in config.models.items())


def _model(config: Config, id: str, section: ModelSection) -> Model:
    upstream = config.upstreams[section.upstream]
    name = section.upstream_model or id
    stated = any(p is not None for p in (section.input_usd_per_mtok, section.output_usd_per_mtok, section.usd_per_hour))
    base_url = upstream.base_url if isinstance(upstream, OVER_HTTP) else None
    listed = (list_price(name, base_url) if base_url else None) or NO_PRICE
    prices = NO_PRICE if stated else listed
    return Model(
        id=id,
        upstream=section.upstream,
        upstream_model=name,
        parameters=section.parameters,
        preamble=tuple(section.preamble),
        samples=section.samples,
        input_usd_per_mtok=_first(section.input_usd_per_mtok, prices.input_usd_per_mtok),
        cached_input_usd_per_mtok=_first(section.cached_input_usd_per_mtok, prices.cached_input_usd_per_mtok),
        cache_write_usd_per_mtok=_first(section.cache_write_usd_per_mtok, prices.cache_write_usd_per_mtok),
        output_usd_per_mtok=_first(section.output_usd_per_mtok, prices.output_usd_per_mtok),
        usd_per_hour=section.usd_per_hour,
        context_tokens=_first(section.context_tokens, listed.context_tokens),
        can=None if section.can is None else frozenset(section.can),
        tier=section.tier,
        output_tokens=section.output_tokens,
        max_output_tokens=section.max_output_tokens,
        retires=section.retires,
    )


def _first(stated: T | None, listed: T | None) -> T | None:
    return listed if stated is None else stated


def upstreams_of(config: Config) -> dict[str, Upstream]:
    """Make the upstreams; nothing is called yet."""
    sections = config.upstreams.items()
    made = {name: _upstream(name, section) for name, section in sections if not isinstance(section, BalancedUpstream)}
    return {**made, **balanced(config, made)}


def _upstream(name: str, section: SingleUpstream) -> Upstream:
    from switchpoint.upstreams.sampling import Sampling

    if isinstance(section, OVER_HTTP):
        module, _, named = UPSTREAMS[section.kind].partition(":")
        vendor = getattr(import_module(module), named)
        settings = section.model_dump(exclude={"kind", "api_key_env", *POOLED})
        return Sampling(pooled(name, section, lambda key: vendor(name, api_key=key, **settings)))
    if isinstance(section, FakeUpstream):
        from switchpoint.upstreams.fake import Fake

        return Sampling(Fake(section.script, latency_s=section.latency_s, name=name))
    from switchpoint.upstreams.replay import Replay

    return Replay.from_jsonl(section.data, time_scale=section.time_scale, name=name)
