"""Balanced: several deployments as one."""

import asyncio
from random import Random

import pytest

from switchpoint.core.errors import BadAnswer, UpstreamError, UpstreamRefused, UpstreamUnreachable
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.balanced import Balanced
from switchpoint.upstreams.breaker import Trip
from switchpoint.upstreams.fake import Fake, Reply, Turn

QUERY = Query.of("hello")
MINI = Model(id="mini", upstream="both", upstream_model="mini")
DOWN = UpstreamUnreachable("gone")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Both:
    """Two or more deployments, and how often each was called."""

    def __init__(self, *turns: list[Turn], failures: int = 100) -> None:
        self.clock = Clock()
        self.fakes = [Fake({"mini": each}) for each in turns]
        named = {f"d{number}": fake for number, fake in enumerate(self.fakes)}
        self.upstream = Balanced("both", named, Trip(failures=failures, min_calls=1000), self.clock, Random(7))

    async def ask(self, stream: bool = False) -> str:
        if stream:
            return "".join([chunk.text async for chunk in self.upstream.stream(MINI, QUERY)])
        return (await self.upstream.complete(MINI, QUERY)).text

    @property
    def calls(self) -> list[int]:
        return [len(fake.calls) for fake in self.fakes]


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.mark.parametrize("error", [DOWN, UpstreamError("oops", status=500), BadAnswer("cut")], ids=repr)
async def test_another_deployment_answers_where_one_fails(stream: bool, error: Exception) -> None:
    both = Both([error], ["yes"])

    assert {await both.ask(stream) for _ in range(10)} == {"yes"}


async def test_what_is_the_requests_own_fault_is_not_tried_elsewhere(stream: bool) -> None:
    both = Both([UpstreamRefused("no", status=400)], [UpstreamRefused("no", status=400)])

    with pytest.raises(UpstreamRefused):
        await both.ask(stream)

    assert sum(both.calls) == 1


async def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    broken = Reply(text="one two", error=BadAnswer("cut"))
    both = Both([broken], [broken])

    with pytest.raises(BadAnswer):
        await both.ask(stream=True)

    assert sum(both.calls) == 1


async def test_each_is_tried_once_and_the_last_failure_is_told(stream: bool) -> None:
    both = Both([UpstreamError("oops")], [UpstreamError("oops")], [UpstreamError("oops")])

    with pytest.raises(UpstreamError, match="oops"):
        await both.ask(stream)

    assert both.calls == [1, 1, 1]


async def test_one_that_keeps_failing_is_left_out_and_tried_again_later(stream: bool) -> None:
    both = Both([DOWN, DOWN, "back"], ["yes"], failures=2)

    for _ in range(20):
        await both.ask(stream)
    assert both.calls[0] == 2
    both.clock.now += 5
    said = {await both.ask(stream) for _ in range(20)}

    assert said == {"back", "yes"}


async def test_while_all_are_shut_nobody_is_called(stream: bool) -> None:
    both = Both([DOWN], [DOWN], failures=1)
    with pytest.raises(UpstreamUnreachable):
        await both.ask(stream)

    with pytest.raises(UpstreamUnreachable, match="upstream 'both' has no deployment left for 5.0 s") as caught:
        await both.ask(stream)

    assert both.calls == [1, 1]
    assert not caught.value.retryable


async def test_calls_are_spread_over_equals() -> None:
    both = Both(["a"], ["b"], ["c"])

    for _ in range(300):
        await both.ask()

    assert min(both.calls) > 50


async def test_the_slower_of_two_is_asked_less() -> None:
    both = Both(["a"], ["b"])
    slow, quick = both.upstream._deployments
    slow.took(10.0, 0.0)
    quick.took(0.1, 0.0)

    for _ in range(20):
        await both.ask()

    assert both.calls == [0, 20]


async def test_a_peak_fades_while_nobody_calls() -> None:
    both = Both(["a"], ["b"])
    slow, quick = both.upstream._deployments
    slow.took(10.0, 0.0)

    quick.took(1.0, 100.0)

    assert slow.load_s(100.0) < quick.load_s(100.0)


async def test_a_call_that_is_given_up_counts_no_longer_and_says_nothing() -> None:
    both = Both(["a"])
    both.fakes[0]._latency_s = 3600.0
    task = asyncio.create_task(both.ask())
    await asyncio.sleep(0)
    assert both.upstream._deployments[0].in_flight == 1

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert both.upstream._deployments[0].in_flight == 0
    assert both.upstream._deployments[0].breaker.errors.mean(0.0) is None
