"""Anthropic's Messages behind OpenAI's form."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest

from switchpoint.assembly.parts import catalog_of, upstreams_of
from switchpoint.config.read import parse
from switchpoint.core.errors import (
    BadAnswer,
    ConfigError,
    RateLimited,
    RequestError,
    SwitchpointError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from switchpoint.core.query import Query
from switchpoint.upstreams.anthropic import Anthropic, MessageEvents
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.sse import Events
from tests.fake_anthropic import CALLS, SIGNATURE, THOUGHTS, USAGE, FakeAnthropic, events, refusing, sse, text
from tests.fake_openai import TEXT
from tests.upstreams.conftest import KEY, QUERY, collect, named

HASTY = {"connect_timeout_s": 0.2, "first_byte_timeout_s": 0.2, "idle_timeout_s": 0.2, "total_timeout_s": 0.6}


@pytest.fixture
def server() -> Iterator[FakeAnthropic]:
    with FakeAnthropic() as server:
        yield server


@pytest.fixture
async def upstream(server: FakeAnthropic) -> AsyncIterator[Anthropic]:
    upstream = Anthropic("acme", server.base_url, api_key=KEY, betas=["one"], **HASTY)
    yield upstream
    await upstream.close()


def asking(**parameters: object) -> Query:
    return Query(id="q", messages=QUERY.messages, parameters=parameters)


async def both(upstream: Anthropic, model: str, query: Query = QUERY) -> list[Any]:
    """Return what a whole and a streamed call of the model raise."""
    with pytest.raises(SwitchpointError) as whole:
        await upstream.complete(named(model), query)
    with pytest.raises(SwitchpointError) as streamed:
        await collect(upstream, named(model), query)
    return [whole.value, streamed.value]


# What is asked


async def test_the_request_carries_key_version_and_betas(server: FakeAnthropic, upstream: Anthropic) -> None:
    await upstream.complete(named("ok"), asking(anthropic={"betas": ["two", "one"]}))

    [request] = server.requests

    assert request.path == "/v1/messages"
    assert (request.headers["x-api-key"], request.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert request.headers["anthropic-beta"] == "one,two"
    assert "betas" not in request.body


async def test_without_a_key_none_is_sent_and_a_query_string_is_kept(server: FakeAnthropic) -> None:
    upstream = Anthropic("acme", f"{server.base_url}/?api-version=1")
    await upstream.complete(named("ok"), QUERY)
    await upstream.close()

    assert "x-api-key" not in server.requests[0].headers
    assert server.requests[0].path == "/v1/messages?api-version=1"


async def test_the_models_own_limit_is_asked_for_where_the_caller_sets_none(
    server: FakeAnthropic, upstream: Anthropic
) -> None:
    await upstream.complete(named("ok"), QUERY)
    await upstream.complete(named("ok", max_output_tokens=900), QUERY)
    await upstream.complete(named("ok", max_output_tokens=900), asking(max_tokens=7))

    assert [request.body["max_tokens"] for request in server.requests] == [4096, 900, 7]


@pytest.mark.parametrize("parameters", [{"n": 2}, {"logprobs": True}, {"seed": 1}, {"stop": 1, "tools": [{}]}])
async def test_what_messages_cannot_carry_is_refused_by_name_before_any_call(
    server: FakeAnthropic, upstream: Anthropic, parameters: dict[str, object]
) -> None:
    for error in await both(upstream, "ok", asking(**parameters)):
        assert type(error) is RequestError
        assert list(parameters)[-1] in str(error)
    assert server.requests == []


@pytest.mark.parametrize("betas", ["one", [1], ["a\r\nx-api-key: b"]])
async def test_betas_that_no_header_should_hold_are_refused(upstream: Anthropic, betas: object) -> None:
    errors = await both(upstream, "ok", asking(anthropic={"betas": betas}))

    assert [type(error) for error in errors] == [RequestError] * 2


def test_a_configuration_names_its_upstream_and_has_its_prices() -> None:
    config = parse(
        {
            "upstreams": {"claude": {"kind": "anthropic", "betas": ["one"]}},
            "models": {"claude-sonnet-4-5": {"upstream": "claude"}},
        }
    )

    [upstream] = upstreams_of(config).values()
    model = catalog_of(config)["claude-sonnet-4-5"]

    assert repr(upstream.upstream) == "Anthropic(name='claude', base_url='https://api.anthropic.com')"
    assert Decimal(0) < (model.input_usd_per_mtok or 0) < (model.cache_write_usd_per_mtok or 0)


async def test_a_request_in_no_known_shape_is_refused_without_a_call(upstream: Anthropic) -> None:
    query = Query(id="q", messages=({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]},))

    assert [type(error) for error in await both(upstream, "ok", query)] == [RequestError] * 2


async def test_tokens_are_counted_by_the_upstream(server: FakeAnthropic, upstream: Anthropic) -> None:
    assert await upstream.count_tokens(named("ok"), asking(max_tokens=3, tools=[], temperature=1)) == 42

    [request] = server.requests

    assert request.path == "/v1/messages/count_tokens"
    assert request.body.keys() == {"model", "messages", "tools"}


# What is answered


async def test_usage_has_the_cached_input_in_it(upstream: Anthropic) -> None:
    answer = await upstream.complete(named("ok"), QUERY)

    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens, answer.usage.output_tokens) == (12, 5, 6)
    assert answer.body["usage"]["prompt_tokens_details"] == {"cached_tokens": 5, "cache_write_tokens": 3}


async def test_parallel_calls_of_tools_come_whole_and_streamed(upstream: Anthropic) -> None:
    answer = await upstream.complete(named("tools"), QUERY)
    chunks = await collect(upstream, named("tools"))

    whole = answer.body["choices"][0]["message"]["tool_calls"]
    pieces = [call for chunk in chunks for call in _delta(chunk.data).get("tool_calls", ())]
    streamed = ["".join(p["function"]["arguments"] for p in pieces if p["index"] == n) for n in range(2)]
    assert [(call["id"], call["function"]["name"]) for call in whole] == [(c["id"], c["name"]) for c in CALLS]
    assert [json.loads(call["function"]["arguments"]) for call in whole] == [{"zone": "UTC"}, {}]
    assert [json.loads(arguments or "{}") for arguments in streamed] == [{"zone": "UTC"}, {}]
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["tool_calls"]


def _delta(data: bytes) -> dict[str, object]:
    choices = json.loads(data)["choices"]
    return choices[0]["delta"] if choices else {}


async def test_thinking_is_reasoning_with_its_signed_blocks_beside_it(upstream: Anthropic) -> None:
    answer = await upstream.complete(named("thinks"), QUERY)
    deltas = [_delta(chunk.data) for chunk in await collect(upstream, named("thinks"))]

    message = answer.body["choices"][0]["message"]
    blocks = [block for delta in deltas for block in delta.get("thinking_blocks", ())]
    assert (message["content"], message["reasoning_content"], message["thinking_blocks"]) == (
        TEXT,
        "Two and two.",
        THOUGHTS,
    )
    assert "".join(str(delta.get("reasoning_content", "")) for delta in deltas) == "Two and two."
    assert [block["signature"] for block in blocks if "signature" in block] == [SIGNATURE]
    assert blocks[-1] == {"index": 1, **THOUGHTS[1]}


@pytest.mark.parametrize(
    ("model", "reason"),
    [("ok", "stop"), ("stopped", "stop"), ("long", "length"), ("declines", "content_filter"), ("pauses", "stop")],
)
async def test_why_it_stopped_is_told_in_openais_words(upstream: Anthropic, model: str, reason: str) -> None:
    chunks = await collect(upstream, named(model))

    assert (await upstream.complete(named(model), QUERY)).finish_reason == reason
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [reason]


async def test_anthropics_own_stop_reason_stays_beside_openais(upstream: Anthropic) -> None:
    choice = (await upstream.complete(named("stopped"), QUERY)).body["choices"][0]

    assert choice["anthropic"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


async def test_a_stream_that_told_why_it_stopped_needs_no_end(upstream: Anthropic) -> None:
    chunks = await collect(upstream, named("undone"))

    assert "".join(chunk.text for chunk in chunks) == TEXT
    assert chunks[-1].usage is not None


@pytest.mark.parametrize("width", [1, 2, 3, 7])
def test_a_stream_means_the_same_wherever_it_is_split(width: int) -> None:
    failures = Failures("acme")
    blocks = [*THOUGHTS, text("¿Qué? 2+2\n"), *CALLS]
    data = b"".join(map(sse, events("m", blocks, USAGE, {"stop_reason": "tool_use"})))

    def read(*cuts: bytes) -> list[object]:
        parser, reader = Events(), MessageEvents(failures)
        chunks = [chunk for part in cuts for payload in parser.feed(part) for chunk in reader.read(payload)]
        assert reader.ended
        return [(chunk.text, chunk.finish_reason, chunk.usage, _delta(chunk.data)) for chunk in chunks]

    assert read(*(data[start : start + width] for start in range(0, len(data), width))) == read(data)


def test_a_stream_means_the_same_split_in_two_at_every_byte() -> None:
    data = b"".join(map(sse, events("m", [text("Hi"), CALLS[0]], USAGE, {"stop_reason": "tool_use"})))

    def read(*cuts: bytes) -> list[object]:
        parser, reader = Events(), MessageEvents(Failures("acme"))
        return [_delta(c.data) for part in cuts for payload in parser.feed(part) for c in reader.read(payload)]

    whole = read(data)
    assert all(read(data[:at], data[at:]) == whole for at in range(len(data)))


async def test_a_connection_is_used_again_after_a_whole_and_after_a_streamed_answer(
    server: FakeAnthropic, upstream: Anthropic
) -> None:
    await upstream.complete(named("ok"), QUERY)
    await collect(upstream, named("ok"))
    await upstream.complete(named("ok"), QUERY)

    assert server.connections == 1


# What goes wrong


async def test_a_rate_limit_carries_the_advised_wait(upstream: Anthropic) -> None:
    for error in await both(upstream, "limited"):
        assert (type(error), error.status, error.retry_after_s) == (RateLimited, 429, 7.0)


@pytest.mark.parametrize("model", ["overloaded", "overloaded-event"])
async def test_an_overloaded_upstream_may_be_tried_again(upstream: Anthropic, model: str) -> None:
    for error in await both(upstream, model):
        assert (type(error), error.status, error.retryable) == (UpstreamError, 529, True)


async def test_a_refusal_tells_anthropics_words(upstream: Anthropic) -> None:
    for error in await both(upstream, "refuses"):
        assert (type(error), str(error)) == (UpstreamRefused, "upstream 'acme' answered 400: Bad request.")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("hangs-up", UpstreamUnreachable),
        ("fails", UpstreamError),
        ("truncated", BadAnswer),
        ("broken-json", BadAnswer),
        ("no-content", BadAnswer),
        ("searches", BadAnswer),
        ("silent", UpstreamTimeout),
        ("stalls", UpstreamTimeout),
    ],
)
async def test_every_failure_has_its_class(upstream: Anthropic, model: str, kind: type[UpstreamError]) -> None:
    assert [type(error) for error in await both(upstream, model)] == [kind, kind]


async def test_a_stream_that_ends_early_is_bad(upstream: Anthropic) -> None:
    with pytest.raises(BadAnswer, match="without a finish reason"):
        await collect(upstream, named("unfinished"))


async def test_no_message_holds_the_key(server: FakeAnthropic, upstream: Anthropic) -> None:
    server.behaviours["parrot"] = refusing(401, "authentication_error", f"invalid x-api-key {KEY}")

    for error in await both(upstream, "parrot"):
        assert KEY[:8] not in str(error)
    assert KEY not in repr(upstream)


async def test_cancelling_a_call_ends_it_at_the_server(server: FakeAnthropic, upstream: Anthropic) -> None:
    call = asyncio.create_task(collect(upstream, named("drips")))
    assert await asyncio.to_thread(server.wait_for_requests, 1)

    call.cancel()

    assert await asyncio.to_thread(server.disconnected.wait, 1)
    assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)


def test_a_limit_of_no_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens must be at least 1"):
        Anthropic("acme", max_tokens=0)
