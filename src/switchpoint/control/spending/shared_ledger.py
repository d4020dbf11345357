"""The ledger that replicas share: money is set aside in PostgreSQL, in one transaction that locks the accounts."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from switchpoint.control.spending.budgets import Account, Per, Spending, period
from switchpoint.control.spending.ledger import TOLERANCE_USD, Hold, LocalLedger, Pages, spent
from switchpoint.core.errors import BudgetSpent, StoreUnavailable
from switchpoint.stores.postgres import Postgres

_logger = logging.getLogger(__name__)

AsyncConnection = Any
"""Of psycopg, which is known in the room of stores alone."""

HELD_S = 900.0
"""A reservation that is older belongs to a replica that died: it is booked as spent, since nobody knows better."""

EXPIRE_EVERY_S = 10.0
RETRY_S = 0.2
FLUSH_S = 5.0
"""How long a process that stops waits for PostgreSQL to take what has ended."""

BATCH = 200
"""Requests that are settled or reserved in one transaction: of one process there is never more than one at a time."""

# Rows are always locked in this order: two transactions cannot wait for each other.
LOCK = """SELECT account, period, spent_usd + reserved_usd FROM spending
WHERE (account, period) IN (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY account, period FOR UPDATE"""
OPEN = """INSERT INTO spending (account, period) SELECT * FROM unnest(%s::text[], %s::text[]) ORDER BY 1, 2
ON CONFLICT DO NOTHING"""
RESERVE = """WITH held AS (
    INSERT INTO reservations (id, account, period, usd, expires_s)
    SELECT id, account, period, usd, %s
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[]) AS a (id, account, period, usd)
    RETURNING account, period, usd),
totals AS (SELECT account, period, sum(usd) AS usd FROM held GROUP BY account, period)
UPDATE spending SET reserved_usd = reserved_usd + totals.usd FROM totals
WHERE spending.account = totals.account AND spending.period = totals.period"""
LOCK_HELD = """SELECT 1 FROM spending WHERE (account, period) IN (
    SELECT account, period FROM reservations WHERE id = ANY(%s::text[])) ORDER BY account, period FOR UPDATE"""
SETTLE = """WITH ended AS (
    DELETE FROM reservations USING unnest(%s::text[], %s::float8[]) AS a (ended_id, cost_usd)
    WHERE reservations.id = a.ended_id RETURNING account, period, usd, cost_usd),
