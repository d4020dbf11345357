"""Redis: the key-value store that replicas share, and scripts that run in it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from switchpoint.core.errors import ConfigError, StoreUnavailable
from switchpoint.stores.circuit import Circuit

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

PREFIX = "switchpoint:"
"""Of every key, so that a Redis may be shared with other programs."""


class Redis:
    """Keeps values in a Redis. As a key-value store it fails as if it were empty; `script` says that it failed.

    url : redis://, rediss:// or unix://; never shown. timeout_s : for connecting and for each answer. rest_s : for how
    long nobody tries after a failure. Raises ConfigError for a URL that is none, or without the extra `redis`.
    """

    def __init__(
        self, url: str, *, timeout_s: float = 0.25, rest_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._circuit = Circuit("Redis", rest_s, clock)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()
        self._errors: tuple[type[BaseException], ...] = _checked(url)

    async def get(self, key: str) -> bytes | None:
        """Return the value, None where there is none, it has expired, or Redis does not answer."""
        try:
            value: bytes | None = await self._ask("GET", PREFIX + key)
        except StoreUnavailable:
            return None
        return value

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for so long, at least a millisecond; it is lost if Redis does not answer."""
        await self._try("SET", PREFIX + key, value, "PX", max(1, round(ttl_s * 1000)))

    async def delete(self, key: str) -> None:
        """Forget a value; if Redis does not answer, it stays until it expires."""
        await self._try("DEL", PREFIX + key)

    async def script(self, lua: str, keys: Sequence[str], args: Sequence[str | bytes | int | float]) -> Any:
        """Run a Lua script in Redis, atomically; keys are given without PREFIX. Raises StoreUnavailable.

        What has been sent is never sent again: a script that failed may have run.
        """
        digest = _digest(lua)
        names = [PREFIX + key for key in keys]
        try:
            return await self._ask("EVALSHA", digest, len(names), *names, *args)
        except _UnknownScript:  # Redis has started anew, or never saw it: nothing has run
            return await self._ask("EVAL", lua, len(names), *names, *args)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless Redis answers."""
        await self._ask("PING")

    async def close(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _try(self, *command: Any) -> None:
        try:
            await self._ask(*command)
        except StoreUnavailable:
            return

    async def _ask(self, *command: Any) -> Any:
        from redis.exceptions import NoScriptError

        self._circuit.check()
        try:
            answer = await self._execute(command)
        except NoScriptError:
            raise _UnknownScript from None
        except self._errors as error:
            raise self._circuit.failed(error) from None  # its text names the address
        self._circuit.worked()
        return answer

    def _execute(self, command: tuple[Any, ...]) -> Awaitable[Any]:
        execute: Callable[..., Awaitable[Any]] = self._client().execute_command
        return execute(*command)

    def _client(self) -> Client:
        """Return the client of the running loop: connections cannot be used from another."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            found = self._clients[loop] = _connect(self._url, self._timeout_s)
        return found


class _UnknownScript(Exception):
    """Redis does not know the script of this digest."""


@functools.cache
def _digest(lua: str) -> str:
    return hashlib.sha1(lua.encode(), usedforsecurity=False).hexdigest()


def _checked(url: str) -> tuple[type[BaseException], ...]:
    """Return what the client raises when Redis does not answer; raises ConfigError for what can never work."""
    try:
        from redis.asyncio.connection import parse_url
        from redis.exceptions import RedisError
    except ImportError:
        raise ConfigError("Redis: its client is not installed. Run pip install 'switchpoint[redis]'.") from None
    try:
        parse_url(url)
    except ValueError:
        raise ConfigError(
            "Redis: the URL (not shown: it may hold a password) cannot be read. "
            "It begins with redis://, rediss:// or unix://, as in redis://localhost:6379/0."
        ) from None
    return RedisError, OSError, TimeoutError


def _connect(url: str, timeout_s: float) -> Client:
    """Return a client that never tries anything twice; a connection that died while idle is opened anew."""
    from redis.asyncio import Redis as Client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Client.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
