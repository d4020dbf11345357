"""What replicas share: the stores that the environment names, and what stands in for them on one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from switchpoint.config.schema import Config
from switchpoint.config.serving import RecordsSection
from switchpoint.config.stores import StoresSection
from switchpoint.core.errors import StoreUnavailable
from switchpoint.core.protocols import KeyValue
from switchpoint.records.database import BUSY_TIMEOUT_S, Database, SqliteFile
from switchpoint.records.log import RecordLog
from switchpoint.records.postgres import PostgresDatabase
from switchpoint.stores.memory import Memory
from switchpoint.stores.postgres import Postgres
from switchpoint.stores.redis import Redis

MEMORY_BYTES = 16 << 20


class Stores:
    """The stores of a process: one PostgreSQL and one Redis for all that uses them. They outlive a reload.

    postgres, redis : None where the environment names none. Nothing is connected before it is used.
    Raises ConfigError for a URL that is none.
    """

    def __init__(self, section: StoresSection, environment: Mapping[str, str] = os.environ) -> None:
        database_url, redis_url = (environment.get(name) for name in (section.database_url_env, section.redis_url_env))
        self.postgres = Postgres(database_url) if database_url else None
        self.redis = Redis(redis_url) if redis_url else None

    def key_value(self, max_bytes: int = MEMORY_BYTES) -> KeyValue:
        """Return a place for sessions, cached answers or health: Redis, or up to so much of this process's memory."""
        return Memory(max_bytes) if self.redis is None else self.redis

    def record_database(self, section: RecordsSection) -> Database:
        """Return where records are kept."""
        if self.postgres is None:
            return SqliteFile(section.path, BUSY_TIMEOUT_S)
        return PostgresDatabase(self.postgres)

    def record_log(self, section: RecordsSection) -> RecordLog | None:
        """Return the record log, None where records are not kept; what PostgreSQL cannot take waits in a file."""
        if not section.enabled:
            return None
        return RecordLog(self.record_database(section), spool=None if self.postgres is None else spool_path(section))

    async def answering(self) -> dict[str, bool | None]:
        """Return by name whether a store answers now, None for one that is not used; nothing in them is changed."""
        return {"postgresql": await _answers(self.postgres), "redis": await _answers(self.redis)}

    async def disconnect(self) -> None:
        """Close the connections of the running loop; the stores can be used again."""
        for store in (self.postgres, self.redis):
            if store is not None:
                await store.close()


async def _answers(store: Postgres | Redis | None) -> bool | None:
    if store is None:
        return None
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    finally:
        await store.close()
    return True


def record_database(config: Config) -> Database:
    """Return where a configuration's records are kept, to read them; raises ConfigError for a URL that is none."""
    return Stores(config.stores).record_database(config.records)


def spool_path(section: RecordsSection) -> Path:
    """Return the file for the records that PostgreSQL cannot take: beside where they would be without it."""
    return section.path.with_suffix(".spool")
