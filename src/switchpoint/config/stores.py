"""The section of the stores that replicas share."""

from __future__ import annotations

from switchpoint.config.section import Section


class StoresSection(Section):
    """The environment variables that hold the stores' URLs; one that is not set is a store that is not used."""

    database_url_env: str = "DATABASE_URL"
    redis_url_env: str = "REDIS_URL"
