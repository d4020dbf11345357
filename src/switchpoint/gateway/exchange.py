"""Exchange: a request of any dialect for an answer of a model; the hot path, as a bare ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from switchpoint.core.attempt import Chunk
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.trace import enter
from switchpoint.dialects.dialect import Dialect, Json
from switchpoint.dialects.encoding import encode
from switchpoint.engine.run import Run
from switchpoint.gateway.answering import log_unexpected, refuse, respond, telling
from switchpoint.gateway.caller import Attended, read_body
from switchpoint.gateway.errors import error_object
from switchpoint.gateway.event_stream import EventStream
from switchpoint.gateway.guard import whose
from switchpoint.gateway.service import Service
from switchpoint.gateway.telling import cost, cut_short, headers, identity, story
from switchpoint.gateway.wire import ChatRequest, read_object, read_request

CACHE_HIT = ((b"x-switchpoint-cache", b"hit"),)
"""The header of an answer that was given before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller asked for: the body as it came, in his dialect, and what it means."""

    dialect: Dialect
    body: Json
    request: ChatRequest


class Exchange:
    """Answers the requests of one dialect, whole or streamed.

    Headers go out with the first committed piece of the answer, so that they tell the final decision and a failure
    before it is an HTTP error. A stream that has nothing to say for `heartbeat_s` begins early, with a heartbeat: its
    headers then name the run alone, and a failure is an event. When the caller goes away the run is closed: the call
    to the upstream ends and the record says "cancelled".
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service, principal = whose(scope)
        enter(scope["headers"], service.trace_share)
        run: Run | None = None
        try:
            asked = self._read(await read_body(receive, service.max_body_bytes), scope, service)
            strategy = service.routing.resolve(asked.request.route)
            admission = await service.gate.admit(principal, asked.request.route, asked.request.query)
            send = telling(send, admission.told)
            try:
                run = _run(service, strategy, admission.query, asked.request)
                if asked.request.stream:
                    events = EventStream(send, service.heartbeat_s, self.dialect.waiting, identity(run))
                    await _stream(asked, run, receive, events)
                else:
                    await _whole(asked, run, receive, send)
            finally:
                admission.settle(run.record if run is not None and run.ended else None)
        except Exception as error:
            await refuse(send, error, self.dialect, identity(run) if run else ())

    def _read(self, data: bytes, scope: Scope, service: Service) -> Asked:
        body = read_object(data, service.limits.max_depth)
        chat = self.dialect.request(body)
        return Asked(
            self.dialect, body, read_request(chat, scope["headers"], service.engine.catalog.ids, service.limits)
        )


def _run(service: Service, strategy: Strategy, query: Query, request: ChatRequest) -> Run:
    return service.engine.start(strategy, query, route=request.route, stream=request.stream)


async def _whole(asked: Asked, run: Run, receive: Receive, send: Send) -> None:
    async with Attended(receive) as caller, aclosing(run.chunks()) as chunks:
        async for _ in chunks:
            pass
    if caller.gone:
        return
    decision, answer = run.decision, run.record.answer
    assert decision is not None and answer is not None
    body = asked.dialect.answer({**answer.body, "model": decision.model}, asked.body)
    if asked.request.explain:
        body["switchpoint"] = story(run)
    told = [(b"content-type", b"application/json"), *headers(run), *cut_short(run.record.accept_reason), *cost(run)]
    told += CACHE_HIT if answer.cached else ()
    await respond(send, 200, told, encode(body))


async def _stream(asked: Asked, run: Run, receive: Receive, events: EventStream) -> None:
    last = b""
    async with Attended(receive) as caller, events, aclosing(run.chunks()) as chunks:
        last = await _send_events(asked, run, chunks, events)
    if not caller.gone:
        await events.end(last)


async def _send_events(asked: Asked, run: Run, chunks: AsyncGenerator[Chunk, None], events: EventStream) -> bytes:
    """Send all but the end of the stream, which is returned: what was asked to be told and the end, or the error.

    Raises what goes wrong before anything was sent.
    """
    writer = asked.dialect.writer("", asked.body)  # of a stream that fails before any model has begun
    try:
        first = await anext(chunks)
        hit = CACHE_HIT if first.cached else ()
        await events.begin([*headers(run), *cut_short(run.accept_reason), *hit])
        assert run.decision is not None
        writer = asked.dialect.writer(run.decision.model, asked.body)
        await events.event(writer.event(first))
        async for chunk in chunks:
            event = writer.event(chunk)
            if event:
                await events.event(event)
        return writer.end(_told(asked, run))
    except Exception as error:
        if not events.begun:
            raise
        log_unexpected(error)
        return writer.error(error_object(error))


def _told(asked: Asked, run: Run) -> Mapping[str, Any] | None:
    return story(run) if asked.request.explain else None
