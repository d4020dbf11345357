"""Switchpoint: everything that a configuration describes, wired and ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from prometheus_client import CollectorRegistry

from switchpoint.assembly.parts import catalog_of, upstreams_of
from switchpoint.assembly.preparations import Preparations
from switchpoint.assembly.strategies import Strategies
from switchpoint.assembly.verifiers import Verifiers
from switchpoint.config.read import load, parse
from switchpoint.config.schema import Config
from switchpoint.core.decision import Decision
from switchpoint.core.errors import RequestError
from switchpoint.core.principal import Permission
from switchpoint.core.query import Query, text_id
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine
from switchpoint.records.log import RecordLog
from switchpoint.records.sinks import fan_out
from switchpoint.records.telemetry import Metrics

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from switchpoint.gateway.service import Service

Conversation = str | Sequence[Mapping[str, Any]]
"""A prompt, or messages in OpenAI's form."""


class Switchpoint:
    """Decide, call, remember.

    As a context manager it flushes its records at the end. `route` only decides and calls nothing; `prepared_route`
    decides as `run` does, after asking whom the router asks first.

    Raises ConfigError with every fault, ArtifactError for an artifact that cannot serve.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.catalog = catalog_of(config)
        strategies = Strategies(config, self.catalog)
        self.routes = strategies.routes()
        self.auto = strategies.auto()
        self.evidence = strategies.evidence
        self.metrics = Metrics(CollectorRegistry())
        self.log = RecordLog(config.records.path) if config.records.enabled else None
        upstreams = upstreams_of(config)
        self._preparations = Preparations(config, self.catalog, upstreams)
        self._verifiers = Verifiers(config, self.catalog, upstreams)
        self.engine = Engine(
            catalog=self.catalog,
            upstreams=upstreams,
            preparations=self._preparations.by_strategy,
            sink=fan_out(*([] if self.log is None else [self.log]), self.metrics, strategies.budgets, strategies.caps),
            default_model=strategies.default,
            verifiers=self._verifiers.by_name,
            baseline_model=config.engine.baseline_model or strategies.default,
            config=config.digest(),
            artifact=self.evidence.digest(),
            store_prompts=config.records.store_prompts,
            max_attempts=config.engine.max_attempts,
            verify_time_box_s=config.engine.verify_time_box_s,
            max_held_bytes=int(config.engine.max_held_mb * 1_000_000),
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a configuration file and wire what it describes."""
        return cls(load(Path(path)))

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> Self:
        """Wire a configuration given as a mapping, with the same keys as the file."""
        return cls(parse(configuration))

    def route(self, conversation: Conversation, route: str = "auto") -> Decision:
        """Decide which model should answer; raises UnknownModel for a route that is none, NoEligibleModel."""
        return self.engine.decide(self.routes.resolve(route), query_of(conversation))

    async def prepared_route(self, conversation: Conversation, route: str = "auto") -> Decision:
        """Decide as `route` does, on a query that is prepared: a router with a rater has asked it. Raises likewise."""
        strategy = self.routes.resolve(route)
        return self.engine.decide(strategy, await self.engine.prepare(strategy, query_of(conversation)))

    async def run(self, conversation: Conversation, route: str = "auto") -> Record:
        """Decide, call and record; the answer is `record.answer`. Raises NoAnswer when every attempt failed."""
        return await self.engine.run(self.routes.resolve(route), query_of(conversation), route=route)

    def app(self) -> Starlette:
        """Return the gateway over this, with the pages of the records: an ASGI application for any server."""
        from switchpoint.dashboard.app import routes
        from switchpoint.gateway.app import Path, create_app
        from switchpoint.records.reader import RecordReader

        service = self.service()
        pages = [] if self.log is None else routes(RecordReader(self.log.path))
        extra = [Path(page.path, "GET", Permission.RECORDS, page.app) for page in pages]
        return create_app(lambda: service, extra_paths=extra, on_close=self._disconnect)

    def service(self) -> Service:
        """Return what the gateway serves."""
        from switchpoint.gateway.service import Service

        return Service(
            engine=self.engine,
            routing=self.routes,
            add_feedback=self._add_feedback,
            metrics=self.metrics.render,
            max_body_bytes=int(self.config.gateway.max_body_mb * 1_000_000),
            heartbeat_s=self.config.gateway.heartbeat_s,
        )

    def close(self) -> None:
        """Write out what is recorded."""
        if self.log is not None:
            self.log.close()

    async def aclose(self) -> None:
        """Release the connections, then write out what is recorded."""
        await self._disconnect()
        self.close()

    async def _disconnect(self) -> None:
        await self.engine.close()
        await self._preparations.close()
        await self._verifiers.close()

    def _add_feedback(self, feedback: Feedback) -> None:
        if self.log is None:
            raise RequestError("Records are not kept (records.enabled is false), so there is nothing to say this of.")
        self.log.add_feedback(feedback)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def query_of(conversation: Conversation) -> Query:
    """Return the query of a prompt or of messages; its id is the hash of what is asked."""
    if isinstance(conversation, str):
        return Query.of(conversation)
    messages = tuple(conversation)
    return Query(id=text_id(repr(messages)), messages=messages)
