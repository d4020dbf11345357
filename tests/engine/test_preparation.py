"""Preparations: what is fetched before deciding, and that nothing of it can stop a query."""

import asyncio
import math
from dataclasses import replace
from decimal import Decimal

import pytest

from switchpoint.core.attempt import total
from switchpoint.core.errors import NoAnswer
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.estimators.rating import RatedQuality
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from switchpoint.upstreams.fake import Fake
from tests.doubles import Table, catalog

MODELS = catalog("mini", "big")
QUERY = Query.of("hello")
ROUTER = Router(
    "rated",
    MODELS,
    RatedQuality.stated("ease", MODELS.ids, [0.0, 1.0]),
    Table(MODELS.ids, [0.1, 1.0]),
    MaxUtility(4.0),
    default="big",
)


async def easy(query: Query) -> Query:
    cost_usd = total((query.preparation_usd, Decimal("0.001")))
    return replace(query, signals={**query.signals, "ease": 0.9}, preparation_usd=cost_usd)


async def late(query: Query) -> Query:
    await asyncio.sleep(60)
    return query


async def broken(query: Query) -> Query:
    raise ZeroDivisionError("a bug")


def made(*preparations) -> tuple[Engine, list[Record]]:
    records: list[Record] = []
    engine = Engine(
        catalog=MODELS,
        upstreams={"fake": Fake({"mini": ["from mini"], "big": ["from big"]})},
        sink=records.append,
        default_model="big",
        preparations={"rated": preparations},
    )
    return engine, records


async def test_a_query_is_prepared_before_it_is_decided_on() -> None:
    engine, _ = made(easy)

    record = await engine.run(ROUTER, QUERY)

    assert record.answered_by == "mini"
    assert (await made()[0].run(ROUTER, QUERY)).answered_by == "big"


async def test_what_preparing_cost_and_took_is_in_the_record_and_in_the_bill() -> None:
    engine, _ = made(easy)
    ticks = iter(range(100))

    record = await replace(engine, clock=lambda: float(next(ticks))).run(ROUTER, QUERY)

    assert record.preparation_usd == Decimal("0.001")
    assert record.cost_usd == record.attempts[0].cost_usd + Decimal("0.001")
    assert record.preparation_s == 1.0


async def test_a_strategy_without_preparations_spends_nothing_on_them() -> None:
    engine, _ = made(easy)

    record = await replace(engine, preparations={"other": (easy,)}).run(ROUTER, QUERY)

    assert (record.preparation_usd, record.preparation_s) == (0, 0.0)


@pytest.mark.parametrize("preparations", [(broken, easy), (easy, broken)])
async def test_a_preparation_that_raises_adds_nothing_and_its_cost_is_unknown(preparations) -> None:
    record = await made(*preparations)[0].run(ROUTER, QUERY)

    assert (record.answered_by, record.preparation_usd, record.cost_usd) == ("mini", None, None)


async def test_what_is_there_at_the_deadline_is_kept_and_the_rest_is_left_out() -> None:
    engine, _ = made(easy, late)

    prepared = await engine.prepare(ROUTER, QUERY, within_s=0.05)

    assert prepared.signals == {"ease": 0.9}
    assert prepared.preparation_usd is None


async def test_preparing_ends_with_the_querys_deadline() -> None:
    engine, records = made(late)

    with pytest.raises(NoAnswer):
        await engine.run(ROUTER, replace(QUERY, deadline_s=0.05))

    assert records[0].preparation_s < 60
    assert records[0].preparation_usd is None


async def test_a_caller_who_goes_away_while_a_query_is_prepared_leaves_a_record() -> None:
    engine, records = made(late)
    task = asyncio.create_task(engine.run(ROUTER, QUERY))
    await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (records[0].outcome, records[0].attempts, records[0].preparation_usd) == ("cancelled", (), None)


async def test_a_decision_on_a_prepared_query_calls_nothing_more() -> None:
    engine, records = made(easy)

    decision = engine.decide(ROUTER, await engine.prepare(ROUTER, QUERY))

    assert decision.model == "mini"
    assert math.isclose(decision.quality["mini"], 0.9)
    assert records == []
