"""What replicas share: the stores that the environment names, and what stands in for them on one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from switchpoint.config.schema import Config
from switchpoint.config.serving import RecordsSection
from switchpoint.core.protocols import KeyValue
from switchpoint.records.database import BUSY_TIMEOUT_S, Database, SqliteFile
from switchpoint.records.log import RecordLog
from switchpoint.records.postgres import PostgresDatabase
from switchpoint.stores.memory import Memory
from switchpoint.stores.postgres import Postgres
from switchpoint.stores.redis import Redis

REDIS_URL = "REDIS_URL"
"""The variable that holds Redis's URL."""


def postgres(config: Config, environment: Mapping[str, str] = os.environ) -> Postgres | None:
    """Return the PostgreSQL that records share, None where there is none; raises ConfigError for a URL that is none."""
    url = environment.get(config.records.url_env)
    return Postgres(url) if url else None


def key_value(max_bytes: int = 64 << 20, environment: Mapping[str, str] = os.environ) -> KeyValue:
    """Return a place for sessions, cached answers or health: Redis, or up to so much of this process's memory.

    Raises ConfigError for a URL that is none.
    """
    url = environment.get(REDIS_URL)
    return Redis(url) if url else Memory(max_bytes)


async def disconnect(*stores: KeyValue) -> None:
    """Close the connections of the running loop; the stores can be used again."""
    for store in stores:
        if isinstance(store, Redis):
            await store.close()


def record_log(config: Config, environment: Mapping[str, str] = os.environ) -> RecordLog | None:
    """Return the record log, None where records are not kept; what PostgreSQL cannot take waits in a file beside it."""
    if not config.records.enabled:
        return None
    shared = postgres(config, environment)
    if shared is None:
        return RecordLog(config.records.path)
    return RecordLog(PostgresDatabase(shared), spool=spool_path(config.records))


def spool_path(section: RecordsSection) -> Path:
    """Return the file for the records that PostgreSQL cannot take: beside where they would be without it."""
    return section.path.with_suffix(".spool")


def record_database(config: Config, environment: Mapping[str, str] = os.environ) -> Database:
    """Return where records are kept, to read them; raises ConfigError for a URL that is none."""
    shared = postgres(config, environment)
    return SqliteFile(config.records.path, BUSY_TIMEOUT_S) if shared is None else PostgresDatabase(shared)
