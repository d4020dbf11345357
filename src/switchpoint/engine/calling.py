"""Calling: one call of a model, from its request to the chunks that come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from switchpoint.core.attempt import Failure
from switchpoint.core.decision import Call
from switchpoint.core.errors import BadAnswer, RequestError, UpstreamError
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.engine.draft import Draft

if TYPE_CHECKING:
    from switchpoint.engine.engine import Engine

CANCELLED = Failure(kind="Cancelled", message="the caller went away")


class OpenCall:
    """A call under way: the number that its attempt has or will have, its draft, and the rest of its answer."""

    __slots__ = ("_query", "_rest", "_upstream", "draft", "model", "number")

    def __init__(
        self, number: int, model: Model, draft: Draft, upstream: Upstream, query: Query, *, stream: bool
    ) -> None:
        self.number, self.model, self.draft = number, model, draft
        self._upstream, self._query = upstream, query
        self._rest = upstream.stream(model, query) if stream else None

    async def read(self) -> bool:
        """Read a piece of the answer into the draft; return whether there may be more."""
        if self._rest is None:
            self.draft.whole(await self._upstream.complete(self.model, self._query))
            return False
        chunk = await anext(self._rest, None)
        if chunk is not None:
            self.draft.add(chunk)
        return chunk is not None

    async def close(self) -> None:
        """End the call."""
        if self._rest is not None:
            await self._rest.aclose()


def begin(engine: Engine, call: Call, query: Query, number: int, *, stream: bool) -> OpenCall:
    """Return the call of a query as it is sent; nothing happens until it is read."""
    model = engine.catalog[call.decision.model]
    draft = Draft(call, model, engine.clock, whole_only=_needs_whole(query), max_held_bytes=engine.max_held_bytes)
    return OpenCall(number, model, draft, engine.upstreams[model.upstream], query, stream=stream)


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


def _needs_whole(query: Query) -> bool:
    """Whether half an answer is of no use: tools may be called, or a form is asked for."""
    asked = query.parameters
    form = asked.get("response_format")
    plain = form is None or (isinstance(form, Mapping) and form.get("type") == "text")
    return not plain or bool(query.needs & {"tools", "json_schema"} or asked.get("tools") or asked.get("functions"))
