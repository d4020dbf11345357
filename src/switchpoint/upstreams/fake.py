"""Fake: an upstream that answers from a script. For users' own tests; no network, no key."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import ConfigError, UpstreamRefused, nearest
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import TOKENS_PER_BYTE, Query
from switchpoint.upstreams.wire import emit, text_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted turn.

    logprobs : log-probability of each token, natural logarithm.
    error : raised instead of the answer; while streaming, after the text, as an upstream does that breaks off.
    """

    text: str = ""
    logprobs: tuple[float, ...] = ()
    finish_reason: str = "stop"
    error: Exception | None = None


Turn = str | Exception | Reply
"""A text is answered, an exception is raised."""

Script = Mapping[str, Sequence[Turn]] | Callable[[Model, Query], Turn]
"""The turns of each upstream model, in order; or a function that says each turn."""


class Fake:
    """Answers from a script.

    script : by upstream model name, or a function of model and query. The last turn of a model answers every further
        call. A model without turns is refused, as an upstream refuses a model that it does not have.
    latency_s : how long every answer takes; a stream spreads it over its chunks.
    calls : every (model, query) that was called, in order.

    Usage is estimated from lengths: input is `Query.input_tokens` of preamble and messages, output is a token for every
    four bytes begun. Raises ConfigError for a model whose turns are an empty sequence.
    """

    def __init__(self, script: Script, latency_s: float = 0.0, name: str = "fake") -> None:
        self.name = name
        self.calls: list[tuple[Model, Query]] = []
        self._script = script
        self._latency_s = latency_s
        self._turns: Counter[str] = Counter()
        if isinstance(script, Mapping) and not all(script.values()):
            empty = ", ".join(sorted(model for model, turns in script.items() if not turns))
            raise ConfigError(f"upstream {name!r}: the script has no turn for {empty}. Give each model at least one.")

    async def complete(self, model: Model, query: Query) -> Answer:
        """Return the next turn of the script, or raise it."""
        reply = self._next(model, query)
        if self._latency_s > 0:
            await asyncio.sleep(self._latency_s)
        if reply.error is not None:
            raise reply.error
        return _answer(reply, model, query)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        """Yield the next turn of the script word by word, or raise it."""
        reply = self._next(model, query)
        if reply.error is not None and not reply.text:
            raise reply.error
        async with aclosing(emit(_answer(reply, model, query), self._latency_s)) as chunks:
            async for chunk in chunks:
                if reply.error is not None and chunk.finish_reason is not None:
                    raise reply.error
                yield chunk

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _next(self, model: Model, query: Query) -> Reply:
        self.calls.append((model, query))
        turn = self._script(model, query) if callable(self._script) else self._turn(self._script, model)
        if isinstance(turn, Reply):
            return turn
        return Reply(text=turn) if isinstance(turn, str) else Reply(error=turn)

    def _turn(self, script: Mapping[str, Sequence[Turn]], model: Model) -> Turn:
        name = model.upstream_model
        if name not in script:
            raise UpstreamRefused(
                f"upstream {self.name!r}: the script has no model {name!r}.{nearest(name, script)} "
                f"It has: {', '.join(sorted(script)) or 'none'}.",
                status=404,
            )
        turn = script[name][min(self._turns[name], len(script[name]) - 1)]
        self._turns[name] += 1
        return turn


def _answer(reply: Reply, model: Model, query: Query) -> Answer:
    whole = replace(query, messages=(*model.preamble, *query.messages))
    usage = Usage(
        input_tokens=whole.input_tokens,
        cached_input_tokens=0,
        output_tokens=math.ceil(len(reply.text.encode("utf-8", "surrogatepass")) * TOKENS_PER_BYTE),
    )
    return text_answer(
        reply.text,
        model=model.upstream_model,
        finish_reason=reply.finish_reason,
        usage=usage,
        logprobs=reply.logprobs,
    )
