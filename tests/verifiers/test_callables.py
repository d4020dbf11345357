"""A Python function as a verifier: whatever it does, there is a verdict."""

import asyncio
import math
import threading
from decimal import Decimal

import numpy as np
import pytest

from switchpoint.core.attempt import Answer, Verdict
from switchpoint.core.errors import ConfigError
from switchpoint.core.query import Query
from switchpoint.verifiers.callables import Called, load_function

QUERY = Query.of("What is 2 + 2?")
ANSWER = Answer(text="4", body={})


@pytest.mark.parametrize(
    ("said", "score"), [(0.25, 0.25), (1, 1.0), (True, 1.0), (np.float32(0.5), 0.5), (np.bool_(False), 0.0)]
)
async def test_a_number_is_a_score_that_cost_nothing(said: object, score: float) -> None:
    verdict = await Called(lambda query, answer: said)(QUERY, ANSWER)

    assert (verdict.score, verdict.cost_usd) == (score, 0)


async def test_a_verdict_is_taken_as_it_is() -> None:
    verdict = Verdict(score=0.5, cost_usd=Decimal("0.01"), detail="asked a friend")

    assert await Called(lambda query, answer: verdict)(QUERY, ANSWER) == verdict


async def test_an_async_function_and_an_object_with_an_async_call_are_awaited() -> None:
    class Exact:
        async def __call__(self, query: Query, answer: Answer) -> float:
            return float(answer.text == "4")

    async def exact(query: Query, answer: Answer) -> float:
        return float(answer.text == "4")

    for function in (exact, Exact(), lambda query, answer: exact(query, answer)):
        assert (await Called(function)(QUERY, ANSWER)).score == 1.0


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (math.nan, "the score is not within 0 and 1"),
        (1.5, "the score is not within 0 and 1"),
        (-1, "the score is not within 0 and 1"),
        ("0.5", "returned str, not a score"),
        (None, "returned NoneType, not a score"),
    ],
)
async def test_what_is_no_score_is_unknown_and_says_why(said: object, detail: str) -> None:
    verdict = await Called(lambda query, answer: said)(QUERY, ANSWER)

    assert math.isnan(verdict.score)
    assert verdict.detail == detail


async def test_a_verdict_outside_the_range_keeps_its_cost() -> None:
    verdict = await Called(lambda query, answer: Verdict(score=7.0, cost_usd=Decimal(2)))(QUERY, ANSWER)

    assert (math.isnan(verdict.score), verdict.cost_usd) == (True, 2)


@pytest.mark.parametrize("error", [ValueError("the prompt was: secret"), SystemExit(1)])
async def test_what_raises_is_unknown_and_its_message_is_not_quoted(error: BaseException) -> None:
    def raising(query: Query, answer: Answer) -> float:
        raise error

    verdict = await Called(raising)(QUERY, ANSWER)

    assert (math.isnan(verdict.score), verdict.cost_usd) == (True, None)
    assert "secret" not in verdict.detail


async def test_a_function_that_is_late_is_unknown_and_keeps_its_turn_until_it_ends() -> None:
    release = threading.Event()

    def stuck(query: Query, answer: Answer) -> float:
        release.wait(10)
        return 1.0

    called = Called(stuck, time_box_s=0.05, at_once=1)
    first, second = await called(QUERY, ANSWER), await called(QUERY, ANSWER)
    running = sum(thread.name == "verifier" for thread in threading.enumerate())
    release.set()

    assert (first.detail, second.detail, running) == ("timed out", "timed out", 1)


def test_one_verifier_serves_several_event_loops() -> None:
    called = Called(lambda query, answer: 1.0, at_once=1)

    async def several() -> list[Verdict]:
        return await asyncio.gather(*(called(QUERY, ANSWER) for _ in range(3)))

    scores = [verdict.score for _ in range(2) for verdict in asyncio.run(several())]

    assert scores == [1.0] * 6


async def test_a_verdict_whose_score_is_no_number_is_unknown() -> None:
    verdict = await Called(lambda query, answer: Verdict(score="high"))(QUERY, ANSWER)

    assert (math.isnan(verdict.score), verdict.detail) == (True, "raised TypeError")


async def test_a_plain_function_holds_up_nobody() -> None:
    started, release, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def waiting(query: Query, answer: Answer) -> float:
        loop.call_soon_threadsafe(started.set)
        return float(release.wait(10))

    task = asyncio.create_task(Called(waiting)(QUERY, ANSWER))
    await started.wait()  # the loop goes round while the function waits
    release.set()

    assert (await task).score == 1.0


def test_a_function_is_found_by_its_name() -> None:
    assert load_function("math:hypot") is math.hypot


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("math", "must be written package.module:name"),
        ("math:", "must be written package.module:name"),
        ("no_such_package:f", "'no_such_package' cannot be imported \\(ModuleNotFoundError"),
        ("math:nonsense", "'math' has no 'nonsense'"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_function(name)


@pytest.mark.parametrize("function", [lambda query: 1.0, lambda: 1.0, 3])
def test_what_cannot_be_called_with_a_query_and_an_answer_is_refused(function: object) -> None:
    with pytest.raises(ConfigError, match="callable with a query and an answer"):
        Called(function)


@pytest.mark.parametrize("limits", [{"time_box_s": 0}, {"time_box_s": math.nan}, {"at_once": 0}])
def test_limits_that_allow_nothing_are_refused(limits: dict) -> None:
    with pytest.raises(ConfigError, match="must be above 0"):
        Called(lambda query, answer: 1.0, **limits)
