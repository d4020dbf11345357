"""PostgreSQL: transactions, and what they are told when the server dies, hangs and returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from switchpoint.core.errors import ConfigError, StoreUnavailable
from switchpoint.stores.postgres import CONNECTIONS, Postgres, refuses_data
from tests.stores.servers import PostgresServer, free_port

STEPS = ("CREATE TABLE numbers (n INTEGER PRIMARY KEY)", "ALTER TABLE numbers ADD COLUMN word TEXT")
PATIENCE_S = 60.0


@pytest.fixture
async def postgres(postgres_server: PostgresServer) -> AsyncIterator[Postgres]:
    """A database with a table of numbers; after a failure it is tried again at once."""
    postgres = Postgres(postgres_server.url, rest_s=0.0)
    postgres.migrate("numbers", STEPS)
    yield postgres
    await postgres.close()


def insert(n: int) -> Any:
    async def work(connection: Any) -> int:
        await connection.execute("INSERT INTO numbers (n) VALUES (%s)", (n,))
        return n

    return work


async def numbers(connection: Any) -> list[int]:
    rows = await connection.execute("SELECT n FROM numbers ORDER BY n")
    return [n for (n,) in await rows.fetchall()]


# --- transactions


async def test_work_returns_its_result_and_is_committed(postgres: Postgres):
    assert await postgres.run(insert(7)) == 7
    assert await postgres.run(numbers) == [7]


async def test_what_raises_is_undone_and_the_connection_is_kept(postgres: Postgres):
    async def half(connection: Any) -> None:
        await insert(1)(connection)
        raise KeyError("half")

    with pytest.raises(KeyError):
        await postgres.run(half)
    assert await postgres.run(numbers) == []


async def test_more_work_than_connections_is_all_done(postgres: Postgres):
    await asyncio.gather(*(postgres.run(insert(n)) for n in range(5 * CONNECTIONS)))

    assert await postgres.run(numbers) == list(range(5 * CONNECTIONS))


async def test_cancelled_work_is_undone(postgres: Postgres):
    begun = asyncio.Event()

    async def endless(connection: Any) -> None:
        await insert(1)(connection)
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(postgres.run(endless))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await postgres.run(numbers) == []


async def test_data_that_does_not_fit_is_the_callers_error_not_the_stores(postgres: Postgres):
    await postgres.run(insert(1))

    with pytest.raises(Exception, match="duplicate key") as caught:
        await postgres.run(insert(1))
    assert refuses_data(caught.value)
    assert await postgres.run(numbers) == [1]


def test_a_loop_of_its_own_has_connections_of_its_own(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url)
    postgres.migrate("numbers", STEPS)

    async def use(n: int) -> list[int]:
        await postgres.run(insert(n))
        found = await postgres.run(numbers)
        await postgres.close()
        return found

    assert asyncio.run(use(1)) == [1]
    assert asyncio.run(use(2)) == [1, 2]


# --- death and return


async def test_after_the_server_died_and_came_back_the_same_object_works(
    postgres: Postgres, postgres_server: PostgresServer
):
    await asyncio.gather(*(postgres.run(insert(n)) for n in range(CONNECTIONS)))
    postgres_server.kill()
    with pytest.raises(StoreUnavailable):
        await postgres.run(numbers)

    postgres_server.start()

    assert await postgres.run(numbers) == list(range(CONNECTIONS))


async def test_a_restart_that_nobody_noticed_costs_no_failure(postgres: Postgres, postgres_server: PostgresServer):
    await postgres.run(insert(1))
    postgres_server.kill()
    postgres_server.start()

    assert await postgres.run(numbers) == [1]


async def test_while_it_rests_the_dead_server_is_not_tried():
    now = [0.0]
    postgres = Postgres(f"postgresql://nobody@127.0.0.1:{free_port()}/x", rest_s=1.0, clock=lambda: now[0])
    with pytest.raises(StoreUnavailable, match="OperationalError"):
        await postgres.run(numbers)

    now[0] = 0.99
    with pytest.raises(StoreUnavailable, match="tried again soon"):
        await postgres.run(numbers)
    now[0] = 1.0
    with pytest.raises(StoreUnavailable, match="OperationalError"):
        await postgres.run(numbers)


async def test_a_server_that_hangs_is_given_up(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url, run_timeout_s=0.2, rest_s=0.0)
    postgres.migrate("numbers", STEPS)
    await postgres.run(insert(1))
    with postgres_server.frozen(), pytest.raises(StoreUnavailable, match="TimeoutError"):
        await postgres.run(numbers)

    await until_it_works(postgres)
    await postgres.close()


async def until_it_works(postgres: Postgres) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                assert await postgres.run(numbers) == [1]
                return
            except StoreUnavailable:
                await asyncio.sleep(0.01)


async def test_a_statement_that_takes_too_long_is_ended_and_the_server_is_not_left_alone(
    postgres_server: PostgresServer,
):
    postgres = Postgres(postgres_server.url, statement_timeout_s=0.05, run_timeout_s=PATIENCE_S)

    async def sleep(connection: Any) -> None:
        await connection.execute("SELECT pg_sleep(60)")

    async def one(connection: Any) -> Any:
        return await (await connection.execute("SELECT 1")).fetchone()

    with pytest.raises(StoreUnavailable, match="QueryCanceled"):
        await postgres.run(sleep)
    assert await postgres.run(one) == (1,)
    await postgres.close()


# --- secrets and faults


@pytest.mark.parametrize("url", ["postgresql://me:PLANTED@127.0.0.1:1/x", "host=127.0.0.1 port=1 password=PLANTED"])
def test_neither_address_nor_password_is_ever_shown(url: str, caplog: pytest.LogCaptureFixture):
    postgres = Postgres(url)
    with pytest.raises(StoreUnavailable) as caught:
        postgres.connect()
    with pytest.raises(StoreUnavailable):
        asyncio.run(postgres.run(numbers))

    assert caught.value.__suppress_context__
    assert not [word for word in ("PLANTED", "127.0.0.1") if word in f"{caught.value}{caplog.text}"]


@pytest.mark.parametrize("url", ["sqlite:///PLANTED.db", "PLANTED", "postgresql://%zz:PLANTED@h/x"])
def test_a_url_that_is_none_is_refused_unseen(url: str):
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        Postgres(url)
    assert "PLANTED" not in str(caught.value)


# --- migrations


def tables(postgres: Postgres) -> set[str]:
    query = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_name = 'numbers'"
    with closing(postgres.connect()) as connection:
        return {name for (name,) in connection.execute(query)}


def test_each_step_is_applied_once(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url)
    postgres.migrate("numbers", STEPS[:1])
    assert tables(postgres) == {"numbers.n"}

    for _ in range(2):
        postgres.migrate("numbers", STEPS)
        assert tables(postgres) == {"numbers.n", "numbers.word"}


def test_areas_have_steps_of_their_own(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url)
    postgres.migrate("numbers", STEPS)
    postgres.migrate("letters", ["CREATE TABLE letters (l TEXT)"])

    with closing(postgres.connect()) as connection:
        rows = connection.execute("SELECT area, max(number) FROM switchpoint_migrations GROUP BY 1 ORDER BY 1")
        assert rows.fetchall() == [("letters", 1), ("numbers", 2)]


def test_steps_are_applied_all_or_none(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url)
    with pytest.raises(Exception, match="nowhere"):
        postgres.migrate("numbers", [*STEPS, "INSERT INTO nowhere VALUES (1)"])

    assert tables(postgres) == set()


def test_a_newer_database_is_refused(postgres_server: PostgresServer):
    postgres = Postgres(postgres_server.url)
    postgres.migrate("numbers", STEPS)

    with pytest.raises(ConfigError, match=r"newer Switchpoint \(step 2, this one knows 1\)"):
        postgres.migrate("numbers", STEPS[:1])


async def test_replicas_that_start_together_migrate_once(postgres_server: PostgresServer):
    replicas = [Postgres(postgres_server.url) for _ in range(4)]

    await asyncio.gather(*(asyncio.to_thread(replica.migrate, "numbers", STEPS) for replica in replicas))

    assert tables(replicas[0]) == {"numbers.n", "numbers.word"}
