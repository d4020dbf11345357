"""Streams as upstreams send them, read and written again as the gateway does, without a connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from yarl import URL

from switchpoint.core.attempt import Chunk
from switchpoint.dialects.anthropic.messages import Messages
from switchpoint.dialects.chat import Chat
from switchpoint.dialects.dialect import Dialect
from switchpoint.dialects.encoding import encode
from switchpoint.dialects.responses.responses import Responses
from switchpoint.upstreams.anthropic import Anthropic
from switchpoint.upstreams.gemini import Gemini
from switchpoint.upstreams.http import HttpUpstream, Sending
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.upstreams.sse import Events
from tests import fake_anthropic, fake_gemini
from tests.fake_openai import TEXT, TOOL_CALL, USAGE

SENDING = Sending(URL("http://upstream"), b"", "theirs")
UPSTREAMS: Mapping[str, HttpUpstream] = {
    "openai": OpenAICompatible("u", "http://upstream"),
    "anthropic": Anthropic("u", "http://upstream"),
    "gemini": Gemini("u", "http://upstream"),
}
ASKED: Mapping[str, dict[str, Any]] = {
    "chat": {"model": "m", "messages": [], "stream": True, "stream_options": {"include_usage": True}},
    "messages": {"model": "m", "messages": [], "max_tokens": 9, "stream": True},
    "responses": {"model": "m", "input": "Hi", "stream": True, "reasoning": {"summary": "auto"}},
}
DIALECTS: Mapping[str, Dialect] = {"chat": Chat(), "messages": Messages(), "responses": Responses()}


class Stream(NamedTuple):
    """One stream of an upstream of a kind."""

    kind: str
    data: bytes


def event(body: Any) -> bytes:
    return b"data: %b\n\n" % (body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode())


def _chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "theirs", "choices": [choice]}


def _openai(*chunks: dict[str, Any]) -> Stream:
    usage = {**_chunk(), "choices": [], "usage": USAGE}
    return Stream("openai", b"".join(map(event, [*chunks, usage, b"[DONE]"])))


def _anthropic(stop: str, *blocks: dict[str, Any]) -> Stream:
    told = fake_anthropic.events("theirs", blocks, fake_anthropic.USAGE, {"stop_reason": stop})
    return Stream("anthropic", b"".join(map(fake_anthropic.sse, told)))


def _gemini(*parts: dict[str, Any]) -> Stream:
    def body(number: int, part: dict[str, Any]) -> dict[str, Any]:
        candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
        ended = {"finishReason": "STOP"} if number == len(parts) - 1 else {}
        told = {"modelVersion": "theirs", "responseId": "r1", "usageMetadata": fake_gemini.USAGE}
        return {"candidates": [candidate | ended], **told}

    return Stream("gemini", b"".join(event(body(*each)) for each in enumerate(parts)))


_called = {**TOOL_CALL, "index": 0, "function": {"name": "clock", "arguments": '{"zo'}}
STREAMS: Mapping[str, Stream] = {
    "openai text": _openai(
        _chunk(role="assistant", content=""), _chunk(content="Grüße, "), _chunk(content="\U0001f600"), _chunk("stop")
    ),
    "openai tools": _openai(
        _chunk(role="assistant", content=None, reasoning_content="Hm."),
        _chunk(tool_calls=[_called]),
        _chunk(tool_calls=[{"index": 0, "function": {"arguments": 'ne":"UTC"}'}}]),
        _chunk("tool_calls"),
    ),
    "anthropic text": _anthropic("end_turn", *fake_anthropic.THOUGHTS, fake_anthropic.text(TEXT + " Grüße \U0001f600")),
    "anthropic tools": _anthropic("tool_use", fake_anthropic.text("Let me look."), *fake_anthropic.CALLS),
    "gemini text": _gemini({"text": "Two and", "thought": True}, {"text": "Grüße \U0001f600"}, {"text": "!"}),
    "gemini tools": _gemini({"text": "Let me look."}, fake_gemini.CALL),
}


_SAID, _PART = fake_anthropic.text(TEXT), {"text": TEXT}
ANSWERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "openai": (
        "openai",
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "theirs",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": TEXT, "tool_calls": [TOOL_CALL], "reasoning": "Hm."},
                    "finish_reason": "tool_calls",
                    "logprobs": {"content": [{"token": "x", "bytes": None, "logprob": -0.5, "top_logprobs": []}]},
                }
            ],
            "usage": USAGE,
        },
    ),
    "anthropic": (
        "anthropic",
        {
            **fake_anthropic.message(
                "theirs", [fake_anthropic.text(TEXT), *fake_anthropic.CALLS], fake_anthropic.USAGE
            ),
            "stop_reason": "tool_use",
        },
    ),
    "gemini": (
        "gemini",
        {
            "candidates": [
                {"content": {"parts": [{"text": TEXT}, fake_gemini.CALL]}, "finishReason": "STOP", "index": 0}
            ],
            "modelVersion": "theirs",
            "usageMetadata": fake_gemini.USAGE,
        },
    ),
}


def answered(kind: str, dialect: str, data: bytes) -> bytes:
    """Read a whole answer and write it for a caller; raises as an upstream does."""
    answer = UPSTREAMS[kind]._read_answer(data, SENDING)
    return encode(DIALECTS[dialect].answer({**answer.body, "model": "ours"}, ASKED[dialect]))


def read(kind: str, blocks: Iterable[bytes]) -> list[Chunk]:
    """Read a stream that comes in these blocks; raises as an upstream does."""
    upstream = UPSTREAMS[kind]
    reader, events, chunks = upstream._reader(SENDING), Events("u"), []
    for block in blocks:
        for data in events.feed(block):
            chunks += reader.read(data)
            if reader.ended:
                break
    upstream._check_end(reader)
    return chunks


def write(dialect: str, chunks: Iterable[Chunk]) -> bytes:
    """Write what a caller in this dialect is sent."""
    writer = DIALECTS[dialect].writer("ours", ASKED[dialect])
    return b"".join(map(writer.event, chunks)) + writer.end({"model": "ours"})


def payloads(data: bytes) -> list[Any]:
    """Return the events of a whole stream; raises ValueError for one that is no JSON."""
    return [found if found == b"[DONE]" else json.loads(found) for found in Events("ours").feed(data)]


def by(size: int) -> Callable[[bytes], list[bytes]]:
    return lambda data: [data[start : start + size] for start in range(0, len(data), size)]
