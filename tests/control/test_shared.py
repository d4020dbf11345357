"""Budgets and limits that replicas share, on the real servers: their death, and that of a replica."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from switchpoint.control.database import SharedDatabase
from switchpoint.control.keys import Key, digest, new_secret
from switchpoint.control.keystore import KeyStore
from switchpoint.control.limits import LocalLimiter, Meter, Unit
from switchpoint.control.shared_limits import SharedLimiter
from switchpoint.control.spending.bookkeeper import Bookkeeper
from switchpoint.control.spending.budgets import Account, Budget, BudgetStore, Per, Scope
from switchpoint.control.spending.ledger import LocalLedger, Pages
from switchpoint.control.spending.shared_ledger import Reservation, SharedLedger
from switchpoint.core.errors import BudgetSpent, LimitReached, StoreUnavailable
from switchpoint.engine.engine import utc_now
from switchpoint.stores.postgres import Postgres
from switchpoint.stores.redis import Redis
from tests.stores.servers import PostgresServer, RedisServer

TOTAL = Account("key:k:total", Per.TOTAL, 1.0)
MONTH = Account("team:t:month", Per.MONTH, 5.0)
BOTH = (TOTAL, MONTH)
ONE_A_SECOND = Meter("requests:key:k", Unit.REQUESTS, 60.0)
TOKENS = Meter("tokens:key:k", Unit.TOKENS, 1000.0)
REQUEST = {Unit.REQUESTS: 1.0, Unit.TOKENS: 10.0, Unit.USD: 0.0}


OPEN: list[tuple[SharedLedger | SharedLimiter, Postgres | Redis]] = []


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """Close every connection that a test has opened, on its loop."""
    yield
    while OPEN:
        shared, store = OPEN.pop()
        await shared.flush()
        await store.close()


def limiter_of(server: RedisServer, local: LocalLimiter | None = None) -> SharedLimiter:
    redis = Redis(server.url)
    limiter = SharedLimiter(redis, local)
    OPEN.append((limiter, redis))
    return limiter


def replica(server: PostgresServer, local: LocalLedger | None = None, **more: object) -> SharedLedger:
    postgres = Postgres(server.url, rest_s=0.05)
    SharedDatabase(postgres).prepare()
    ledger = SharedLedger(postgres, local or LocalLedger(), **more)  # type: ignore[arg-type]
    OPEN.append((ledger, postgres))
    return ledger


def spent_usd(server: PostgresServer) -> dict[str, float]:
    lines = BudgetStore(SharedDatabase(Postgres(server.url))).spending(time.time())
    return {line.account: line.spent_usd for line in lines}


async def test_a_thousand_concurrent_calls_of_two_replicas_never_set_more_aside_than_the_limit(
    postgres_server: PostgresServer,
) -> None:
    replicas = [replica(postgres_server), replica(postgres_server)]
    booked = 0

    async def call(number: int) -> None:
        nonlocal booked
        ledger = replicas[number % 2]
        try:
            hold = await ledger.reserve(BOTH, 0.004, 0.004)
        except BudgetSpent:
            return
        booked += 1
        await asyncio.sleep(0.001)
        ledger.settle(hold, 0.004)

    await asyncio.gather(*(call(number) for number in range(1000)))
    for each in replicas:
        await each.flush()

    assert 200 <= booked <= 251  # 250 fit; and all of what was booked is written
    assert spent_usd(postgres_server) == pytest.approx({TOTAL.id: booked * 0.004, MONTH.id: booked * 0.004})


async def test_what_one_replica_sets_aside_is_not_there_for_the_other(postgres_server: PostgresServer) -> None:
    one, other = replica(postgres_server), replica(postgres_server)
    hold = await one.reserve(BOTH, 0.1, 0.7)

    assert (await other.reserve(BOTH, 0.1, 0.7)).usd == pytest.approx(0.3)
    with pytest.raises(BudgetSpent):
        await other.reserve(BOTH, 0.1, 0.7)

    one.settle(hold, 0.2)
    await one.flush()
    assert (await other.reserve(BOTH, 0.1, 0.7)).usd == pytest.approx(0.5)


async def test_what_a_dead_replica_set_aside_is_booked_when_it_expires(postgres_server: PostgresServer) -> None:
    await replica(postgres_server, held_s=-1.0).reserve(BOTH, 0.1, 0.7)

    left = await replica(postgres_server).reserve(BOTH, 0.1, 0.7)

    assert left.usd == pytest.approx(0.3)
    assert spent_usd(postgres_server)[TOTAL.id] == pytest.approx(0.7)


async def test_a_request_that_ends_while_postgresql_is_away_is_booked_when_it_returns(
    postgres_server: PostgresServer,
) -> None:
    ledger = replica(postgres_server)
    hold = await ledger.reserve(BOTH, 0.1, 0.7)

    postgres_server.kill()
    ledger.settle(hold, 0.6)
    await asyncio.sleep(0.01)
    postgres_server.start()
    await ledger.flush()

    assert spent_usd(postgres_server)[TOTAL.id] == pytest.approx(0.6)


async def test_while_postgresql_is_away_budgets_are_kept_by_the_last_known_numbers(
    postgres_server: PostgresServer,
) -> None:
    local = LocalLedger()
    ledger, store = replica(postgres_server, local), BudgetStore(SharedDatabase(Postgres(postgres_server.url)))
    keeper = Bookkeeper(store, local, lambda _: None)
    ledger.settle(await ledger.reserve(BOTH, 0.1, 0.7), 0.6)
    await ledger.flush()
    keeper.write()

    postgres_server.kill()
    hold = await ledger.reserve(BOTH, 0.1, 0.7)
    ledger.settle(hold, 0.1)
    assert hold.usd == pytest.approx(0.4)
    postgres_server.start()
    keeper.write()

    assert spent_usd(postgres_server)[TOTAL.id] == pytest.approx(0.7)


async def test_while_postgresql_is_away_requests_are_refused_where_that_is_asked_for(
    postgres_server: PostgresServer,
) -> None:
    ledger = replica(postgres_server, refuse=True)
    postgres_server.kill()

    with pytest.raises(StoreUnavailable):
        await ledger.reserve(BOTH, 0.1, 0.7)


async def test_the_end_waits_only_so_long_for_a_postgresql_that_is_away(postgres_server: PostgresServer) -> None:
    ledger = replica(postgres_server)
    ledger.settle(await ledger.reserve(BOTH, 0.1, 0.7), 0.6)
    await ledger.flush()

    postgres_server.kill()
    ledger.settle(Reservation("unknown", 0.1), 0.1)
    await ledger.flush(0.05)  # returns
    postgres_server.start()

    assert spent_usd(postgres_server)[TOTAL.id] == pytest.approx(0.6)


async def test_budgets_are_kept_locally_while_postgresql_has_no_tables_yet(postgres_server: PostgresServer) -> None:
    postgres = Postgres(postgres_server.url)
    ledger = SharedLedger(postgres, LocalLedger())
    OPEN.append((ledger, postgres))

    hold = await ledger.reserve(BOTH, 0.1, 0.7)

    assert isinstance(hold, Pages)


def test_keys_and_budgets_are_kept_in_postgresql_as_in_a_file(postgres_server: PostgresServer) -> None:
    database = SharedDatabase(Postgres(postgres_server.url))
    key = Key(id="k", digest=digest(new_secret()), name="n", created=utc_now(), routes=frozenset({"auto"}))
    keys, budgets = KeyStore(database), BudgetStore(database)

    keys.add(key)
    budgets.set(Budget(Scope.TEAM, "t", Per.DAY, 3.0))
    keys.revoke("k")

    assert [(each.id, each.routes, each.disabled) for each in keys.all()] == [("k", {"auto"}, True)]
    assert budgets.all() == [Budget(Scope.TEAM, "t", Per.DAY, 3.0)]


async def test_two_replicas_share_one_bucket(redis_server: RedisServer) -> None:
    one, other = limiter_of(redis_server), limiter_of(redis_server)
    let_in = 0

    async def call(number: int) -> None:
        nonlocal let_in
        try:
            await (one, other)[number % 2].take([ONE_A_SECOND, TOKENS], REQUEST)
        except LimitReached:
            return
        let_in += 1

    for number in range(100):
        await call(number)

    assert 60 <= let_in <= 62  # a bucket fills while it is emptied


async def test_a_refusal_says_when_there_is_room_and_takes_nothing(redis_server: RedisServer) -> None:
    limiter = limiter_of(redis_server)
    await limiter.take([TOKENS], {Unit.TOKENS: 1000.0})

    with pytest.raises(LimitReached, match="1000 tokens per minute") as told:
        await limiter.take([ONE_A_SECOND, TOKENS], REQUEST | {Unit.TOKENS: 500.0})

    assert told.value.retry_after_s == pytest.approx(30, abs=5)
    assert (await limiter.take([ONE_A_SECOND], REQUEST))[0].left == 59


async def test_tokens_that_were_not_needed_come_back_to_the_shared_bucket(redis_server: RedisServer) -> None:
    limiter = limiter_of(redis_server)
    await limiter.take([TOKENS], {Unit.TOKENS: 900.0})

    limiter.give_back([TOKENS], {Unit.TOKENS: 800.0})
    await limiter.flush()

    assert (await limiter.take([TOKENS], REQUEST))[0].left == pytest.approx(890, abs=60)


async def test_while_redis_is_away_each_replica_keeps_the_limits_by_itself(redis_server: RedisServer) -> None:
    limiter = limiter_of(redis_server, LocalLimiter(lambda: 0.0))
    redis_server.kill()

    for _ in range(60):
        await limiter.take([ONE_A_SECOND], REQUEST)

    with pytest.raises(LimitReached):
        await limiter.take([ONE_A_SECOND], REQUEST)
