"""Calling: one call of a model, from its request to the chunks that come back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from switchpoint.core.attempt import Chunk, Failure
from switchpoint.core.decision import Call
from switchpoint.core.errors import BadAnswer, RequestError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.engine.draft import Draft

if TYPE_CHECKING:
    from switchpoint.engine.engine import Engine

CANCELLED = Failure(kind="Cancelled", message="the caller went away")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call under way: the number that its attempt has or will have, its draft, and the rest of its answer."""

    number: int
    model: Model
    draft: Draft
    rest: AsyncGenerator[Chunk, None]


def begin(engine: Engine, call: Call, query: Query, number: int, *, stream: bool) -> OpenCall:
    """Return the call of a query as it is sent; nothing happens until its rest is read."""
    model = engine.catalog[call.decision.model]
    draft = Draft(call, model, engine.clock, whole_only=_needs_whole(query), max_held_bytes=engine.max_held_bytes)
    return OpenCall(number=number, model=model, draft=draft, rest=_rest(engine, model, query, draft, stream=stream))


def sent(query: Query, call: Call) -> Query:
    """Return what a call sends: its own messages in place of the query's, its parameters over the query's."""
    if call.messages is None and not call.parameters:
        return query
    messages = query.messages if call.messages is None else call.messages
    return replace(query, messages=messages, parameters={**query.parameters, **call.parameters})


def failure_of(model: Model, error: Exception) -> Failure:
    """Return why a call failed; an upstream's bug is an attempt that failed, not the end of the run.

    A RequestError says that this upstream cannot carry the request: nothing was sent, and another one may carry it.
    """
    if isinstance(error, UpstreamError):
        return Failure.of(error)
    if isinstance(error, RequestError):
        return Failure(kind=RequestError.__name__, message=str(error))
    return Failure.of(BadAnswer(f"{model.upstream}: {type(error).__name__}: {error}"))


async def _rest(
    engine: Engine, model: Model, query: Query, draft: Draft, *, stream: bool
) -> AsyncGenerator[Chunk, None]:
    """Yield the chunks of a streamed answer; one in one piece goes into the draft as it is."""
    upstream = engine.upstreams[model.upstream]
    if not stream:
        draft.whole(await upstream.complete(model, query))
        return
    async with aclosing(upstream.stream(model, query)) as chunks:
        async for chunk in chunks:
            yield chunk


def _needs_whole(query: Query) -> bool:
    """Whether half an answer is of no use: tools may be called, or a form is asked for."""
    asked = query.parameters
    form = asked.get("response_format")
    plain = form is None or (isinstance(form, Mapping) and form.get("type") == "text")
    return not plain or bool(query.needs & {"tools", "json_schema"} or asked.get("tools") or asked.get("functions"))
