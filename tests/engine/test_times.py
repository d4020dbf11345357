"""A record says what of its time was ours, and when the caller saw something."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from switchpoint.cascades.resilient import Resilient
from switchpoint.cascades.threshold import ThresholdCascade
from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.protocols import Strategy
from switchpoint.core.query import Query
from switchpoint.core.record import Record
from switchpoint.engine.engine import Engine
from switchpoint.routers.fixed import Fixed
from switchpoint.upstreams.fake import Fake
from tests.doubles import catalog

MODELS = catalog("mini", "big")
OTHERS_S = 0.05
SCRIPT: dict[str, Any] = {"mini": ["no"], "big": ["yes"]}


async def slow(query: Query, answer: Answer) -> Verdict:
    await asyncio.sleep(OTHERS_S)
    return Verdict(score=float(answer.text == "yes"))


async def record_of(strategy: Strategy, *, stream: bool = False, latency_s: float = 0.0, **options: Any) -> Record:
    engine = Engine(
        catalog=MODELS,
        upstreams={"fake": Fake(SCRIPT, latency_s=latency_s)},
        sink=lambda record: None,
        default_model="big",
        verifiers={"slow": slow},
        **options,
    )
    run = engine.start(strategy, Query.of("hello"), stream=stream)
    async with aclosing(run.chunks()) as chunks:
        async for _ in chunks:
            pass
    return run.record


async def test_waiting_for_an_upstream_is_not_ours():
    record = await record_of(Fixed("fixed", MODELS, "mini"), latency_s=OTHERS_S)

    assert record.latency_s >= OTHERS_S
    assert 0 < record.overhead_s <= record.latency_s - OTHERS_S
    assert record.overhead_s >= record.decide_s


async def test_waiting_for_a_verifier_is_not_ours():
    record = await record_of(ThresholdCascade("cascade", MODELS, ["mini", "big"], ["slow"], [0.5]))

    assert len(record.attempts) == 2
    assert record.overhead_s <= record.latency_s - OTHERS_S


async def test_the_callers_first_token_waits_for_what_was_tried_before():
    cascade = ThresholdCascade("cascade", MODELS, ["mini", "big"], ["slow"], [0.5])

    record = await record_of(cascade, stream=True)

    assert record.attempts[1].ttft_s is not None
    assert OTHERS_S <= record.ttft_s <= record.latency_s


async def test_an_answer_in_one_piece_has_no_first_token():
    record = await record_of(Resilient(Fixed("fixed", MODELS, "mini"), MODELS, retries=0))

    assert record.ttft_s is None


async def test_where_calls_ran_side_by_side_what_was_ours_is_unknown():
    ticks = iter(range(100))

    record = await record_of(Fixed("fixed", MODELS, "mini"), clock=lambda: float(-next(ticks)))

    assert record.overhead_s is None
