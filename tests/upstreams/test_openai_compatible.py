import asyncio
import gc
import json
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from switchpoint.core.errors import (
    BadAnswer,
    ConfigError,
    RateLimited,
    RequestError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from switchpoint.core.query import Query
from switchpoint.upstreams.openai_compatible import OpenAICompatible, under_new_names
from tests.fake_openai import LOGPROB, TEXT, FakeOpenAI, erring, failing, in_turn, sending
from tests.upstreams.conftest import KEY, QUERY, collect, named

HASTY = {"connect_timeout_s": 0.2, "first_byte_timeout_s": 0.2, "idle_timeout_s": 0.2, "total_timeout_s": 0.6}
LOGPROBS = Query(id="q", messages=QUERY.messages, parameters={"logprobs": True})


@pytest.fixture
async def hasty(server: FakeOpenAI) -> AsyncIterator[OpenAICompatible]:
    upstream = OpenAICompatible("acme", server.base_url, **HASTY)
    yield upstream
    await upstream.close()


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        yield mute


async def both(upstream: OpenAICompatible, model: str) -> list[UpstreamError]:
    """Return what a whole and a streamed call of the model raise."""
    with pytest.raises(UpstreamError) as whole:
        await upstream.complete(named(model), QUERY)
    with pytest.raises(UpstreamError) as streamed:
        await collect(upstream, named(model))
    return [whole.value, streamed.value]


# What is asked


async def test_the_request_carries_the_key_and_the_configured_headers(server: FakeOpenAI) -> None:
    upstream = OpenAICompatible("acme", server.base_url + "/", KEY + "\n", headers={"user-agent": "me", "x-team": "a"})
    await upstream.complete(named("ok"), QUERY)
    await upstream.close()

    [request] = server.requests

    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.headers["user-agent"], request.headers["x-team"]) == ("me", "a")


async def test_a_query_string_of_the_base_url_is_kept(server: FakeOpenAI) -> None:
    upstream = OpenAICompatible("acme", f"{server.base_url}?api-version=1")
    await upstream.complete(named("ok"), QUERY)
    await upstream.close()

    assert server.requests[0].path == "/v1/chat/completions?api-version=1"


async def test_without_a_key_no_authorization_is_sent(server: FakeOpenAI, hasty: OpenAICompatible) -> None:
    await hasty.complete(named("ok"), QUERY)

    assert "authorization" not in server.requests[0].headers


async def test_a_query_that_is_not_json_is_the_callers_error(upstream: OpenAICompatible) -> None:
    with pytest.raises(RequestError):
        await upstream.complete(named("ok"), Query.of("\ud800"))


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"max_tokens": 5, "top_p": 1}, {"max_completion_tokens": 5, "top_p": 1}),
        ({"max_tokens": 5, "max_completion_tokens": 3}, {"max_completion_tokens": 3}),
        ({"max_completion_tokens": 3}, {"max_completion_tokens": 3}),
    ],
)
def test_openai_itself_is_sent_the_limit_under_its_new_name(asked: dict[str, int], sent: dict[str, int]) -> None:
    assert under_new_names(Query(id="q", messages=QUERY.messages, parameters=asked)).parameters == sent


async def test_other_servers_are_sent_the_limit_as_it_came(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    await upstream.complete(named("ok"), Query(id="q", messages=QUERY.messages, parameters={"max_tokens": 5}))

    assert server.requests[0].body["max_tokens"] == 5


# What is answered


async def test_a_whole_answer_keeps_the_whole_body(upstream: OpenAICompatible) -> None:
    answer = await upstream.complete(named("ok"), QUERY)

    assert answer.text == TEXT
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens, answer.usage.output_tokens) == (12, 8, 4)
    assert answer.body["usage"]["total_tokens"] == 16


async def test_log_probabilities_come_whole_and_streamed(upstream: OpenAICompatible) -> None:
    answer = await upstream.complete(named("ok"), LOGPROBS)
    chunks = await collect(upstream, named("ok"), LOGPROBS)

    assert set(answer.logprobs) == {LOGPROB}
    assert tuple(value for chunk in chunks for value in chunk.logprobs) == answer.logprobs


