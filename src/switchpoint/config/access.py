"""Sections of who may use the gateway: keys, budgets, limits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from switchpoint.config.section import Section

Name = Annotated[str, Field(min_length=1)]


class KeySection(Section):
    """A key that the configuration knows by its hash: `switchpoint keys create --hash` prints both."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    tenant: Name = "default"
    team: Name | None = None
    permissions: list[Literal["infer", "feedback", "metrics", "records", "admin"]] = ["infer", "feedback"]
    routes: list[str] | None = None
    models: list[str] | None = None
    expires: datetime | None = None


class Whose(Section):
    """Names exactly one key (by its id), team, tenant or route; "*" is each of them by itself."""

    key: Name | None = None
    team: Name | None = None
    tenant: Name | None = None
    route: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._named()) != 1:
            raise ValueError("must name one of key, team, tenant and route")
        return self

    def whose(self) -> tuple[str, str]:
        """Return the scope and the name."""
        return self._named()[0]

    def _named(self) -> list[tuple[str, str]]:
        named = (("key", self.key), ("team", self.team), ("tenant", self.tenant), ("route", self.route))
        return [(scope, name) for scope, name in named if name is not None]


class BudgetSection(Whose):
    """How much may be spent in a period, UTC."""

    usd: NonNegativeFloat
    per: Literal["hour", "day", "month", "total"] = "month"


class LimitSection(Whose):
    """How much may be asked for in a minute."""

    requests_per_min: PositiveFloat | None = None
    tokens_per_min: PositiveFloat | None = None
    usd_per_min: PositiveFloat | None = None


class AccessSection(Section):
    """Who may use the gateway, and how much."""

    required: bool = False
    open: bool = False
    path: Path = Path("switchpoint-data/control.sqlite")
    admin_key_env: str = "SWITCHPOINT_ADMIN_KEY"
    refresh_s: PositiveFloat = 5.0
    when_unavailable: Literal["local", "refuse"] = "local"
    keys: dict[str, KeySection] = {}
    budgets: list[BudgetSection] = []
    limits: list[LimitSection] = []
