"""The real servers, for the tests of what replicas share."""

from tests.stores.servers import postgres_server, redis_server, running_postgres, running_redis

__all__ = ["postgres_server", "redis_server", "running_postgres", "running_redis"]
