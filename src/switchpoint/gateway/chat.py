"""POST /v1/chat/completions: the hot path, as a bare ASGI application."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Protocol

from starlette.types import Receive, Scope, Send

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import SwitchpointError
from switchpoint.core.protocols import Strategy
from switchpoint.engine.engine import Engine
from switchpoint.engine.run import Run
from switchpoint.gateway.caller import Attended, read_body
from switchpoint.gateway.errors import Header, error_object, shown
from switchpoint.gateway.event_stream import EventStream
from switchpoint.gateway.frames import DONE, Frames, error_event
from switchpoint.gateway.telling import cost, cut_short, encode, headers, identity, story
from switchpoint.gateway.wire import ChatRequest, parse

_logger = logging.getLogger(__name__)


class Routing(Protocol):
    """What a caller may name as `model`."""

    @property
    def routes(self) -> Mapping[str, Strategy]:
        """The named routes, in the order of their listing."""
        ...

    def resolve(self, name: str) -> Strategy:
        """Return the strategy for a name; raises RequestError (UnknownModel) where there is none."""
        ...


class Chat:
    """Answers chat completions, whole or streamed.

    Headers go out with the first committed piece of the answer, so that they tell the final decision and a failure
    before it is an HTTP error. A stream that has nothing to say for `heartbeat_s` begins early, with a heartbeat: its
    headers then name the run alone, and a failure is an event. When the caller goes away the run is closed: the call
    to the upstream ends and the record says "cancelled".
    """

    def __init__(self, engine: Engine, routing: Routing, max_body_bytes: int, heartbeat_s: float) -> None:
        self.engine = engine
        self.routing = routing
        self.max_body_bytes = max_body_bytes
        self.heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        run = None
        try:
            body = await read_body(receive, self.max_body_bytes)
            request = parse(body, scope["headers"], self.engine.catalog.ids)
            strategy = self.routing.resolve(request.route)
            run = self.engine.start(strategy, request.query, route=request.route, stream=request.stream)
            if request.stream:
                await _stream(request, run, receive, EventStream(send, self.heartbeat_s, identity(run)))
            else:
                await _whole(request, run, receive, send)
        except Exception as error:
            _log_unexpected(error)
            status, told, data = shown(error)
            await _respond(send, status, [*told, *(identity(run) if run else ())], data)


async def _whole(request: ChatRequest, run: Run, receive: Receive, send: Send) -> None:
    async with Attended(receive) as caller, aclosing(run.chunks()) as chunks:
        async for _ in chunks:
            pass
    if caller.gone:
        return
    decision, answer = run.decision, run.record.answer
    assert decision is not None and answer is not None
    body = {**answer.body, "model": decision.model}
    if request.explain:
        body["switchpoint"] = story(run)
    told = [(b"content-type", b"application/json"), *headers(run), *cut_short(run.record.accept_reason), *cost(run)]
    await _respond(send, 200, told, encode(body))


async def _stream(request: ChatRequest, run: Run, receive: Receive, events: EventStream) -> None:
    last = b""
    async with Attended(receive) as caller, events, aclosing(run.chunks()) as chunks:
        last = await _send_events(request, run, chunks, events)
    if not caller.gone:
        await events.end(last)


async def _send_events(
    request: ChatRequest, run: Run, chunks: AsyncGenerator[Chunk, None], events: EventStream
) -> bytes:
    """Send all but the end of the stream, which is returned: what was asked to be told and [DONE], or the error.

    Raises what goes wrong before anything was sent.
    """
    try:
        first = await anext(chunks)
        await events.begin([*headers(run), *cut_short(run.accept_reason)])
        assert run.decision is not None
        frames = Frames(run.decision.model, request.include_usage)
        await events.event(frames.event(first))
        async for chunk in chunks:
            event = frames.event(chunk)
            if event:
                await events.event(event)
        return (frames.story(story(run)) if request.explain else b"") + DONE
    except Exception as error:
        if not events.begun:
            raise
        _log_unexpected(error)
        return error_event(error_object(error))


async def _respond(send: Send, status: int, told: list[Header], data: bytes) -> None:
    told.append((b"content-length", b"%d" % len(data)))
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": data})


def _log_unexpected(error: Exception) -> None:
    if not isinstance(error, SwitchpointError):
        _logger.error("A chat completion failed unexpectedly.", exc_info=error)
