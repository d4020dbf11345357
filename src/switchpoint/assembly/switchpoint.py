"""Switchpoint: everything that a configuration describes, wired and ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from switchpoint.assembly.access import Access, active
from switchpoint.assembly.cache import with_cache, with_routes
from switchpoint.assembly.embeddings import RoutesAndEndpoints, close_all, passing_on
from switchpoint.assembly.inputs import input_limits
from switchpoint.assembly.observability import Observability
from switchpoint.assembly.parts import catalog_of, upstreams_of
from switchpoint.assembly.preparations import Preparations
from switchpoint.assembly.resilience import Resilience
from switchpoint.assembly.sessions import conversing, remembered, sessions_of
from switchpoint.assembly.stores import Stores
from switchpoint.assembly.strategies import Strategies
from switchpoint.assembly.verifiers import Verifiers
from switchpoint.config.read import load, parse
from switchpoint.config.schema import Config
from switchpoint.control.conversations.sessions import Sessions
from switchpoint.core.decision import Decision
from switchpoint.core.errors import RequestError
from switchpoint.core.protocols import Gate, KeyValue, Sink
from switchpoint.core.query import Query, text_id
from switchpoint.core.record import Feedback, Record
from switchpoint.engine.engine import Engine
from switchpoint.records.log import RecordLog
from switchpoint.records.sinks import fan_out

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from switchpoint.gateway.service import Service

Conversation = str | Sequence[Mapping[str, Any]]
"""A prompt, or messages in OpenAI's form."""


class Switchpoint:
    """Decide, call, remember.

    As a context manager it flushes its records at the end. `route` only decides and calls nothing; `prepared_route`
    decides as `run` does, after asking whom the router asks first.

    after : whose place this takes: its records and metrics go on here.
    Raises ConfigError with every fault, ArtifactError for an artifact that cannot serve.
    """

    def __init__(self, config: Config, *, after: Switchpoint | None = None) -> None:
        self.config = config
        self.catalog = catalog_of(config)
        self.strategies: Strategies = Strategies(config, self.catalog, None if after is None else after.strategies)
        strategies = self.strategies
        self.routes = strategies.routes(conversing(config, self.catalog, strategies.strategy))
        self.auto = strategies.auto()
        self.evidence = strategies.evidence
        self.observability: Observability = Observability(
            config, self.catalog, None if after is None else after.observability
        )
        self.metrics = self.observability.metrics
        self.stores: Stores = Stores(config.stores) if after is None else after.stores
        self.log: RecordLog | None = self.stores.record_log(config.records) if after is None else after.log
        self.access: Access = Access(self.stores) if after is None else after.access
        self.metrics.watch_budgets(self.access.left_usd)
        max_cached_bytes = int(config.cache.max_mb * 1_000_000)
        self.answers: KeyValue = self.stores.key_value(max_cached_bytes) if after is None else after.answers
        self.conversations: KeyValue = self.stores.key_value() if after is None else after.conversations
        self.sessions: Sessions | None = sessions_of(
            config.sessions, self.conversations, None if after is None else after.sessions
        )
        self.resilience: Resilience = Resilience(config, None if after is None else after.resilience)
        self.resilience.watched_by(self.metrics)
        upstreams = self.resilience.observed(upstreams_of(config))
        self._preparations = Preparations(config, self.catalog, upstreams)
        self._embeddings = passing_on(config)
        self._verifiers = Verifiers(config, self.catalog, upstreams)
        self.engine = Engine(
            catalog=self.catalog,
            upstreams=with_cache(config.cache, upstreams, self.answers),
            preparations=remembered(self._preparations.by_strategy, self.sessions, self._strategy_names()),
            sink=fan_out(
                *self._log_sinks(), *self.observability.sinks, strategies.budgets, strategies.caps, *self._memory()
            ),
            default_model=strategies.default,
            verifiers=self._verifiers.by_name,
            baseline_model=config.engine.baseline_model or strategies.default,
            config=config.digest(),
            artifact=self.evidence.digest(),
            store_prompts=config.records.store_prompts,
            max_attempts=config.engine.max_attempts,
            verify_time_box_s=config.engine.verify_time_box_s,
            max_held_bytes=int(config.engine.max_held_mb * 1_000_000),
            health=self.resilience.report(self.conversations),
            retries=self.resilience.retries,
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
        """Return the gateway over this: an ASGI application for any server."""
        from switchpoint.gateway.app import create_app

        service = self.service()
        return create_app(lambda: service, on_close=self.disconnect)

    def service(self) -> Service:
        """Return what the gateway serves."""
        from switchpoint.gateway.service import OpenGate, Service, nobody_minds

        return Service(
            engine=self.engine,
            routing=self.routes,
            add_feedback=self._add_feedback,
            metrics=self.metrics.render,
            check_feedback=self.access.may_judge(self.log) if active(self.config.access) else nobody_minds,
            gate=with_routes(self.config.cache, self._gate() or OpenGate()),
            trace_share=self.observability.trace_share,
            max_body_bytes=int(self.config.gateway.max_body_mb * 1_000_000),
            limits=input_limits(self.config.gateway),
            heartbeat_s=self.config.gateway.heartbeat_s,
            embeddings=self._embeddings,
        )

    def _strategy_names(self) -> set[str]:
        return {strategy.name for strategy in self.routes.routes.values()}.union(self.catalog.ids)

    def _memory(self) -> list[Sink]:
        return [] if self.sessions is None else [self.sessions]

    def close(self) -> None:
        """Write out what is recorded, and export what is traced."""
        if self.log is not None:
            self.log.close()
        self.observability.close()
        self.access.close()

    async def aclose(self) -> None:
        """Release the connections, then write out what is recorded."""
        await self.disconnect()
        self.close()

    async def disconnect(self) -> None:
        """Release every connection; they are opened again if needed."""
        await self.retire()
        await self.access.flush()
        await self.stores.disconnect()

    async def retire(self) -> None:
        """Release the connections that are its own; what a successor takes over stays open."""
        await self.resilience.close()
        await self.engine.close()
        await self._preparations.close()
        await close_all(self._embeddings)
        await self._verifiers.close()

    def _gate(self) -> Gate | None:
        routes = RoutesAndEndpoints(self.routes, self._embeddings) if self._embeddings else self.routes
        return self.access.gate(self.config.access, self.catalog, routes, self.resilience.door)

    def _log_sinks(self) -> Sequence[Sink]:
        if self.log is None:
            return ()
        self.metrics.watch(partial(getattr, self.log, "dropped"))
        return (self.log,)

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
