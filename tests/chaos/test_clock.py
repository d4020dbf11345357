"""A clock that jumps: what measures how long something takes asks the clock that only grows; what must know the date
bears it when that jumps, forwards and backwards."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from switchpoint.control.conversations.sessions import Sessions
from switchpoint.control.keyring import Keyring
from switchpoint.control.limits import LocalLimiter
from switchpoint.control.spending.budgets import Account, Per
from switchpoint.control.spending.ledger import LocalLedger
from switchpoint.core.errors import BudgetSpent
from switchpoint.core.query import Query
from switchpoint.engine.engine import Engine, utc_now
from switchpoint.routers.fixed import Fixed
from switchpoint.stores.circuit import Circuit
from switchpoint.stores.memory import Memory
from switchpoint.upstreams.balanced import Balanced
from switchpoint.upstreams.failures import retry_after_s
from switchpoint.upstreams.fake import Fake
from switchpoint.upstreams.health import Board
from switchpoint.upstreams.pool import Pool
from tests.chaos.gateway import USER, running
from tests.doubles import catalog
from tests.fake_openai import answering

HOUR_S = 3600.0
NOON_S = 1_800_014_400.0
"""Some noon, UTC, in seconds since the epoch."""
HOURLY = Account("tenant:default:hour", Per.HOUR, 1.0)
JUMPS = pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S], ids=["forwards", "backwards"])


class Clock:
    """A clock of the wall that can be set."""

    def __init__(self, now_s: float = NOON_S + 60) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def default_clock(made: Callable[..., Any]) -> object:
    return inspect.signature(made).parameters["clock"].default


@pytest.mark.parametrize("made", [Balanced, Board, Circuit, Keyring, LocalLimiter, Memory, Pool, Engine])
def test_what_measures_time_asks_a_clock_that_only_grows(made: Callable[..., Any]):
    assert default_clock(made) in (time.monotonic, time.perf_counter)


async def test_a_spent_budget_stays_spent_when_the_clock_is_set_back():
    clock = Clock()
    ledger = LocalLedger(clock)
    ledger.settle(await ledger.reserve([HOURLY], 0.0, 1.0), 1.0)

    clock.now_s -= HOUR_S

    with pytest.raises(BudgetSpent):
        await ledger.reserve([HOURLY], 0.1, 0.1)


async def test_a_clock_that_jumps_forwards_and_back_does_not_give_a_budget_twice():
    clock = Clock()
    ledger = LocalLedger(clock)
    spent_usd = 0.0
    for jump_s in (0.0, HOUR_S, -HOUR_S, HOUR_S, -HOUR_S):
        clock.now_s += jump_s
        try:
            ledger.settle(await ledger.reserve([HOURLY], 1.0, 1.0), 1.0)
            spent_usd += 1.0
        except BudgetSpent:
            pass

    assert spent_usd == 2.0  # of this hour, and in advance of the next one


@JUMPS
async def test_what_was_set_aside_before_a_jump_is_given_back_after_it(jump_s: float):
    clock = Clock()
    ledger = LocalLedger(clock)
    hold = await ledger.reserve([HOURLY], 0.0, 1.0)

    clock.now_s += jump_s
    ledger.settle(hold, 0.25)
    clock.now_s -= jump_s

    assert ledger.left_usd(HOURLY) == pytest.approx(0.75)


@JUMPS
async def test_a_conversation_survives_a_jump_and_was_never_idle_for_less_than_nothing(jump_s: float):
    clock = Clock()
    sessions = Sessions(Memory(), secret=b"secret", clock=clock)
    models = catalog("well")
    engine = Engine(
        catalog=models,
        upstreams={"fake": Fake({"well": ["Yes."]})},
        sink=sessions,
        default_model="well",
        preparations={"only": [sessions.prepare]},
    )
    query = Query(id="1", messages=(USER,), parameters={"user": "u1"})
    await engine.run(Fixed("only", models, "well"), query)
    await asyncio.sleep(0)  # what is remembered is written by a task

    clock.now_s += jump_s
    session = (await sessions.prepare(query)).session

    assert session is not None
    assert (session.model, session.idle_s) == ("well", max(0.0, jump_s))


@JUMPS
def test_records_tell_how_long_a_request_took_whatever_the_clock_says(tmp_path: Path, jump_s: float):
    def jumping() -> datetime:
        return utc_now() + timedelta(seconds=jump_s)

    with running(tmp_path, {"well": answering()}) as gateway:
        body = {"model": "well", "messages": [USER]}
        for number, now in enumerate((utc_now, jumping, utc_now)):
            object.__setattr__(gateway.switchpoint.engine, "now", now)
            httpx2.post(f"{gateway.url}/v1/chat/completions", json=body, headers={"x-request-id": str(number)})
        records = gateway.records()

    assert set(records) == {"0", "1", "2"}
    assert all(0 < record.latency_s < 60 for record in records.values())
    assert abs((records["1"].at - records["0"].at).total_seconds() - jump_s) < 60


@pytest.mark.parametrize(("jump_s", "wait_s"), [(HOUR_S, 0.0), (-HOUR_S, HOUR_S + 30)])
def test_a_wait_until_a_date_is_never_negative_and_a_long_one_is_left_for_another_model(jump_s: float, wait_s: float):
    date = format_datetime(datetime.fromtimestamp(NOON_S + 30).astimezone(), usegmt=False)

    assert retry_after_s({"Retry-After": date}, now=NOON_S + jump_s) == pytest.approx(wait_s)
