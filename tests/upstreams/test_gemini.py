"""Gemini over HTTP: what is sent, what comes back, what goes wrong."""

import json
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Chunk
from switchpoint.core.errors import BadAnswer, RateLimited, RequestError, UpstreamError, UpstreamRefused
from switchpoint.core.query import Query
from switchpoint.upstreams.failures import Failures
from switchpoint.upstreams.gemini import Gemini, Responses
from tests.fake_gemini import CALL, SIGNATURE, FakeGemini, failing, sending
from tests.upstreams.conftest import KEY, QUERY, collect, named


@pytest.fixture
def server() -> Iterator[FakeGemini]:
    with FakeGemini() as server:
        yield server


@pytest.fixture
async def gemini(server: FakeGemini) -> AsyncIterator[Gemini]:
    upstream = Gemini("google", server.base_url, api_key=KEY, idle_timeout_s=0.2, first_byte_timeout_s=0.2)
    yield upstream
    await upstream.close()


async def joined(gemini: Gemini, model: str) -> dict[str, object]:
    """Return the deltas of a stream put together."""
    whole: dict[str, object] = {}
    for chunk in await collect(gemini, named(model)):
        for choice in json.loads(chunk.data)["choices"]:
            for name, value in choice["delta"].items():
                whole[name] = whole[name] + value if name in whole and value else whole.get(name, value)
    return whole


async def test_the_key_travels_in_a_header_and_the_model_in_the_path(server: FakeGemini, gemini: Gemini) -> None:
    await gemini.complete(named("ok"), QUERY)
    await collect(gemini, named("ok"))

    whole, streamed = server.requests
    assert whole.headers["x-goog-api-key"] == KEY
    assert whole.path == "/v1beta/models/ok:generateContent"
    assert streamed.path == "/v1beta/models/ok:streamGenerateContent?alt=sse"
    assert whole.body == {"contents": [{"role": "user", "parts": [{"text": "What is 2 + 2?"}]}]}


async def test_a_query_string_of_the_base_url_is_kept(server: FakeGemini) -> None:
    gemini = Gemini("google", f"{server.base_url}?tenant=a")
    await collect(gemini, named("ok"))
    await gemini.close()

    assert server.requests[0].path.endswith("?tenant=a&alt=sse")


async def test_thinking_counts_as_output(gemini: Gemini) -> None:
    answer = await gemini.complete(named("thinks"), QUERY)

    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.cached_input_tokens, answer.usage.output_tokens) == (12, 8, 7)
    assert answer.body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


async def test_thoughts_are_reasoning_and_signatures_stand_beside(gemini: Gemini) -> None:
    message = (await gemini.complete(named("thinks"), QUERY)).body["choices"][0]["message"]

    assert (message["content"], message["reasoning_content"]) == ("4", "Two and two.")
    assert message["gemini"] == {"thoughtSignature": SIGNATURE}
    assert await joined(gemini, "thinks") == message


async def test_calls_have_an_id_even_where_gemini_gives_none(gemini: Gemini) -> None:
    answer = await gemini.complete(named("tools"), QUERY)
    calls = answer.body["choices"][0]["message"]["tool_calls"]
    streamed = (await joined(gemini, "tools"))["tool_calls"]

    assert answer.finish_reason == "tool_calls"
    assert [call["id"] for call in calls] == ["fc-1", "call_r1_0_1"]
    assert [{k: v for k, v in call.items() if k != "index"} for call in streamed] == calls
    assert [call["index"] for call in streamed] == [0, 1]


