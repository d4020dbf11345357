"""Sections of what is done when upstreams fail: their health, their keys, hedging."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from switchpoint.config.section import Section, Share


class HealthSection(Section):
    """When an upstream or a model of it is shut for a while, and how quickly what was seen is forgotten."""

    enabled: bool = True
    failures: PositiveInt = 5
    error_rate: Share = 0.5
    min_calls: PositiveInt = 20
    window_s: PositiveFloat = 30.0
    open_s: PositiveFloat = 5.0
    max_open_s: PositiveFloat = 120.0
    share_every_s: NonNegativeFloat = 1.0


class PooledUpstream(Section):
    """What every upstream has that is called over HTTP: several keys, and what is done about a slow call."""

    api_keys_env: list[str] = []
    first_content_timeout_s: PositiveFloat | None = None
    hedge_after_s: Annotated[float, Field(gt=0)] | Literal["p95"] | None = None
    hedge_share: Share = 0.05

    @model_validator(mode="after")
    def _one_way_to_give_keys(self) -> Self:
        if self.api_keys_env and getattr(self, "api_key_env", None) is not None:
            raise ValueError("api_key_env and api_keys_env are both given. Name all keys in api_keys_env.")
        if len(set(self.api_keys_env)) < len(self.api_keys_env):
            raise ValueError("api_keys_env names a variable twice. Name each key once.")
        return self


class BalancedUpstream(Section):
    """Several upstreams that serve the same models under the same names; each call goes to the quicker of two."""

    kind: Literal["balanced"]
    upstreams: Annotated[list[str], Field(min_length=1)]


POOLED = frozenset(PooledUpstream.model_fields)
"""Keys of an upstream's section that are not its class's own settings."""
