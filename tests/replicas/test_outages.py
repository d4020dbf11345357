"""Replicas with keys and budgets serve while PostgreSQL or Redis is away, and lose what the docs say at most."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from switchpoint.records.log import RecordLog
from switchpoint.records.reader import RecordReader
from tests.fake_openai import FakeOpenAI
from tests.replicas.conftest import KEYS, configured
from tests.replicas.processes import Replica, Reply, Start, load, wait_for_more, wait_until
from tests.replicas.test_sharing import spent_usd
from tests.stores.servers import PostgresServer, RedisServer

ACME = KEYS["acme"]


def asking(replica: Replica) -> Callable[[int], Reply]:
    return lambda number: replica.ask(f"question {number}", key=ACME, session="s", max_tokens=10)


def ids_of(replies: list[Reply]) -> list[str]:
    return sorted(reply.record_id for reply in replies)


def held(server: PostgresServer) -> int:
    """Return how many requests have set money aside."""
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT count(DISTINCT id) FROM reservations").fetchone()
    return 0 if row is None else int(row[0])


def test_requests_are_served_while_redis_dies_and_comes_back(start: Start, redis_server: RedisServer):
    with load(asking(start())) as replies:
        wait_for_more(replies)
        redis_server.kill()
        wait_for_more(replies)
        redis_server.start()
        wait_for_more(replies)


def test_requests_are_served_while_redis_hangs(start: Start, redis_server: RedisServer):
    with load(asking(start())) as replies:
        wait_for_more(replies)
        with redis_server.frozen():
            wait_for_more(replies)
        wait_for_more(replies)


def test_nothing_recorded_or_spent_is_lost_while_postgres_dies_and_comes_back(
    start: Start, postgres_server: PostgresServer, reader: RecordReader
):
    serving = start()
    with load(asking(serving)) as replies:
        wait_for_more(replies)
        postgres_server.kill()
        wait_for_more(replies)
        wait_until(serving.spool.exists)
        postgres_server.start()
        wait_for_more(replies)
    serving.stop()

    records = list(reader.all())
    assert sorted(record.id for record in records) == ids_of(replies)
    billed_usd = sum(float(record.cost_usd or 0) for record in records)
    assert spent_usd(postgres_server, "key:acme:month") == pytest.approx(billed_usd)


def test_requests_are_served_while_postgres_hangs(start: Start, postgres_server: PostgresServer, reader: RecordReader):
    serving = start()
    with load(asking(serving)) as replies:
        wait_for_more(replies)
        with postgres_server.frozen():
            wait_for_more(replies)
        wait_for_more(replies)
    serving.stop()

    assert sorted(record.id for record in reader.all()) == ids_of(replies)


def test_while_postgres_is_away_requests_are_refused_where_the_configuration_says_so(
    start: Start, postgres_server: PostgresServer, upstream: FakeOpenAI
):
    serving = start(configured(upstream, when_unavailable="refuse"))
    assert serving.ask("hello", key=ACME).status == 200

    postgres_server.kill()
    refused = serving.ask("hello", key=ACME)
    postgres_server.start()

    assert (refused.status, refused.headers["x-should-retry"]) == (503, "true")
    wait_until(lambda: serving.ask("hello", key=ACME).status == 200)


def test_a_replica_that_starts_while_both_are_dead_serves_the_keys_of_its_configuration_and_records(
    start: Start, postgres_server: PostgresServer, redis_server: RedisServer, reader: RecordReader
):
    postgres_server.kill()
    redis_server.kill()
    serving = start()
    replies = [serving.ask(f"question {n}", key=ACME) for n in range(5)]

    postgres_server.start()
    redis_server.start()
    replies.append(serving.ask("one more", key=ACME))
    serving.stop()

    assert {reply.status for reply in replies} == {200}
    assert sorted(record.id for record in reader.all()) == ids_of(replies)


def test_a_replica_that_could_not_read_keys_yet_refuses_none_for_good(start: Start, postgres_server: PostgresServer):
    key = start().manage("/admin/keys", "POST", {"name": "stored"}).body["key"]
    postgres_server.kill()
    serving = start()

    unread = serving.ask("hello", key=key)
    postgres_server.start()

    assert (unread.status, unread.headers["x-should-retry"]) == (503, "true")
    wait_until(lambda: serving.ask("hello", key=key).status == 200)


def test_a_replica_stops_in_order_while_postgres_is_dead_and_the_next_one_writes_what_it_left(
    start: Start, postgres_server: PostgresServer, reader: RecordReader
):
    serving = start()
    replies = [serving.ask(f"question {n}", key=ACME) for n in range(5)]
    postgres_server.kill()
    replies.append(serving.ask("one more", key=ACME))
    serving.stop()
    postgres_server.start()

    RecordLog("env:DATABASE_URL", spool=serving.spool).close()
    assert serving.process.returncode == 0
    assert sorted(record.id for record in reader.all()) == ids_of(replies)


def test_a_killed_replica_loses_at_most_what_it_had_not_flushed(start: Start, reader: RecordReader):
    serving = start()
    replies = [serving.ask(f"question {n}", key=ACME) for n in range(20)]
    threading.Event().wait(1.0)  # five times the interval in which records are written
    serving.kill()

    assert sorted(record.id for record in reader.all()) == ids_of(replies)


def test_what_a_killed_replica_had_set_aside_is_booked_by_another_once_it_expires(
    start: Start, postgres_server: PostgresServer
):
    dying = start()
    threading.Thread(target=lambda: _ask_in_vain(dying), daemon=True).start()
    wait_until(lambda: held(postgres_server) == 1)
    dying.kill()
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("UPDATE reservations SET expires_s = 0")

    assert start().ask("hello", key=KEYS["globex"]).status == 200

    wait_until(lambda: held(postgres_server) == 0)
    assert spent_usd(postgres_server, "key:acme:month") > 0


def _ask_in_vain(replica: Replica) -> None:
    try:
        replica.ask("hello", key=ACME, model="mute")
    except OSError:
        return