async def test_a_tool_loop_gives_the_signature_back(server: FakeGemini, gemini: Gemini) -> None:
    message = (await gemini.complete(named("tools"), QUERY)).body["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "12:00"} for call in message["tool_calls"]]

    await gemini.complete(named("ok"), Query(id="q", messages=(*QUERY.messages, message, *results)))

    _, said, given = server.requests[1].body["contents"]
    assert said["parts"][0] == CALL
    assert [part["functionResponse"]["name"] for part in given["parts"]] == ["clock", "date"]


async def test_images_that_are_drawn_are_data_urls(gemini: Gemini) -> None:
    message = (await gemini.complete(named("draws"), QUERY)).body["choices"][0]["message"]

    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


@pytest.mark.parametrize(("model", "finish"), [("long", "length"), ("filtered", "content_filter")])
async def test_finish_reasons_are_openais(gemini: Gemini, model: str, finish: str) -> None:
    chunks = await collect(gemini, named(model))

    assert (await gemini.complete(named(model), QUERY)).finish_reason == finish
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == [finish]


async def test_a_blocked_prompt_is_an_empty_answer_of_the_filter(gemini: Gemini) -> None:
    answer = await gemini.complete(named("blocked"), QUERY)

    assert (answer.text, answer.finish_reason, answer.usage) == ("", "content_filter", None)
    assert (await collect(gemini, named("blocked")))[0].finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("limited", RateLimited, 429),
        ("fails", UpstreamError, 500),
        ("refuses", UpstreamRefused, 400),
        ("nobody", UpstreamRefused, 404),
        ("error-event", UpstreamError, 503),
        ("malformed", BadAnswer, None),
    ],
)
async def test_errors_are_what_their_status_says(
    gemini: Gemini, model: str, kind: type[UpstreamError], status: int | None
) -> None:
    with pytest.raises(kind) as whole:
        await gemini.complete(named(model), QUERY)
    with pytest.raises(kind) as streamed:
        await collect(gemini, named(model))

    assert (whole.value.status, streamed.value.status) == (status, status)


async def test_the_wait_that_google_advises_stands_in_the_body(gemini: Gemini) -> None:
    with pytest.raises(RateLimited) as limited:
        await gemini.complete(named("limited"), QUERY)
    with pytest.raises(UpstreamError) as failed:
        await gemini.complete(named("fails"), QUERY)

    assert (limited.value.retry_after_s, failed.value.retry_after_s) == (34.5, None)


async def test_the_key_is_masked_in_what_google_says(server: FakeGemini, gemini: Gemini) -> None:
    server.behaviours["leaks"] = failing(400, f"{KEY} is no key.", "INVALID_ARGUMENT")

    with pytest.raises(UpstreamRefused, match="is no key") as refused:
        await gemini.complete(named("leaks"), QUERY)

    assert KEY not in str(refused.value)


async def test_a_stream_without_a_finish_reason_is_broken(gemini: Gemini) -> None:
    with pytest.raises(BadAnswer, match="without a finish reason"):
        await collect(gemini, named("truncated"))


@pytest.mark.parametrize("body", [{"candidates": [1]}, {"candidates": 5}, {"candidates": [{"content": 3}]}, [], "x"])
async def test_an_answer_in_another_shape_is_broken(server: FakeGemini, gemini: Gemini, body: object) -> None:
    server.behaviours["odd"] = sending(body)

    with pytest.raises(BadAnswer):
        await gemini.complete(named("odd"), QUERY)
    with pytest.raises(BadAnswer):
        await collect(gemini, named("odd"))


async def test_a_silent_server_passes_the_idle_timeout(gemini: Gemini) -> None:
    with pytest.raises(UpstreamError, match="idle timeout"):
        await collect(gemini, named("stalls"))


async def test_what_cannot_be_carried_is_refused_before_anything_is_sent(server: FakeGemini, gemini: Gemini) -> None:
    query = Query(id="q", messages=QUERY.messages, parameters={"logit_bias": {"1": 2}})

    with pytest.raises(RequestError, match="'logit_bias'"):
        await gemini.complete(named("ok"), query)

    assert server.requests == []


async def test_the_key_is_no_part_of_the_repr(gemini: Gemini) -> None:
    assert KEY not in repr(gemini)


NAMES = ["candidates", "content", "parts", "text", "functionCall", "args", "finishReason", "index", "usageMetadata"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["STOP", "x"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4), min_size=1, max_size=3))
def test_whatever_comes_is_read_or_is_an_error_of_the_upstream(bodies: list[object]) -> None:
    reader = Responses(Failures("google"), "ok")
    try:
        chunks = [chunk for body in bodies for chunk in reader.read(json.dumps(body).encode())]
    except UpstreamError as error:
        assert "google" in str(error)
    else:
        assert all(isinstance(chunk, Chunk) for chunk in chunks)
