"""The management listener of a configuration, and what makes it read itself again: a signal, a request, the file."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from switchpoint.assembly.reload import Live
from switchpoint.config.management import ManagementSection
from switchpoint.control.database import Database
from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import BudgetStore
from switchpoint.core.errors import ConfigError
from switchpoint.core.health import Health
from switchpoint.core.principal import Permission
from switchpoint.gateway import app as gateway
from switchpoint.gateway.listening import listening
from switchpoint.gateway.management.access import hosts_of
from switchpoint.gateway.management.app import Management, create_management_app
from switchpoint.gateway.management.keys import KeyManagement

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def token_of(section: ManagementSection) -> str:
    """Return the token of the listener: of the environment where one is named, else a new one of 256 bits."""
    if section.token_env is None:
        return secrets.token_urlsafe(32)
    token = os.environ.get(section.token_env, "").strip()
    if len(token) < 16:
        raise ConfigError(
            f"management.token_env: {section.token_env} must hold at least 16 characters; it holds {len(token)}. "
            "Set it, or leave token_env out for a new token at every start."
        )
    return token


def management_app(live: Live, token: str) -> ASGIApp:
    """Return the application of the management listener over whatever is served at the moment."""
    section = live.switchpoint.config.management
    keys = KeyManagement(lambda: KeyStore(_database(live)), lambda: BudgetStore(_database(live)))
    paths = [*Management(live, lambda: _health(live)).paths(), *keys.paths(), *_pages(live)]
    return live.counted(
        create_management_app(live.current, paths, token, hosts_of(section.host, section.allowed_hosts))
    )


def served(live: Live, beside: AbstractAsyncContextManager[object] | None = None) -> ASGIApp:
    """Return the gateway over whatever is served at the moment."""
    return live.counted(gateway.create_app(live.current, beside=beside, on_close=live.close))


@asynccontextmanager
async def beside(live: Live, token: str, listener: socket.socket | None, path: Path | None) -> AsyncIterator[None]:
    """Serve the management listener, and reload when asked to, for as long as the block runs.

    listener : None where it is not enabled. path : the configuration file, None where there is none.
    """
    section = live.switchpoint.config.management
    async with AsyncExitStack() as stack:
        if listener is not None:
            await stack.enter_async_context(listening(management_app(live, token), listener))
        if path is not None:
            stack.enter_context(_on_hangup(live))
        if path is not None and section.reload_on_change:
            await stack.enter_async_context(watching(live, path, section.watch_s))
        yield


@contextmanager
def _on_hangup(live: Live) -> Iterator[None]:
    """Reload on SIGHUP, where signals can be listened to: on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def reload() -> None:
        task = asyncio.create_task(live.try_reload("signal"))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


@asynccontextmanager
async def watching(live: Live, path: Path, every_s: float) -> AsyncIterator[None]:
    """Reload whenever the file has changed, looking at it every so many seconds."""
    task = asyncio.create_task(_watch(live, path, every_s))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(live: Live, path: Path, every_s: float) -> None:
    seen = await asyncio.to_thread(_stamp, path)
    while True:
        await asyncio.sleep(every_s)
        found = await asyncio.to_thread(_stamp, path)
        if found is not None and found != seen:
            await live.try_reload("file")
        seen = found or seen


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does, None while there is none: an editor replaces it in two steps."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _health(live: Live) -> Mapping[str, Health]:
    report = live.switchpoint.engine.health
    return {} if report is None else report()


def _database(live: Live) -> Database:
    return live.switchpoint.access.database(live.switchpoint.config.access)


def _pages(live: Live) -> list[gateway.Path]:
    """Return the pages over the records, which outlive every reload."""
    from switchpoint.dashboard.app import routes
    from switchpoint.records.reader import RecordReader

    log = live.switchpoint.log
    pages = [] if log is None else routes(RecordReader(log.path))
    return [gateway.Path(page.path, "GET", Permission.RECORDS, page.app) for page in pages]
