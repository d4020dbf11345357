"""Cached: an upstream around another that gives the same answer again to exactly the same request.

Deciding has happened by then, so every request is still routed, admitted and recorded; only the call is spared.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

import msgspec

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.model import Model, Usage
from switchpoint.core.protocols import KeyValue, Upstream
from switchpoint.core.query import Query

VERSION = 1
"""Of what keys are made of and of what is kept; whatever another version has kept is not found."""

MAX_ANSWER_BYTES = 1_000_000
"""A longer answer is not kept."""

TENANT, ROUTE, CACHE = "tenant", "route", "cache"
"""Tags of a query that are read here: whose it is, what was asked for, and "off" for an answer of its own."""

_TOOL_CALL = re.compile(rb'"tool_calls"\s*:\s*\[\s*\{|"function_call"\s*:\s*\{')
_ANSWER = msgspec.msgpack.Decoder(Answer)
_CHUNKS = msgspec.msgpack.Decoder(list[Chunk])


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be kept")


_PACK = msgspec.msgpack.Encoder(enc_hook=_plain)
_JSON = msgspec.json.Encoder(enc_hook=_plain)


class Cached:
    """Keeps answers by everything that they depend on; see `key`.

    ttl_s : how long an answer is kept. routes, models : which are cached; None is all.
    sampled : whether answers are kept that are drawn at random: without it a request is cached only if its temperature
        is 0, and one that sets none is not, since most vendors then draw.

    Never kept: failures, streams that broke off or were left, answers that do not end with "stop" or call a tool. Never
    looked up: conversations in which tools were called, `n` above 1, queries tagged `cache` "off". An answer that is
    found costs nothing and says so (`Usage.cost_usd`, `cached`); a stream is the same chunks, at once.

    Requests that come while the first one is still being answered are not held back: each is called.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: KeyValue,
        *,
        ttl_s: float,
        routes: Collection[str] | None = None,
        models: Collection[str] | None = None,
        sampled: bool = False,
    ) -> None:
        self.upstream = upstream
        self._store = store
        self._ttl_s = ttl_s
        self._routes, self._models, self._sampled = routes, models, sampled

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the answer that is kept, else the upstream's; raises UpstreamError."""
        name = self._name(model, query, stream=False)
        if name is None:
            return await self.upstream.complete(model, query)
        kept: Answer | None = await self._find(name, _ANSWER)
        if kept is not None:
            return replace(kept, usage=_free(kept.usage), cached=True)
        answer = await self.upstream.complete(model, query)
        if answer.finish_reason == "stop" and not _calls_tool(answer.body):
            await self._keep(name, answer)
        return answer

    def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the chunks that are kept, else the upstream's as they come; raises UpstreamError."""
        name = self._name(model, query, stream=True)
        return self.upstream.stream(model, query) if name is None else self._stream(name, model, query)

    async def close(self) -> None:
        """Release the connections of the upstream inside; the store is not its own."""
        await self.upstream.close()

    async def _stream(self, name: str, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        kept = await self._find(name, _CHUNKS)
        for chunk in kept or ():
            yield replace(chunk, usage=_free(chunk.usage), cached=True)
        if kept:
            return
        seen: list[Chunk] = []
        async with aclosing(self.upstream.stream(model, query)) as chunks:
            async for chunk in chunks:
                seen.append(chunk)
                yield chunk
        if whole(seen):
            await self._keep(name, seen)

    def _name(self, model: Model, query: Query, *, stream: bool) -> str | None:
        """Return the key of a request, None for one whose answer is not cached."""
        if self._models is not None and model.id not in self._models:
            return None
        if self._routes is not None and query.tags.get(ROUTE) not in self._routes:
            return None
        parameters = {**query.parameters, **model.parameters}
        if not (self._sampled or _is_zero(parameters.get("temperature"))) or parameters.get("n") not in (None, 1):
            return None
        if query.tags.get(CACHE) == "off" or any(_uses_tool(message) for message in query.messages):
            return None
        return key(model, query, stream=stream)

    async def _find(self, name: str, decoder: Any) -> Any:
        data = await self._store.get(name)
        try:
            return None if data is None else decoder.decode(data)
        except (msgspec.MsgspecError, ValueError):
            return None  # damaged, or not ours: it will be replaced

    async def _keep(self, name: str, value: object) -> None:
        try:
            data = _PACK.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return
        if len(data) <= MAX_ANSWER_BYTES:
            await self._store.set(name, data, self._ttl_s)


def key(model: Model, query: Query, *, stream: bool) -> str | None:
    """Return the key of a request: SHA-256 over a JSON array of everything that its answer depends on.

    The version; whether it is streamed; tenant and route; the model with all that defines it; the messages, system
    prompt included; the parameters, tools included. Parameters are sorted by name; inside them and in messages the
    order stays as it was sent, since the order of a schema's properties changes answers.

    None where JSON cannot hold it.
    """
    made_of = [
        VERSION,
        stream,
        query.tags.get(TENANT),
        query.tags.get(ROUTE),
        [model.id, model.upstream, model.upstream_model, _sorted(model.parameters), model.preamble, model.samples],
        query.messages,
        _sorted(query.parameters),
    ]
    try:
        return f"answer:{sha256(_JSON.encode(made_of)).hexdigest()}"
    except (TypeError, ValueError, RecursionError):
        return None


def whole(chunks: Sequence[Chunk]) -> bool:
    """Whether chunks are a whole answer that may be kept: it ends with "stop", and no tool is called."""
    finished = [chunk.finish_reason for chunk in chunks if chunk.finish_reason is not None]
    return finished == ["stop"] and not any(_TOOL_CALL.search(chunk.data) for chunk in chunks)


def _free(usage: Usage | None) -> Usage:
    return replace(usage or Usage(), cost_usd=Decimal(0))


def _sorted(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(parameters.items(), key=lambda item: item[0])


def _is_zero(temperature: object) -> bool:
    return isinstance(temperature, int | float) and not isinstance(temperature, bool) and temperature == 0


def _uses_tool(message: Mapping[str, Any]) -> bool:
    return message.get("role") in ("tool", "function") or bool(
        message.get("tool_calls") or message.get("function_call")
    )


def _calls_tool(body: Mapping[str, Any]) -> bool:
    return any(_uses_tool(choice.get("message") or {}) for choice in body.get("choices", ()))
