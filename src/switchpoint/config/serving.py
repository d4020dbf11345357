"""Sections of how calls are made, recorded and served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from switchpoint.config.inputs import InputSection
from switchpoint.config.section import Section


class EngineSection(Section):
    """How calls are made, and where a query goes when deciding fails."""

    default_model: str | None = None
    baseline_model: str | None = None
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    backoff_s: NonNegativeFloat = 0.5
    retry_share: NonNegativeFloat = 0.2
    retry_burst: Annotated[float, Field(ge=1)] = 10.0
    max_attempts: PositiveInt = 10
    verify_time_box_s: PositiveFloat = 10.0
    max_held_mb: PositiveFloat = 1.0


class RecordsSection(Section):
    """Whether and where records are kept; prompts and answers are in them only if `store_prompts` says so."""

    enabled: bool = True
    path: Path = Path("switchpoint-data/records.sqlite")
    store_prompts: bool = False


class GatewaySection(InputSection):
    """Where the gateway listens, and what `auto` stands for."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    auto: str | None = None
    heartbeat_s: NonNegativeFloat = 10.0
    max_concurrent: PositiveInt | None = None
    max_queue: Annotated[int, Field(ge=0)] = 100
    queue_timeout_s: NonNegativeFloat = 10.0
    linger_s: NonNegativeFloat = 0.0
    grace_s: NonNegativeFloat = 30.0
