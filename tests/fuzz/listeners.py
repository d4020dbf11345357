"""Both listeners over one upstream of every kind, and how much of everything they hold."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from switchpoint.control.database import SqliteFile
from switchpoint.control.keystore import KeyStore
from switchpoint.control.spending.budgets import BudgetStore
from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import UnknownRecord
from switchpoint.core.health import Health
from switchpoint.core.model import Model
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine
from switchpoint.gateway.app import Path as Served
from switchpoint.gateway.app import create_app, paths
from switchpoint.gateway.management.app import Management, create_management_app, public_paths
from switchpoint.gateway.management.keys import KeyManagement
from switchpoint.gateway.serve import serving
from switchpoint.gateway.service import Service
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.routes import Routes
from switchpoint.upstreams.anthropic import Anthropic
from switchpoint.upstreams.gemini import Gemini
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from tests.fake_anthropic import FakeAnthropic
from tests.fake_gemini import FakeGemini
from tests.fake_openai import FakeOpenAI
from tests.gateway.test_management import TOKEN, Versions

KINDS = {
    "openai": (FakeOpenAI, OpenAICompatible),
    "anthropic": (FakeAnthropic, Anthropic),
    "gemini": (FakeGemini, Gemini),
}
SWIFT = ("ok", "tools", "error-event", "limited", "fails", "truncated", "hangs-up", "thinks", "broken-json")
"""What models do that are soon done with it, well or not."""

SILENT = ("stalls", "silent")
MODELS = tuple(f"{kind}/{name}" for kind in KINDS for name in SWIFT)


class Held(NamedTuple):
    """What the process holds while nothing is asked of it."""

    tasks: int
    fds: int
    objects: int


class Unforeseen(logging.Handler):
    """Remembers what was logged as an error: what nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@dataclass
class Listeners:
    """The addresses of both, and what can be looked at behind them."""

    servers: list[FakeOpenAI]
    records: list[Record] = field(default_factory=list)
    unforeseen: Unforeseen = field(default_factory=Unforeseen)
    loop: asyncio.AbstractEventLoop | None = None
    main: str = ""
    management: str = ""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        self.loop = asyncio.get_running_loop()
        yield

    def held(self) -> Held:
        """Count, once nothing changes any more or two seconds have passed."""
        found, end = self._count(), time.monotonic() + 2
        while time.monotonic() < end:
            time.sleep(0.1)
            last, found = found, self._count()
            if last[:2] == found[:2]:
                break
        return found

    def _count(self) -> Held:
        async def tasks() -> int:
            return len(asyncio.all_tasks())

        gc.collect()
        counted = asyncio.run_coroutine_threadsafe(tasks(), self.loop).result(5)
        return Held(counted, len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects()))


def management_paths(folder: Path) -> list[Served]:
    database = SqliteFile(folder / "keys.sqlite")
    own = Management(Versions(), lambda: {"openai/ok": Health(error_rate=0.5)})
    return [*own.paths(), *KeyManagement(lambda: KeyStore(database), lambda: BudgetStore(database)).paths()]


def all_paths() -> dict[str, list[Served]]:
    """Return every path of each listener."""
    own = [*Management(Versions(), dict).paths(), *KeyManagement(lambda: None, lambda: None).paths()]
    return {"main": paths(0), "management": [*public_paths(), *own]}


def service_of(listeners: Listeners, upstreams: dict[str, object]) -> Service:
    models = [
        Model(id=f"{kind}/{name}", upstream=kind, upstream_model=name) for kind in KINDS for name in (*SWIFT, *SILENT)
    ]
    catalog = Catalog(models)

    def judge(feedback: Feedback) -> None:
        if all(record.id != feedback.record_id for record in listeners.records):
            raise UnknownRecord(feedback.record_id)

    fixed = Fixed("fixed", catalog, "openai/ok")
    return Service(
        engine=Engine(catalog=catalog, upstreams=upstreams, sink=listeners.records.append, default_model="openai/ok"),
        routing=Routes(catalog, {"fixed": fixed}, "fixed", lambda model: Fixed("requested", catalog, model), {}),
        add_feedback=judge,
        metrics=lambda: b"switchpoint_queries_total 1.0\n",
        max_body_bytes=1_000_000,
    )


@contextmanager
def listening() -> Iterator[Listeners]:
    """Serve both while the block runs."""
    with ExitStack() as stack:
        servers = {kind: stack.enter_context(server()) for kind, (server, _) in KINDS.items()}
        upstreams = {
            kind: upstream(kind, servers[kind].base_url, first_byte_timeout_s=2, idle_timeout_s=2)
            for kind, (_, upstream) in KINDS.items()
        }
        listeners = Listeners(list(servers.values()))
        logging.getLogger().addHandler(listeners.unforeseen)
        stack.callback(logging.getLogger().removeHandler, listeners.unforeseen)
        service = service_of(listeners, upstreams)
        folder = Path(stack.enter_context(TemporaryDirectory()))
        main = create_app(lambda: service, beside=listeners.watched(), on_close=service.engine.close)
        listeners.main = stack.enter_context(serving(main))
        managed = create_management_app(lambda: service, management_paths(folder), TOKEN)
        listeners.management = stack.enter_context(serving(managed))
        yield listeners