async def test_events_are_passed_on_byte_for_byte(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    odd = b'{ "choices" : [{"delta":{"content":"\\u00e9"},"finish_reason":"stop"}] ,"x":1.50}'
    server.behaviours["odd"] = sending(b"data: " + odd + b"\n\ndata: [DONE]\n\n", "text/event-stream")

    [chunk] = await collect(upstream, named("odd"))

    assert (chunk.data, chunk.text) == (odd, "é")


async def test_the_usage_chunk_of_a_stream_has_no_choices(upstream: OpenAICompatible) -> None:
    *_, last = await collect(upstream, named("ok"))

    assert json.loads(last.data)["choices"] == []
    assert last.usage is not None


async def test_an_answer_under_another_name_says_so(upstream: OpenAICompatible) -> None:
    assert (await upstream.complete(named("other-name"), QUERY)).model == "somebody-else"


async def test_tool_calls_pass_through(upstream: OpenAICompatible) -> None:
    answer = await upstream.complete(named("tools"), QUERY)
    chunks = await collect(upstream, named("tools"))

    calls = [json.loads(chunk.data)["choices"] for chunk in chunks if b"tool_calls" in chunk.data]
    arguments = [c[0]["delta"]["tool_calls"][0]["function"]["arguments"] for c in calls if c[0]["delta"]]
    assert (answer.text, answer.finish_reason) == ("", "tool_calls")
    assert "".join(arguments) == answer.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]


async def test_a_stream_that_has_finished_needs_no_done(upstream: OpenAICompatible) -> None:
    chunks = await collect(upstream, named("undone"))

    assert "".join(chunk.text for chunk in chunks) == TEXT


# Connections


async def test_a_connection_is_used_again_after_a_whole_and_after_a_streamed_answer(
    server: FakeOpenAI, upstream: OpenAICompatible
) -> None:
    await upstream.complete(named("ok"), QUERY)
    await collect(upstream, named("ok"))
    await upstream.complete(named("ok"), QUERY)

    assert server.connections == 1


async def test_a_connection_is_used_again_if_its_stream_ends_a_little_after_done(
    server: FakeOpenAI, upstream: OpenAICompatible
) -> None:
    await collect(upstream, named("lingers"))
    await upstream.complete(named("ok"), QUERY)

    assert server.connections == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the first loop's connections are given up, not closed
def test_an_upstream_can_be_used_in_one_event_loop_after_another(server: FakeOpenAI) -> None:
    upstream = OpenAICompatible("acme", server.base_url)

    async def ask() -> str:
        return (await upstream.complete(named("ok"), QUERY)).text

    with asyncio.Runner() as first, asyncio.Runner() as second:
        texts = [first.run(ask()), second.run(ask())]
        second.run(upstream.close())
        gc.collect()

    assert texts == [TEXT, TEXT]
    assert server.connections == 2


# What goes wrong


async def test_a_port_without_a_server_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    upstream = OpenAICompatible("acme", f"http://127.0.0.1:{port}/v1")

    for error in await both(upstream, "ok"):
        assert type(error) is UpstreamUnreachable
        assert error.retryable
        assert "upstream 'acme' cannot be reached" in str(error)
    await upstream.close()


async def test_a_server_that_hangs_up_without_an_answer_is_unreachable(upstream: OpenAICompatible) -> None:
    assert [type(error) for error in await both(upstream, "hangs-up")] == [UpstreamUnreachable] * 2


async def test_a_server_that_does_not_speak_http_gives_a_bad_answer() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as mail:
        upstream = OpenAICompatible("acme", f"http://127.0.0.1:{mail.sockets[0].getsockname()[1]}/v1")
        errors = await both(upstream, "ok")
        await upstream.close()

    assert [type(error) for error in errors] == [BadAnswer] * 2


async def test_a_connection_that_does_not_come_about_passes_the_connect_timeout(mute: socket.socket) -> None:
    # The TLS handshake belongs to connecting, and nobody answers it.
    upstream = OpenAICompatible("acme", f"https://127.0.0.1:{mute.getsockname()[1]}/v1", connect_timeout_s=0.05)

    for error in await both(upstream, "ok"):
        assert type(error) is UpstreamTimeout
        assert "passed its connect timeout of 0.05 s" in str(error)
    await upstream.close()


@pytest.mark.parametrize(("model", "stage"), [("silent", "first byte"), ("stalls", "idle"), ("drips", "total")])
async def test_a_stream_that_is_late_says_which_limit_it_passed(
    hasty: OpenAICompatible, model: str, stage: str
) -> None:
    with pytest.raises(UpstreamTimeout, match=f"upstream 'acme' passed its {stage} timeout"):
        await collect(hasty, named(model))


@pytest.mark.parametrize("model", ["silent", "stalls"])
async def test_a_whole_answer_has_only_the_total_limit(hasty: OpenAICompatible, model: str) -> None:
    with pytest.raises(UpstreamTimeout, match=r"passed its total timeout of 0\.6 s"):
        await hasty.complete(named(model), QUERY)


async def test_a_rate_limit_carries_the_advised_wait(upstream: OpenAICompatible) -> None:
    for error in await both(upstream, "limited"):
        assert type(error) is RateLimited
        assert (error.status, error.retry_after_s, error.retryable) == (429, 7.0, True)


