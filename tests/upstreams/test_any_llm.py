"""The vendors of a library, before a server that speaks OpenAI's form; skipped where the library is not installed."""

import sys
from collections.abc import AsyncIterator

import pytest

from switchpoint.core.errors import (
    BadAnswer,
    ConfigError,
    RateLimited,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from switchpoint.core.query import Query
from switchpoint.upstreams.any_llm import AnyLLM
from tests.fake_openai import FakeOpenAI
from tests.upstreams.conftest import KEY, QUERY, collect, named


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_llm", None)

    with pytest.raises(ConfigError, match=r"switchpoint\[providers\]"):
        AnyLLM("acme", "openai")


@pytest.fixture
async def library(server: FakeOpenAI) -> AsyncIterator[AnyLLM]:
    pytest.importorskip("any_llm", reason="needs the extra switchpoint[providers]")
    upstream = AnyLLM("acme", "openai", KEY, server.base_url, 0.3, 0.3, 0.6)
    yield upstream
    await upstream.close()


async def test_parameters_reach_the_vendor(server: FakeOpenAI, library: AnyLLM) -> None:
    await library.complete(named("ok"), Query(id="q", messages=QUERY.messages, parameters={"temperature": 0.5}))

    [request] = server.requests
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body["temperature"] == 0.5
    assert request.body["messages"] == list(QUERY.messages)


async def test_tools_can_be_called(library: AnyLLM) -> None:
    answer = await library.complete(named("tools"), QUERY)

    assert answer.finish_reason == "tool_calls"
    assert answer.body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "clock"


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("limited", RateLimited),
        ("fails", UpstreamError),
        ("refuses", UpstreamRefused),
        ("hangs-up", UpstreamUnreachable),
        ("silent", UpstreamTimeout),
    ],
)
async def test_errors_are_ours_and_nothing_is_tried_twice(
    server: FakeOpenAI, library: AnyLLM, model: str, kind: type[UpstreamError]
) -> None:
    with pytest.raises(kind):
        await library.complete(named(model), QUERY)
    with pytest.raises(kind):
        await collect(library, named(model))

    assert len(server.requests) == 2


async def test_a_stream_that_goes_silent_passes_the_idle_timeout(library: AnyLLM) -> None:
    with pytest.raises(UpstreamTimeout, match="idle"):
        await collect(library, named("stalls"))


async def test_a_stream_without_end_passes_the_total_timeout(library: AnyLLM) -> None:
    with pytest.raises(UpstreamTimeout, match=r"total timeout of 0\.6 s"):
        await collect(library, named("drips"))


async def test_a_stream_without_a_finish_reason_is_broken(library: AnyLLM) -> None:
    with pytest.raises(BadAnswer, match="finish reason"):
        await collect(library, named("unfinished"))


def test_an_unknown_provider_is_an_error_of_the_configuration() -> None:
    pytest.importorskip("any_llm", reason="needs the extra switchpoint[providers]")

    with pytest.raises(ConfigError, match="'nobody'"):
        AnyLLM("acme", "nobody", KEY)
