"""Sections of conversations: what is remembered of them, and when they may change their model."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from switchpoint.config.section import Section, Share


class HousekeepingSection(Section):
    """Calls that agents make for themselves: how they are known, and who answers them."""

    enabled: bool = True
    use: str | None = None
    system_contains: list[str] | None = None
    user_contains: list[str] | None = None
    max_tokens: PositiveInt = 1


class SessionsSection(Section):
    """Whether conversations keep their model, and when a switch pays."""

    enabled: bool = True
    margin: Share = 0.05
    willingness_usd: NonNegativeFloat | None = None
    idle_reset_s: PositiveFloat = 300.0
    rescue_after: PositiveInt = 2
    locks: list[Literal["tool_loop", "provider_state"]] = ["tool_loop", "provider_state"]
    fallback_in_tool_loop: bool = False
    keep_s: PositiveFloat = 86_400.0
    secret_env: str | None = None
    housekeeping: HousekeepingSection = HousekeepingSection()