async def test_a_server_error_may_be_tried_again(upstream: OpenAICompatible) -> None:
    for error in await both(upstream, "fails"):
        assert type(error) is UpstreamError
        assert (error.status, error.retryable) == (500, True)


async def test_a_request_timeout_of_the_server_is_a_timeout(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    server.behaviours["late"] = failing(408)

    assert [type(error) for error in await both(upstream, "late")] == [UpstreamTimeout] * 2


async def test_a_refusal_tells_the_upstreams_reason_and_is_final(upstream: OpenAICompatible) -> None:
    for error in await both(upstream, "refuses"):
        assert type(error) is UpstreamRefused
        assert (error.status, error.retryable) == (400, False)
        assert str(error) == "upstream 'acme' answered 400: Bad request."


async def test_a_redirection_is_not_followed(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    server.behaviours["moved"] = failing(307, headers={"location": f"{server.base_url}/chat/completions"})

    assert [type(error) for error in await both(upstream, "moved")] == [UpstreamRefused] * 2
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("broken-json", "not JSON"),
        ("no-choices", "without a choice"),
        ("truncated", "broke off"),
        ("error-event", "sent an error: The server is tired."),
    ],
)
async def test_a_broken_answer_is_bad(upstream: OpenAICompatible, model: str, reason: str) -> None:
    with pytest.raises(BadAnswer, match=f"upstream 'acme' .*{reason}"):
        await upstream.complete(named(model), QUERY)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("broken-json", "not JSON"),
        ("no-choices", "asked for a stream and answered with one body"),
        ("truncated", "broke off"),
        ("unfinished", "without a finish reason"),
        ("empty-stream", "empty stream"),
        ("error-event", "sent an error: The server is tired."),
    ],
)
async def test_a_broken_stream_is_bad(upstream: OpenAICompatible, model: str, reason: str) -> None:
    with pytest.raises(BadAnswer, match=f"upstream 'acme' .*{reason}"):
        await collect(upstream, named(model))


async def test_an_error_inside_an_answer_is_mapped_by_its_status(
    server: FakeOpenAI, upstream: OpenAICompatible
) -> None:
    server.behaviours["overloaded"] = erring(code=503)

    assert [(type(e), e.status) for e in await both(upstream, "overloaded")] == [(UpstreamError, 503)] * 2


async def test_what_came_before_a_stream_broke_has_been_given_out(upstream: OpenAICompatible) -> None:
    given = []

    with pytest.raises(BadAnswer):
        async for chunk in upstream.stream(named("truncated"), QUERY):
            given.append(chunk.text)

    assert given == ["Hel"]


async def test_the_next_call_after_a_failure_succeeds(server: FakeOpenAI, upstream: OpenAICompatible) -> None:
    server.behaviours["shaky"] = in_turn(failing(500), server.behaviours["ok"])

    with pytest.raises(UpstreamError):
        await upstream.complete(named("shaky"), QUERY)

    assert (await upstream.complete(named("shaky"), QUERY)).text == TEXT


# Secrets


@pytest.mark.parametrize("said", [KEY, f"Bearer {KEY}", "x" * 490 + KEY])
async def test_no_message_holds_the_key_even_if_the_upstream_repeats_it(
    server: FakeOpenAI, upstream: OpenAICompatible, said: str
) -> None:
    server.behaviours["parrot"] = failing(401, f"Incorrect API key provided: {said}.")

    for error in await both(upstream, "parrot"):
        assert KEY[:8] not in str(error)


async def test_keys_in_configured_headers_are_masked_too(server: FakeOpenAI) -> None:
    server.behaviours["parrot"] = failing(401, f"Incorrect API key provided: {KEY}.")
    upstream = OpenAICompatible("acme", server.base_url, headers={"authorization": f"Bearer {KEY}"})

    for error in await both(upstream, "parrot"):
        assert "***" in str(error)
        assert KEY not in str(error)
    await upstream.close()


def test_the_repr_shows_where_but_not_the_key() -> None:
    upstream = OpenAICompatible("acme", "https://api.example/v1?key=query-secret", api_key=KEY)

    assert repr(upstream) == "OpenAICompatible(name='acme', base_url='https://api.example/v1')"


@pytest.mark.parametrize("base_url", ["localhost:8000", "ftp://host/v1", KEY, "https://user:secret@host/v1", ""])
def test_a_base_url_that_cannot_be_called_is_refused_without_being_quoted(base_url: str) -> None:
    with pytest.raises(ConfigError, match="upstream 'acme': base_url must begin with") as error:
        OpenAICompatible("acme", base_url)

    assert KEY not in str(error.value)
    assert "secret" not in str(error.value)


def test_a_key_with_a_line_break_inside_is_refused() -> None:
    with pytest.raises(ConfigError, match="line break"):
        OpenAICompatible("acme", "https://api.example/v1", api_key="one\ntwo")
