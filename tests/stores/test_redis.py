"""Redis: values that may be lost, scripts that say so, and what both do when the server dies, hangs and returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from switchpoint.core.errors import ConfigError, StoreUnavailable
from switchpoint.core.protocols import KeyValue
from switchpoint.stores.memory import Memory
from switchpoint.stores.redis import PREFIX, Redis
from tests.stores.servers import RedisServer, free_port

ADD = "return redis.call('INCRBY', KEYS[1], ARGV[1])"


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """A Redis that is tried again at once after a failure."""
    redis = Redis(redis_server.url, rest_s=0.0, timeout_s=5.0)
    yield redis
    await redis.close()


# --- what every key-value store does


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> KeyValue:
    found: KeyValue = Memory() if request.param == "memory" else request.getfixturevalue("redis")
    return found


async def test_a_value_comes_back_byte_by_byte(store: KeyValue):
    await store.set("a", bytes(range(256)), 60)

    assert await store.get("a") == bytes(range(256))


async def test_what_was_never_kept_is_not_there(store: KeyValue):
    assert await store.get("a") is None


async def test_the_newest_value_counts_and_a_deleted_one_is_gone(store: KeyValue):
    await store.set("a", b"1", 60)
    await store.set("a", b"2", 60)
    assert await store.get("a") == b"2"

    await store.delete("a")
    await store.delete("a")
    assert await store.get("a") is None


async def test_a_value_expires(store: KeyValue):
    await store.set("a", b"1", 0.001)
    await asyncio.sleep(0.05)

    assert await store.get("a") is None


async def test_an_empty_value_is_a_value(store: KeyValue):
    await store.set("a", b"", 60)

    assert await store.get("a") == b""


# --- Redis


async def test_every_key_has_our_prefix(redis: Redis, redis_server: RedisServer):
    await redis.set("a", b"1", 60)
    await redis.script(ADD, ["n"], [1])

    assert PREFIX == "switchpoint:"
    assert redis_server.say(b"EXISTS switchpoint:a switchpoint:n") == b":2\r\n"


async def test_a_script_runs_the_first_time_and_again(redis: Redis):
    assert [await redis.script(ADD, ["n"], [3]) for _ in range(3)] == [3, 6, 9]


async def test_a_script_is_sent_anew_to_a_redis_that_forgot_it(redis: Redis, redis_server: RedisServer):
    await redis.script(ADD, ["n"], [1])
    redis_server.say(b"SCRIPT FLUSH")

    assert await redis.script(ADD, ["n"], [1]) == 2


async def test_replicas_see_the_same_values(redis: Redis, redis_server: RedisServer):
    other = Redis(redis_server.url)
    await other.set("a", b"1", 60)

    assert await redis.get("a") == b"1"
    await other.close()


# --- death and return


async def test_a_dead_redis_is_an_empty_store_and_fails_scripts(redis: Redis, redis_server: RedisServer):
    await redis.set("a", b"1", 60)
    redis_server.kill()

    await redis.set("b", b"1", 60)
    await redis.delete("b")
    assert await redis.get("a") is None
    with pytest.raises(StoreUnavailable, match="Redis does not answer"):
        await redis.script(ADD, ["n"], [1])


async def test_after_it_came_back_the_same_object_works(redis: Redis, redis_server: RedisServer):
    await redis.script(ADD, ["n"], [1])
    redis_server.kill()
    assert await redis.get("a") is None

    redis_server.start()

    await redis.set("a", b"2", 60)
    assert await redis.get("a") == b"2"
    assert await redis.script(ADD, ["n"], [5]) == 5


async def test_while_it_rests_a_dead_redis_is_not_tried():
    now = [0.0]
    redis = Redis(f"redis://127.0.0.1:{free_port()}", rest_s=1.0, clock=lambda: now[0])

    assert await said(lambda: redis.script(ADD, ["n"], [1])) == "Redis does not answer (ConnectionError)."
    now[0] = 0.99
    assert await said(lambda: redis.script(ADD, ["n"], [1])) == "Redis does not answer. It is tried again soon."
    assert await redis.get("a") is None
    now[0] = 1.0
    assert await said(lambda: redis.script(ADD, ["n"], [1])) == "Redis does not answer (ConnectionError)."


async def said(work: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await work()
    return str(caught.value)


async def test_a_redis_that_hangs_is_given_up(redis_server: RedisServer):
    redis = Redis(redis_server.url, timeout_s=0.05, rest_s=0.0)
    await redis.set("a", b"1", 60)
    with redis_server.frozen():
        assert await redis.get("a") is None
        assert await said(lambda: redis.script(ADD, ["n"], [1])) == "Redis does not answer (TimeoutError)."
    await redis.close()


async def test_an_answer_that_came_too_late_is_never_taken_for_another(redis_server: RedisServer):
    redis = Redis(redis_server.url, timeout_s=0.05, rest_s=0.0)
    await redis.set("a", b"of a", 60)
    await redis.set("b", b"of b", 60)
    with redis_server.frozen():
        assert await redis.get("a") is None

    assert {await redis.get("b") for _ in range(20)} <= {b"of b", None}
    await redis.close()


# --- secrets and faults


async def test_neither_address_nor_password_is_ever_shown(caplog: pytest.LogCaptureFixture):
    redis = Redis("redis://me:PLANTED@127.0.0.1:1/0")

    text = await said(lambda: redis.script(ADD, ["n"], [1]))

    assert not [word for word in ("PLANTED", "127.0.0.1") if word in text + caplog.text]


@pytest.mark.parametrize("url", ["PLANTED", "http://PLANTED", "redis://h:PLANTED/0"])
def test_a_url_that_is_none_is_refused_unseen(url: str):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        Redis(url)
    assert "PLANTED" not in str(caught.value)
