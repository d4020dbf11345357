"""Writing OpenAI's form: the request for an upstream, and a text or an Answer as bodies and streamed chunks."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import msgspec

from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import RequestError
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import EMPTY, Query, content_text
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.reading import read_chunk

Json = dict[str, Any]

_WORD = re.compile(r"\S+\s*|\s+")
_OWN = Failures("own")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")


def request(model: Model, query: Query, *, stream: bool) -> bytes:
    """Write the request: the caller's parameters, over them the model's, over both the model, messages and stream.

    A stream always asks for its usage, because the bill depends on it; a whole answer drops `stream_options`, which is
    an error without a stream. Raises RequestError for parameters that JSON cannot hold.
    """
    body: Json = {**query.parameters, **model.parameters}
    options = body.pop("stream_options", None)
    body["model"] = model.upstream_model
    body["messages"] = [*model.preamble, *query.messages]
    body["stream"] = stream
    if stream:
        body["stream_options"] = {**(options if isinstance(options, Mapping) else EMPTY), "include_usage": True}
    try:
        return _ENCODER.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The request cannot be written as JSON ({type(error).__name__}: {error}).") from None


def text_answer(
    text: str,
    *,
    model: str,
    finish_reason: str = "stop",
    usage: Usage | None = None,
    logprobs: Sequence[float] = (),
    extra: Mapping[str, Any] = EMPTY,
) -> Answer:
    """Make the answer of `model` that consists of this text, with a body as OpenAI writes it.

    extra : fields of the body beside OpenAI's.
    """
    choice: Json = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish_reason,
        "logprobs": logprobs_body(logprobs),
    }
    body: Json = {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": usage_body(usage),
        **extra,
    }
    return Answer(text=text, model=model, finish_reason=finish_reason, usage=usage, logprobs=tuple(logprobs), body=body)


def usage_body(usage: Usage | None) -> Json | None:
    """Write usage as OpenAI does, with OpenRouter's `cost` where the bill is known; unknown is null."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens)
    known = [count for count in counts if count is not None]
    body: Json = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": sum(known) if len(known) == len(counts) else None,
    }
    cache = {"cached_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_input_tokens}
    details = {name: count for name, count in cache.items() if count is not None}
    if details:
        body["prompt_tokens_details"] = details
    if usage.cost_usd is not None:
        body["cost"] = float(usage.cost_usd)
    return body


def logprobs_body(logprobs: Sequence[float]) -> Json | None:
    """Write log-probabilities as OpenAI does; the tokens that they belong to are unknown, so empty."""
    if not logprobs:
        return None
    return {"content": [{"token": "", "bytes": None, "logprob": value, "top_logprobs": []} for value in logprobs]}


def chunks(answer: Answer) -> list[Chunk]:
    """Cut a whole answer into what a stream of it would have been.

    For each choice: the role, the text word by word, the tool calls, the finish; then the usage, where it is known, in
    a chunk without choices. Fields of the body that OpenAI does not have are repeated in every chunk. All
    log-probabilities come with the first piece, since it is unknown which word they belong to.
    """
    frame = {key: value for key, value in answer.body.items() if key not in ("choices", "usage")}
    frame["object"] = "chat.completion.chunk"
    pieces = [_chunk(frame, [piece]) for choice in answer.body["choices"] for piece in _pieces(choice)]
    if answer.usage is not None:
        last = _chunk({**frame, "usage": answer.body.get("usage") or usage_body(answer.usage)}, [])
        pieces.append(replace(last, usage=answer.usage))
    return pieces


async def emit(answer: Answer, latency_s: float = 0.0) -> AsyncGenerator[Chunk, None]:
    """Yield a whole answer as a stream that takes `latency_s`, spread evenly over its chunks."""
    pieces = chunks(answer)
    for piece in pieces:
        if latency_s > 0:
            await asyncio.sleep(latency_s / len(pieces))
        yield piece


def _chunk(frame: Json, choices: list[Json]) -> Chunk:
    return read_chunk(_ENCODER.encode({**frame, "choices": choices}), _OWN)


def _pieces(choice: Mapping[str, Any]) -> Iterator[Json]:
    message = choice["message"]
    content = message.get("content")
    head = {key: value for key, value in message.items() if key not in ("content", "tool_calls")}
    deltas: list[Json] = [{"role": "assistant", **head, "content": None if content is None else ""}]
    deltas += [{"content": word} for word in _WORD.findall(content_text(content))]
    if message.get("tool_calls"):
        deltas.append({"tool_calls": [{"index": i, **call} for i, call in enumerate(message["tool_calls"])]})
    deltas.append({})
    for number, delta in enumerate(deltas):
        piece = {"index": choice.get("index", 0), "delta": delta, "finish_reason": None}
        if number == 1:
            piece["logprobs"] = choice.get("logprobs")
        if number == len(deltas) - 1:
            piece["finish_reason"] = choice.get("finish_reason")
        yield piece
