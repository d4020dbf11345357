"""The real servers, for the tests that kill them."""

from tests.stores.servers import postgres_server, redis_server, running_postgres, running_redis

__all__ = ["postgres_server", "redis_server", "running_postgres", "running_redis"]
