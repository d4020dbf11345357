"""The real servers, for every test of this room."""

from tests.stores.servers import postgres_server, redis_server, running_postgres, running_redis

__all__ = ["postgres_server", "redis_server", "running_postgres", "running_redis"]
