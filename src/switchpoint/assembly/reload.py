"""Reload: the configuration that is served, replaced whole and at once while requests go on."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from switchpoint.assembly.shown import shown
from switchpoint.assembly.switchpoint import Switchpoint
from switchpoint.config.schema import Config
from switchpoint.core.errors import ConfigError, RequestError, SwitchpointError
from switchpoint.engine.engine import utc_now
from switchpoint.gateway.management.app import Version
from switchpoint.gateway.service import Service

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_logger = logging.getLogger(__name__)

NEEDS_RESTART = (
    "gateway.host",
    "gateway.port",
    "gateway.linger_s",
    "gateway.grace_s",
    "gateway.max_head_kb",
    "gateway.max_headers",
    "gateway.arrival_timeout_s",
    "management.enabled",
    "management.host",
    "management.port",
    "management.token_env",
    "management.allowed_hosts",
    "management.reload_on_change",
    "management.watch_s",
    "records.enabled",
    "records.path",
    "stores.database_url_env",
    "stores.redis_url_env",
    "access.path",
    "access.admin_key_env",
    "access.when_unavailable",
    "cache.max_mb",
)
"""Keys that are read once: what they describe outlives a reload. A reload that changes one is refused."""

REMEMBERED = 20
"""Versions that can be gone back to."""


class Generation:
    """A wired configuration, and the requests that it serves at the moment."""

    def __init__(self, switchpoint: Switchpoint, version: Version) -> None:
        self.switchpoint = switchpoint
        self.service = switchpoint.service()
        self.version = version
        self._in_progress = 0
        self._ended: asyncio.Event | None = None  # only once it is waited for: this is on every request's way

    def enter(self) -> None:
        """Count a request that begins."""
        self._in_progress += 1

    def leave(self) -> None:
        """Count a request that has ended."""
        self._in_progress -= 1
        if self._ended is not None and self._in_progress == 0:
            self._ended.set()

    async def retire(self, grace_s: float) -> None:
        """Close the connections once the last request has ended, or after the grace."""
        self._ended = asyncio.Event()
        if self._in_progress == 0:
            self._ended.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._ended.wait()
        finally:  # also where there is no time to wait: the server stops
            await self.switchpoint.retire()


class Live:
    """The configuration that is served.

    read : reads the configuration again; None where there is nothing to read it from.

    A new one is wired beside the old, off the event loop, and takes its place in one assignment; a request is served to
    its end by the one that it began with. The record log, the metrics and whatever else `Switchpoint` takes over from
    its predecessor go on. Whatever goes wrong before the assignment changes nothing.
    """

    def __init__(self, switchpoint: Switchpoint, read: Callable[[], Config] | None = None) -> None:
        self._read = read
        self._changing = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()
        self._configs: deque[tuple[Version, Config]] = deque(maxlen=REMEMBERED)
        self._serve(self._wired(switchpoint, "start"))

    @property
    def switchpoint(self) -> Switchpoint:
        """What is served now."""
        return self._generation.switchpoint

    def current(self) -> Service:
        """Return the service of a request that comes now."""
        return self._generation.service

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Return the application with every request counted by the generation that serves it.

        Nothing may be awaited between here and `current()`, which guards ask first of all; else a reload in between
        would count the request for the generation before.
        """

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            generation = self._generation
            generation.enter()
            try:
                await app(scope, receive, send)
            finally:
                generation.leave()

        return counting

    def shown(self) -> Mapping[str, Any]:
        """Return the resolved configuration, without any secret."""
        return shown(self.switchpoint.config)

    def versions(self) -> Sequence[Version]:
        """Return what was served, the oldest first; the last is served now."""
        return [version for version, _ in self._configs]

    async def reload(self, source: str) -> Version:
        """Read the configuration again and serve it; raises ConfigError or ArtifactError, and then changes nothing."""
        if self._read is None:
            raise ConfigError("there is no configuration file to read again. Start with --config.")
        async with self._changing:
            return await self._replace(await asyncio.to_thread(self._read), source)

    async def rollback(self, number: int | None = None) -> Version:
        """Serve an earlier version again, the one before by default; the file is not changed.

        Raises RequestError for a version that is not remembered, and what `reload` raises.
        """
        async with self._changing:
            found = [config for version, config in self._configs if version.number == number]
            if number is None and len(self._configs) > 1:
                found = [self._configs[-2][1]]
            if not found:
                known = ", ".join(str(version.number) for version in self.versions())
                raise RequestError(f"There is no version {number} to go back to. Known: {known}.", "version")
            return await self._replace(found[0], f"rollback to {number or self._configs[-2][0].number}")

    async def try_reload(self, source: str) -> None:
        """Reload, and log what keeps it from happening: for triggers that nobody waits for."""
        try:
            await self.reload(source)
        except Exception as error:
            told = str(error) if isinstance(error, SwitchpointError) else type(error).__name__
            _logger.error("The configuration is not reloaded (%s), the old one is served: %s", source, told)

    async def close(self) -> None:
        """Release every connection, of what was replaced too."""
        for task in tuple(self._retiring):
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self.switchpoint.disconnect()

    async def _replace(self, config: Config, source: str) -> Version:
        old = self._generation
        refuse_restarts(old.switchpoint.config, config)
        self._serve(await asyncio.to_thread(lambda: self._wired(Switchpoint(config, after=old.switchpoint), source)))
        self._retire(old, config.management.grace_s)
        version = self._generation.version
        _logger.info("Configuration %s is version %d now (%s).", version.digest, version.number, source)
        return version

    def _wired(self, switchpoint: Switchpoint, source: str) -> Generation:
        """Return the next generation; it may block, since a gate that is new opens its database."""
        number = self._configs[-1][0].number + 1 if self._configs else 1
        version = Version(number=number, digest=switchpoint.config.digest(), at=utc_now(), source=source)
        return Generation(switchpoint, version)

    def _serve(self, generation: Generation) -> None:
        self._generation = generation
        self._configs.append((generation.version, generation.switchpoint.config))

    def _retire(self, old: Generation, grace_s: float) -> None:
        task = asyncio.create_task(old.retire(grace_s))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


def refuse_restarts(old: Config, new: Config) -> None:
    """Raise ConfigError for every key that has changed and cannot without a restart."""
    problems = [
        f"{key}: cannot change while the gateway runs. Got {_at(new, key)!r} after {_at(old, key)!r}. Restart it."
        for key in NEEDS_RESTART
        if _at(old, key) != _at(new, key)
    ]
    if problems:
        raise ConfigError(problems)


def _at(config: Config, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)
