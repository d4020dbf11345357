"""PostgreSQL and Redis die, hang and return: requests are answered, limits and budgets kept, and records complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.chaos.callers import wait_for
from tests.chaos.gateway import USER, Gateway, running
from tests.fake_openai import answering
from tests.stores.servers import PostgresServer, RedisServer, Server

ACCESS = {
    "open": True,
    "budgets": [{"tenant": "default", "usd": 1.0}],
    "limits": [{"tenant": "default", "requests_per_min": 1000}],
}


@pytest.fixture
def gateway(
    tmp_path: Path,
    postgres_server: PostgresServer,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Gateway]:
    monkeypatch.setenv("DATABASE_URL", postgres_server.url)
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    with running(tmp_path, {"well": answering()}, access=ACCESS, sessions={"enabled": True}) as gateway:
        yield gateway
        postgres_server.start()  # what is recorded is written before the end
        redis_server.start()


@contextmanager
def killed(server: Server) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


def ask(gateway: Gateway, *ids: str) -> list[int]:
    url, body = f"{gateway.url}/v1/chat/completions", {"model": "well", "messages": [USER], "user": "u1"}
    with httpx2.Client(timeout=30) as client:
        return [client.post(url, json=body, headers={"x-request-id": id}).status_code for id in ids]


def written(gateway: Gateway) -> set[str]:
    log = gateway.switchpoint.log
    assert log is not None
    assert wait_for(lambda: log.flush(1.0) and not log.spooling, timeout_s=30.0)
    return set(gateway.records())


DEATHS: dict[str, Callable[[PostgresServer, RedisServer], list[Server]]] = {
    "postgres": lambda postgres, redis: [postgres],
    "redis": lambda postgres, redis: [redis],
    "both": lambda postgres, redis: [postgres, redis],
}


@pytest.mark.parametrize("death", list(DEATHS))
def test_requests_are_answered_while_a_store_is_dead_and_every_record_is_there_when_it_is_back(
    gateway: Gateway, postgres_server: PostgresServer, redis_server: RedisServer, death: str
):
    dying = DEATHS[death](postgres_server, redis_server)

    before = ask(gateway, "before")
    for server in dying:
        server.kill()
    during = ask(gateway, *(f"during-{number}" for number in range(5)))
    for server in dying:
        server.start()
    after = ask(gateway, "after")

    assert before + during + after == [200] * 7
    assert written(gateway) == {"before", "after", *(f"during-{number}" for number in range(5))}


def test_a_redis_that_hangs_holds_nobody_up_for_long(gateway: Gateway, redis_server: RedisServer):
    ask(gateway, "before")

    with redis_server.frozen():
        statuses = ask(gateway, *(f"during-{number}" for number in range(5)))

    assert statuses == [200] * 5


def test_a_postgres_that_hangs_holds_nobody_up(gateway: Gateway, postgres_server: PostgresServer):
    ask(gateway, "before")

    with postgres_server.frozen():
        statuses = ask(gateway, "during")

    assert statuses == [200]
    assert written(gateway) == {"before", "during"}


def test_what_was_spent_while_postgres_was_dead_is_booked_when_it_is_back(
    gateway: Gateway, postgres_server: PostgresServer
):
    ask(gateway, "before")
    with killed(postgres_server):
        ask(gateway, "during-1", "during-2")

    assert wait_for(lambda: spent_usd(postgres_server) == pytest.approx(3 * 16e-6), timeout_s=30.0)


def spent_usd(server: PostgresServer) -> float:
    import psycopg

    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT coalesce(sum(spent_usd), 0) FROM spending").fetchone()
    assert row is not None
    return float(row[0])
