"""What every registered upstream promises; a new kind gets a maker here and is held to the same."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable

import pytest

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import UpstreamRefused
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.upstreams import UPSTREAMS
from switchpoint.upstreams.anthropic import Anthropic
from switchpoint.upstreams.any_llm import AnyLLM
from switchpoint.upstreams.fake import Fake
from switchpoint.upstreams.gemini import Gemini
from switchpoint.upstreams.openai_compatible import OpenAICompatible
from switchpoint.upstreams.replay import Replay
from switchpoint.upstreams.sampling import Sampling
from tests.fake_anthropic import FakeAnthropic
from tests.fake_gemini import FakeGemini
from tests.fake_openai import TEXT, FakeOpenAI
from tests.upstreams.conftest import QUERY, collect, named

OTHERS = [Query.of(f"What is {n} + {n}?") for n in range(10, 18)]

MAKERS: dict[str, Callable[[FakeOpenAI], Upstream]] = {
    "openai": lambda server: OpenAICompatible("acme", server.base_url),
    "anthropic": lambda server: Anthropic("acme", server.base_url),
    "gemini": lambda server: Gemini("acme", server.base_url),
    "any_llm": lambda server: _any_llm(server),
    "fake": lambda server: Fake(lambda model, query: _scripted(model.upstream_model, query)),
    "replay": lambda server: Replay.from_rows(
        {"text": query.text, "model": model, "response": _scripted(model, query), "input_tokens": 1, "output_tokens": 1}
        for query in (QUERY, *OTHERS)
        for model in ("ok", "echo")
    ),
}

SERVERS: dict[str, type[FakeOpenAI]] = {"anthropic": FakeAnthropic, "gemini": FakeGemini}
"""The server of a kind that does not speak OpenAI's form."""


def _any_llm(server: FakeOpenAI) -> Upstream:
    pytest.importorskip("any_llm", reason="needs the extra switchpoint[providers]")
    return AnyLLM("acme", "openai", api_key="none", base_url=server.base_url)


def _scripted(model: str, query: Query) -> str | Exception:
    if model not in ("ok", "echo"):
        return UpstreamRefused(f"no model {model}", status=404)
    return TEXT if model == "ok" else query.text


@pytest.fixture(params=[*UPSTREAMS, "sampling"])
async def upstream(request: pytest.FixtureRequest) -> AsyncIterator[Upstream]:
    with SERVERS.get(request.param, FakeOpenAI)() as server:
        upstream = Sampling(MAKERS["openai"](server)) if request.param == "sampling" else MAKERS[request.param](server)
        yield upstream
        await upstream.close()


def test_every_kind_names_a_class_that_exists() -> None:
    classes = [getattr(importlib.import_module(m), c) for m, c in (t.split(":") for t in UPSTREAMS.values())]

    assert {OpenAICompatible, Anthropic, Gemini, Fake, Replay} <= set(classes)


async def test_an_answer_has_text_model_finish_reason_usage_and_body(upstream: Upstream) -> None:
    answer = await upstream.complete(named("ok"), QUERY)

    assert (answer.text, answer.model, answer.finish_reason) == (TEXT, "ok", "stop")
    assert answer.usage is not None
    assert answer.usage.output_tokens is not None
    assert answer.body["choices"][0]["message"]["content"] == TEXT


async def test_the_streamed_answer_equals_the_whole_one(upstream: Upstream) -> None:
    answer = await upstream.complete(named("ok"), QUERY)
    chunks = await collect(upstream, named("ok"))

    assert "".join(chunk.text for chunk in chunks) == answer.text
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [answer.finish_reason]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [answer.usage]
    assert {chunk.model for chunk in chunks} == {answer.model}


async def test_a_model_that_the_upstream_does_not_have_is_refused(upstream: Upstream) -> None:
    with pytest.raises(UpstreamRefused) as whole:
        await upstream.complete(named("nobody"), QUERY)
    with pytest.raises(UpstreamRefused) as streamed:
        await collect(upstream, named("nobody"))

    assert (whole.value.status, streamed.value.status) == (404, 404)


async def test_concurrent_calls_do_not_mix(upstream: Upstream) -> None:
    answers = await asyncio.gather(*(upstream.complete(named("echo"), query) for query in OTHERS))
    streams = await asyncio.gather(*(collect(upstream, named("echo"), query) for query in OTHERS))

    expected = [query.text for query in OTHERS]
    assert [answer.text for answer in answers] == expected
    assert ["".join(chunk.text for chunk in chunks) for chunks in streams] == expected


async def test_a_closed_stream_gives_nothing_more(upstream: Upstream) -> None:
    stream = upstream.stream(named("ok"), QUERY)
    first = await anext(stream)
    await stream.aclose()

    assert isinstance(first, Chunk)
    assert [chunk async for chunk in stream] == []


async def test_closing_twice_is_closing_once(upstream: Upstream) -> None:
    await upstream.complete(named("ok"), QUERY)

    await upstream.close()
    await upstream.close()


# What only a connection can show: each way of leaving a call ends it at the server.


@pytest.fixture(params=[1, 3])
async def sampled(request: pytest.FixtureRequest, server: FakeOpenAI) -> AsyncIterator[tuple[Upstream, int]]:
    upstream = Sampling(MAKERS["openai"](server))
    yield upstream, request.param
    await upstream.close()


async def gone(server: FakeOpenAI) -> bool:
    return await asyncio.to_thread(server.disconnected.wait, 1)


async def begun(server: FakeOpenAI, calls: int) -> None:
    assert await asyncio.to_thread(server.wait_for_requests, calls)


@pytest.mark.parametrize("model", ["stalls", "drips"])
async def test_closing_a_stream_ends_the_call_at_the_server(server: FakeOpenAI, model: str) -> None:
    upstream = MAKERS["openai"](server)
    stream = upstream.stream(named(model), QUERY)
    await anext(stream)

    await stream.aclose()

    assert await gone(server)
    await upstream.close()


@pytest.mark.parametrize("model", ["silent", "stalls"])
async def test_cancelling_a_whole_call_ends_it_at_the_server(
    server: FakeOpenAI, sampled: tuple[Upstream, int], model: str
) -> None:
    upstream, samples = sampled
    call = asyncio.create_task(upstream.complete(named(model, samples=samples), QUERY))
    await begun(server, samples)

    call.cancel()

    assert await gone(server)
    assert (await asyncio.gather(call, return_exceptions=True))[0].__class__ is asyncio.CancelledError


@pytest.mark.parametrize("model", ["silent", "stalls"])
async def test_cancelling_the_reader_of_a_stream_ends_the_call_at_the_server(
    server: FakeOpenAI, sampled: tuple[Upstream, int], model: str
) -> None:
    upstream, samples = sampled
    reader = asyncio.create_task(collect(upstream, named(model, samples=samples)))
    await begun(server, samples)

    reader.cancel()

    assert await gone(server)
    assert (await asyncio.gather(reader, return_exceptions=True))[0].__class__ is asyncio.CancelledError
