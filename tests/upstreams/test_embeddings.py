"""Embeddings over HTTP, against a server on loopback; and what a learned estimator then reads of the query."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import numpy as np
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
from switchpoint.estimators.embedders import embedder_of, read_queries
from switchpoint.upstreams.embeddings import Embeddings
from tests.fake_openai import Behaviour, Exchange, FakeOpenAI, failing, sending, silent
from tests.upstreams.conftest import KEY


def vector(text: str) -> list[float]:
    """Return what the server says of a text: its length, and its first letter."""
    return [float(len(text)), float(ord(text[0]))]


async def embedding(exchange: Exchange) -> None:
    """Answer as OpenAI does, but with the vectors in reverse: only `index` says which is whose."""
    texts = exchange.received.body["input"]
    data = [{"object": "embedding", "index": i, "embedding": vector(text)} for i, text in enumerate(texts)]
    usage = {"prompt_tokens": sum(map(len, texts)), "total_tokens": 0}
    await exchange.json({"object": "list", "data": data[::-1], "model": "e", "usage": usage})


@pytest.fixture
def server(server: FakeOpenAI) -> FakeOpenAI:
    server.behaviours["e"] = embedding
    return server


@pytest.fixture
async def embeddings(server: FakeOpenAI) -> AsyncIterator[Embeddings]:
    embeddings = Embeddings("acme", server.base_url, "e", 2, api_key=KEY, usd_per_mtok=Decimal(2), batch=3)
    yield embeddings
    await embeddings.close()


async def failure(server: FakeOpenAI, behaviour: Behaviour, **more: object) -> UpstreamError:
    server.behaviours["e"] = behaviour
    embeddings = Embeddings("acme", server.base_url, "e", 2, **more)
    with pytest.raises(UpstreamError) as caught:
        await embeddings.embed(["text"])
    await embeddings.close()
    return caught.value


async def test_each_text_gets_its_own_vector(embeddings: Embeddings) -> None:
    texts = ["one", "three", "thirteen", "x", "法国"]

    found = await embeddings.embed(texts)

    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [vector(text) for text in texts]


async def test_texts_are_sent_in_batches_with_the_key(embeddings: Embeddings, server: FakeOpenAI) -> None:
    await embeddings.embed(["a", "b", "c", "d"])

    assert [request.body["input"] for request in server.requests] == [["a", "b", "c"], ["d"]]
    assert {request.path for request in server.requests} == {"/v1/embeddings"}
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    assert all(request.body["encoding_format"] == "float" for request in server.requests)
    assert all("dimensions" not in request.body for request in server.requests)


async def test_shorter_vectors_are_asked_for_by_name(server: FakeOpenAI) -> None:
    embeddings = Embeddings("acme", server.base_url, "e", 2, shorten=True)

    await embeddings.embed(["a"])
    await embeddings.close()

    assert server.requests[0].body["dimensions"] == 2


async def test_the_bill_is_the_sum_of_the_batches(embeddings: Embeddings) -> None:
    found = await embeddings.embed(["four", "four", "four", "four"])

    assert found.cost_usd == Decimal("0.000032")


@pytest.mark.parametrize("usage", ["null", '{"prompt_tokens": "many"}', "{}"])
async def test_without_usage_the_cost_is_unknown(embeddings: Embeddings, server: FakeOpenAI, usage: str) -> None:
    body = f'{{"data": [{{"index": 0, "embedding": [1, 2]}}], "usage": {usage}}}'
    server.behaviours["e"] = sending(body.encode())

    assert (await embeddings.embed(["x"])).cost_usd is None


async def test_without_a_price_the_cost_is_unknown(server: FakeOpenAI) -> None:
    embeddings = Embeddings("acme", server.base_url, "e", 2)

    found = await embeddings.embed(["x"])
    await embeddings.close()

    assert found.cost_usd is None


async def test_an_empty_text_is_a_zero_row_and_is_not_sent(embeddings: Embeddings, server: FakeOpenAI) -> None:
    found = await embeddings.embed(["", "ab", " \n"])

    assert found.vectors.tolist() == [[0, 0], vector("ab"), [0, 0]]
    assert [request.body["input"] for request in server.requests] == [["ab"]]


async def test_nothing_to_embed_calls_nobody(embeddings: Embeddings, server: FakeOpenAI) -> None:
    found = await embeddings.embed([])

    assert found.vectors.shape == (0, 2)
    assert found.cost_usd == 0
    assert server.requests == []


async def test_half_a_character_is_sent_as_a_question_mark(embeddings: Embeddings) -> None:
    assert (await embeddings.embed(["\ud800"])).vectors.tolist() == [vector("?")]


async def test_a_query_is_prepared_with_its_vector_and_what_it_cost(embeddings: Embeddings) -> None:
    query = replace(Query.of("four"), preparation_usd=Decimal(1))

    prepared = await embeddings(query)

    assert prepared.vector.tolist() == vector("four")
    assert prepared.preparation_usd == Decimal("1.000008")
    assert replace(prepared, vector=None, preparation_usd=Decimal(1)) == query


async def test_a_query_that_has_a_vector_keeps_it(embeddings: Embeddings, server: FakeOpenAI) -> None:
    query = replace(Query.of("four"), vector=np.ones(2))

    assert await embeddings(query) is query
    assert server.requests == []


async def test_many_queries_are_filled_at_once(embeddings: Embeddings, server: FakeOpenAI) -> None:
    filled = await embeddings.fill([Query.of("one"), Query.of("two!")])

    assert [query.vector.tolist() for query in filled] == [vector("one"), vector("two!")]
    assert len(server.requests) == 1


async def test_a_learned_estimator_reads_the_vector_and_the_surface(embeddings: Embeddings) -> None:
    queries = await embeddings.fill([Query.of("one"), Query.of("two!")])

    columns = read_queries(embedder_of("remote:e:2"), queries)

    assert columns[:, :2] == pytest.approx(np.array([v / np.linalg.norm(v) for v in map(vector, ("one", "two!"))]))
    assert (columns[:, 2:] == embedder_of("static").read(["one", "two!"])[:, 64:]).all()


@pytest.mark.parametrize(("status", "cost_usd"), [(429, Decimal(0)), (401, Decimal(0))])
async def test_a_failed_preparation_returns_the_query_without_a_vector(
    embeddings: Embeddings, server: FakeOpenAI, status: int, cost_usd: Decimal
) -> None:
    server.behaviours["e"] = failing(status)

    prepared = await embeddings(Query.of("x"))

    assert prepared.vector is None
    assert prepared.preparation_usd == cost_usd


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [(429, RateLimited, True), (401, UpstreamRefused, False), (503, UpstreamError, True), (408, UpstreamTimeout, True)],
)
async def test_a_status_becomes_the_error_that_says_whether_to_try_again(
    server: FakeOpenAI, status: int, kind: type[UpstreamError], retryable: bool
) -> None:
    error = await failure(server, failing(status, "Because.", {"retry-after": "7"}))

    assert type(error) is kind
    assert error.retryable is retryable
    assert "Because." in str(error)
    assert status != 429 or error.retry_after_s == 7


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"not json", "not JSON"),
        (b"[]", "shape that is not OpenAI's"),
        (b'{"data": []}', "was sent 1 texts and answered with 0 vectors"),
        (b'{"data": [{"index": 1, "embedding": [1, 2]}]}', "was sent 1 texts and answered with 1 vectors"),
        (b'{"data": [{"index": 0, "embedding": [1, 2, 3]}]}', "vectors of 3 numbers; 'e' is set to 2. Correct its dim"),
        (b'{"data": [{"index": 0, "embedding": [1, null]}]}', "shape that is not OpenAI's"),
        (b'{"data": [{"index": 0, "embedding": [1, 1e300]}]}', "numbers that are too large"),
        (b'{"data": [{"index": 0, "embedding": "AAAA"}]}', "shape that is not OpenAI's"),
        (b'{"error": {"message": "No such thing."}}', "No such thing."),
    ],
)
async def test_a_broken_answer_says_what_is_broken(server: FakeOpenAI, body: bytes, message: str) -> None:
    error = await failure(server, sending(body))

    assert isinstance(error, BadAnswer)
    assert message in str(error)


async def test_silence_ends_with_the_time_box(server: FakeOpenAI) -> None:
    assert isinstance(await failure(server, silent, time_box_s=0.05), UpstreamTimeout)


async def test_nobody_there_is_unreachable() -> None:
    embeddings = Embeddings("acme", "http://127.0.0.1:1/v1", "e", 2)

    with pytest.raises(UpstreamUnreachable):
        await embeddings.embed(["x"])
    await embeddings.close()


async def test_the_key_is_in_no_message(server: FakeOpenAI) -> None:
    error = await failure(server, failing(401, f"Bad key {KEY}"), api_key=KEY)

    assert KEY not in str(error)


def test_it_can_be_used_from_one_event_loop_after_another(server: FakeOpenAI) -> None:
    embeddings = Embeddings("acme", server.base_url, "e", 2)

    async def once() -> list[float]:
        found = await embeddings.embed(["ab"])
        await embeddings.close()
        return found.vectors[0].tolist()

    assert [asyncio.run(once()), asyncio.run(once())] == [vector("ab"), vector("ab")]


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"batch": 0}, {"time_box_s": 0}, {"base_url": "acme.com"}])
def test_a_setting_of_no_use_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Embeddings(**{"name": "acme", "base_url": "http://acme.com/v1", "model": "e", "dim": 2, **wrong})