totals AS (SELECT account, period, sum(usd) AS usd, sum(cost_usd) AS cost_usd FROM ended GROUP BY account, period)
UPDATE spending SET reserved_usd = reserved_usd - totals.usd, spent_usd = spent_usd + totals.cost_usd FROM totals
WHERE spending.account = totals.account AND spending.period = totals.period"""
EXPIRED = "SELECT DISTINCT id, usd FROM reservations WHERE expires_s < %s LIMIT 100"

Place = tuple[str, str]
"""An account, and the label of one of its periods."""


class Reservation(NamedTuple):
    """Money set aside in PostgreSQL."""

    id: str
    usd: float


class Asked(NamedTuple):
    """Money that a request asks for."""

    accounts: Sequence[Account]
    least_usd: float
    most_usd: float
    answer: asyncio.Future[Reservation]


class SharedLedger:
    """Keeps budgets for all replicas.

    local : keeps them while PostgreSQL does not answer, from the last known numbers; each replica for itself, so all
    together may then spend what is left as many times as there are replicas.
    refuse : raise StoreUnavailable then, instead. now : seconds since the epoch.
    """

    def __init__(
        self,
        postgres: Postgres,
        local: LocalLedger,
        *,
        refuse: bool = False,
        held_s: float = HELD_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._postgres, self._local, self._refuse = postgres, local, refuse
        self._held_s, self._now = held_s, now
        self._expired_at = 0.0
        self._ended: deque[tuple[str, float]] = deque()
        self._asked: deque[Asked] = deque()
        self._working: asyncio.Task[None] | None = None

    async def reserve(self, accounts: Sequence[Account], least_usd: float, most_usd: float) -> Hold:
        """Set money aside; see `Ledger`."""
        asked = Asked(accounts, least_usd, most_usd, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._wake()
        try:
            return await asked.answer
        except StoreUnavailable:
            if self._refuse:
                raise
            return await self._local.reserve(accounts, least_usd, most_usd)

    def settle(self, hold: Hold, cost_usd: float) -> None:
        """Book what was spent; see `Ledger`. It is written soon, and again until PostgreSQL has taken it."""
        if isinstance(hold, Pages):
            self._local.settle(hold, cost_usd)
            return
        assert isinstance(hold, Reservation)
        self._ended.append((hold.id, cost_usd))
        self._wake()

    async def flush(self, patience_s: float = FLUSH_S) -> None:
        """Return once all that has ended is written, or after so long; the rest expires, as that of a dead replica."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._working is not None:
                    await asyncio.shield(self._working)

    def _wake(self) -> None:
        if self._working is None:
            self._working = asyncio.create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._ended or self._asked:
                ended = list(islice(self._ended, BATCH))
                asked = [self._asked.popleft() for _ in range(min(BATCH, len(self._asked)))]
                await self._try(ended, asked)
        finally:
            self._working = None

    async def _try(self, ended: Sequence[tuple[str, float]], asked: Sequence[Asked]) -> None:
        """Settle and reserve in one transaction; what has ended waits on where PostgreSQL does not answer."""
        try:
            said = await self._postgres.run(partial(self._turn, ended=ended, asked=asked))
        except Exception as error:
            for each in asked:
                if not each.answer.done():
                    each.answer.set_exception(_unavailable(error))
            if not self._asked:
                await asyncio.sleep(RETRY_S)
            return
        for _ in ended:
            self._ended.popleft()
        for each, result in zip(asked, said, strict=True):
            self._answer(each.answer, result)

    def _answer(self, answer: asyncio.Future[Reservation], result: Reservation | BudgetSpent) -> None:
        if isinstance(result, Reservation) and answer.done():  # whoever asked was cancelled meanwhile
            self._ended.append((result.id, 0.0))
        elif isinstance(result, Reservation):
            answer.set_result(result)
        elif not answer.done():
            answer.set_exception(result)

    async def _turn(
        self, connection: AsyncConnection, *, ended: Sequence[tuple[str, float]], asked: Sequence[Asked]
    ) -> list[Reservation | BudgetSpent]:
        now_s = self._now()
        if now_s - self._expired_at >= EXPIRE_EVERY_S:
            self._expired_at = now_s
            dead = await (await connection.execute(EXPIRED, (now_s,))).fetchall()
            await _settle(connection, dead)
        await _settle(connection, ended)
        return await self._reserve(connection, asked, now_s) if asked else []

    async def _reserve(
        self, connection: AsyncConnection, asked: Sequence[Asked], now_s: float
    ) -> list[Reservation | BudgetSpent]:
        labels = {per: period(per, now_s).label for per in Per}
        used = await _used(connection, {(a.id, labels[a.per]) for each in asked for a in each.accounts})
        said: list[Reservation | BudgetSpent] = []
        rows: list[tuple[str, str, str, float]] = []
        for each in asked:
            try:
                held = Reservation(secrets.token_hex(12), granted(each, labels, used))
            except BudgetSpent as refusal:
                said.append(refusal)
                continue
            for account in each.accounts:
                used[account.id, labels[account.per]] += held.usd
                rows.append((held.id, account.id, labels[account.per], held.usd))
            said.append(held)
        if rows:
            await connection.execute(RESERVE, (now_s + self._held_s, *map(list, zip(*rows, strict=True))))
        self._local.learn([Spending(*place, usd) for place, usd in used.items()])
        return said


def _unavailable(error: Exception) -> StoreUnavailable:
    """Return what to say of a transaction that failed, whatever the reason."""
    if isinstance(error, StoreUnavailable):
        return error
    _logger.error("Budgets cannot be kept in PostgreSQL (%s).", type(error).__name__)
    return StoreUnavailable(f"PostgreSQL cannot keep budgets now ({type(error).__name__}).")


def granted(asked: Asked, labels: Mapping[Per, str], used: Mapping[Place, float]) -> float:
    """Return how much a request may set aside beside what is used; raises BudgetSpent."""
    usd = asked.most_usd
    for account in asked.accounts:
        left_usd = account.usd - used[account.id, labels[account.per]]
        if left_usd + TOLERANCE_USD < asked.least_usd or left_usd <= 0:
            raise spent(account, asked.least_usd, max(left_usd, 0.0))
        usd = min(usd, left_usd)
    return usd


async def _used(connection: AsyncConnection, places: Collection[Place]) -> dict[Place, float]:
    """Return what of each account is spent or set aside; its rows stay as they are until the transaction ends."""
    columns = [account for account, _ in places], [label for _, label in places]
    rows = await (await connection.execute(LOCK, columns)).fetchall()
    if len(rows) < len(places):
        await connection.execute(OPEN, columns)
        rows = await (await connection.execute(LOCK, columns)).fetchall()
    return {(account, label): usd for account, label, usd in rows}


async def _settle(connection: AsyncConnection, ended: Sequence[tuple[str, float]]) -> None:
    """Book what ended; what was booked before is not there any more, so doing it again is harmless."""
    if not ended:
        return
    ids = [id for id, _ in ended]
    await connection.execute(LOCK_HELD, (ids,))
    await connection.execute(SETTLE, (ids, [cost_usd for _, cost_usd in ended]))
