"""The section of the management listener: metrics, records, keys and the configuration itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat

from switchpoint.config.section import Section


class ManagementSection(Section):
    """Where operators are served, apart from callers, and when the configuration is read again.

    token_env : the environment variable that holds the token of the listener; one is made at the start if not given.
    allowed_hosts : names under which browsers may ask for it, beside its own address.
    reload_on_change, watch_s : whether the file is looked at, and every how many seconds.
    grace_s : how long requests in progress may use what a reload has replaced.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8081
    token_env: str | None = None
    allowed_hosts: list[str] = []
    reload_on_change: bool = False
    watch_s: PositiveFloat = 2.0
    grace_s: PositiveFloat = 600.0
