"""The engine and the health of models: who is shut is not asked, and retries stay within bounds."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from switchpoint.cascades.resilient import Resilient
from switchpoint.core.allowance import Allowance
from switchpoint.core.decision import Reason
from switchpoint.core.errors import (
    DeadlineExceeded,
    NoAnswer,
    NoEligibleModel,
    Overloaded,
    RateLimited,
    RequestError,
    UpstreamError,
)
from switchpoint.core.health import Health
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.routers.fixed import Fixed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from switchpoint.upstreams.fake import Fake, Turn
from tests.doubles import Table, catalog

TWO = catalog("mini", "big")
QUERY = Query.of("hello")
SHUT = Health(closed_because="it failed 5 times in a row", probe_in_s=3.0)
OOPS = UpstreamError("oops", status=500)


def engine_of(script: Mapping[str, list[Turn]], latency_s: float = 0.0, **options: object) -> Engine:
    fake = Fake({"mini": ["m"], "big": ["b"], **script}, latency_s=latency_s)
    return Engine(catalog=TWO, upstreams={"fake": fake}, sink=lambda _: None, default_model="mini", **options)


def best(retries: int = 2, backoff_s: float = 0.0) -> Resilient:
    router = Router("r", TWO, Table(TWO.ids, [0.3, 0.9]), Table(TWO.ids, [1, 2]), MaxUtility(float("inf")))
    return Resilient(router, TWO, retries=retries, backoff_s=backoff_s)


def called(record: Record) -> list[tuple[str, Reason]]:
    return [(attempt.decision.model, attempt.decision.reason) for attempt in record.attempts]


async def test_a_model_that_is_shut_is_not_chosen() -> None:
    engine = engine_of({}, health=lambda: {"big": SHUT})

    record = await engine.run(best(), QUERY)

    assert called(record) == [("mini", Reason.ONLY_ELIGIBLE)]


async def test_health_is_looked_at_before_every_step() -> None:
    reports = [{}, {"big": SHUT}]
    engine = engine_of({"big": [OOPS]}, health=lambda: reports.pop(0) if len(reports) > 1 else reports[0])

    record = await engine.run(best(), QUERY)

    assert [model for model, _ in called(record)] == ["big", "mini"]  # no retry of what was shut meanwhile


async def test_where_all_that_could_serve_are_shut_the_caller_is_told_to_come_back_and_when() -> None:
    sick = {"mini": SHUT, "big": replace(SHUT, probe_in_s=1.5)}

    with pytest.raises(Overloaded, match="it failed 5 times in a row") as caught:
        await engine_of({}, health=lambda: sick).run(best(), QUERY)

    assert caught.value.retry_after_s == 1.5


async def test_a_model_that_may_not_be_used_anyway_does_not_make_the_request_worth_repeating() -> None:
    only_big = replace(QUERY, allow=frozenset({"big"}), max_cost_usd=1e-12)

    with pytest.raises(NoEligibleModel):
        await engine_of({}, health=lambda: {"mini": SHUT, "big": SHUT}).run(best(), only_big)


async def test_a_model_asked_for_by_name_that_is_shut_is_overload_too() -> None:
    with pytest.raises(Overloaded):
        await engine_of({}, health=lambda: {"big": SHUT}).run(Resilient(Fixed("big", TWO, "big"), TWO), QUERY)


async def test_without_a_retry_left_the_next_model_is_called_at_once() -> None:
    retries = Allowance(0.0, 1.0)
    engine = engine_of({"big": [OOPS]}, retries=retries)

    first, second = await engine.run(best(), QUERY), await engine.run(best(), QUERY)

    assert called(first)[1] == ("big", Reason.RETRIED)
    assert called(second) == [("big", Reason.ESTIMATED), ("mini", Reason.FELL_BACK)]


async def test_calls_that_are_not_retries_earn_them() -> None:
    retries = Allowance(0.5, 10.0)
    retries.left = 0.0

    await engine_of({}, retries=retries).run(best(), QUERY)

    assert retries.left == 0.5


async def test_in_an_outage_retries_stay_a_share_of_the_calls() -> None:
    engine = engine_of({"big": [OOPS], "mini": [OOPS]}, retries=Allowance(0.2, 10.0))

    attempts = 0
    for _ in range(100):
        with pytest.raises(NoAnswer) as caught:
            await engine.run(best(), QUERY)
        attempts += len(caught.value.attempts)

    assert attempts <= 200 + 10 + 0.2 * 200


async def test_a_pause_that_the_deadline_does_not_allow_is_not_begun() -> None:
    slow = RateLimited("slow down", status=429, retry_after_s=15.0)
    engine = engine_of({"big": [slow]})

    record = await engine.run(best(), replace(QUERY, deadline_s=5.0))

    assert called(record) == [("big", Reason.ESTIMATED), ("mini", Reason.FELL_BACK)]


async def test_a_pause_beyond_the_deadline_with_nobody_else_to_ask_ends_at_once() -> None:
    slow = RateLimited("slow down", status=429, retry_after_s=15.0)
    engine = engine_of({"big": [slow]})

    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceeded):
            await engine.run(Resilient(Fixed("big", TWO, "big"), TWO), replace(QUERY, deadline_s=10.0))


@pytest.mark.parametrize("stream", [False, True])
async def test_the_deadline_ends_a_call_whatever_stage_it_is_in(stream: bool) -> None:
    engine = engine_of({"big": ["one two three"]}, latency_s=600.0)
    run = engine.start(best(), replace(QUERY, deadline_s=0.05), stream=stream)

    with pytest.raises(DeadlineExceeded):
        [chunk async for chunk in run.chunks()]

    assert run.record.attempts[0].failure.kind == "UpstreamTimeout"


async def test_what_one_upstream_cannot_carry_another_may_at_no_cost() -> None:
    engine = engine_of({"big": [RequestError("messages cannot carry 'n'")]})

    record = await engine.run(best(), QUERY)

    assert [model for model, _ in called(record)] == ["big", "mini"]
    assert record.attempts[0].cost_usd == 0
