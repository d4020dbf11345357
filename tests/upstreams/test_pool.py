"""Pool: several keys of one upstream, each with its own health."""

import pytest

from switchpoint.core.errors import BadAnswer, RateLimited, UpstreamError, UpstreamRefused
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.upstreams.fake import Fake, Reply, Turn
from switchpoint.upstreams.pool import Pool

QUERY = Query.of("hello")
MINI, BIG = (Model(id=id, upstream="acme", upstream_model=id) for id in ("mini", "big"))
LIMITED = RateLimited("slow down", status=429, retry_after_s=7.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(status: int) -> UpstreamRefused:
    return UpstreamRefused(f"answered {status}", status=status)


class Keys:
    """A pool of fakes, and how often each key was called."""

    def __init__(self, *turns: list[Turn]) -> None:
        self.clock = Clock()
        self.fakes = [Fake({"mini": each, "big": each}) for each in turns]
        self.pool = Pool("acme", self.fakes, self.clock)

    async def ask(self, stream: bool = False, model: Model = MINI) -> str:
        if stream:
            return "".join([chunk.text async for chunk in self.pool.stream(model, QUERY)])
        return (await self.pool.complete(model, QUERY)).text

    @property
    def calls(self) -> list[int]:
        return [len(fake.calls) for fake in self.fakes]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("error", [LIMITED, refused(401), refused(402), refused(403)], ids=repr)
async def test_the_next_key_is_asked_at_once_and_the_caller_sees_nothing(error: Exception, stream: bool) -> None:
    keys = Keys([error], ["yes"])

    assert await keys.ask(stream) == "yes"
    assert keys.calls == [1, 1]


@pytest.mark.parametrize(("error", "rest_s"), [(LIMITED, 7), (refused(401), 60), (refused(402), 600)], ids=repr)
async def test_a_key_rests_for_as_long_as_its_failure_says(error: UpstreamError, rest_s: float) -> None:
    keys = Keys([error, "yes"])
    with pytest.raises(type(error)):
        await keys.ask()

    keys.clock.now = rest_s - 0.1
    with pytest.raises(type(error)):
        await keys.ask()
    assert keys.calls == [1]

    keys.clock.now = rest_s
    assert await keys.ask() == "yes"


async def test_calls_are_spread_over_keys_that_are_well() -> None:
    keys = Keys(["a"], ["b"], ["c"])

    for _ in range(6):
        await keys.ask()

    assert keys.calls == [2, 2, 2]


async def test_the_key_that_was_limited_longest_ago_is_asked_first() -> None:
    keys = Keys([LIMITED, "a"], [LIMITED, "b"], ["c"])
    await keys.ask()  # limits the first, then the second, and is answered under the third
    keys.clock.now = 1000.0

    assert [await keys.ask() for _ in range(2)] == ["c", "c"]  # it never was limited


@pytest.mark.parametrize("stream", [False, True])
async def test_when_every_key_is_limited_the_wait_until_the_first_is_free_is_told(stream: bool) -> None:
    keys = Keys([RateLimited("slow", status=429, retry_after_s=9.0)], [LIMITED], [refused(401)])

    with pytest.raises(RateLimited, match="2 of 3 are limited, the first for another 7.0 s") as caught:
        await keys.ask(stream)
    assert caught.value.retry_after_s == 7.0

    keys.clock.now = 3.0
    with pytest.raises(RateLimited, match="another 4.0 s"):
        await keys.ask(stream)
    assert keys.calls == [1, 1, 1]  # nobody was asked in vain


async def test_when_every_key_is_refused_it_says_so_without_naming_one() -> None:
    keys = Keys([refused(401)], [refused(403)])

    with pytest.raises(UpstreamRefused, match="upstream 'acme' refuses each of its 2 keys") as caught:
        await keys.ask()

    assert caught.value.status == 401


async def test_without_advice_the_rest_doubles() -> None:
    keys = Keys([RateLimited("slow", status=429)])
    waits = []

    for _ in range(8):
        with pytest.raises(RateLimited) as caught:
            await keys.ask()
        waits.append(caught.value.retry_after_s)
        keys.clock.now += caught.value.retry_after_s

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_limit_of_one_model_leaves_the_key_to_the_others() -> None:
    pool = Pool("acme", [Fake({"mini": [LIMITED], "big": ["yes"]})])
    with pytest.raises(RateLimited):
        await pool.complete(MINI, QUERY)

    assert (await pool.complete(BIG, QUERY)).text == "yes"


async def test_a_refused_key_rests_for_every_model() -> None:
    keys = Keys([refused(401), "yes"])
    with pytest.raises(UpstreamRefused):
        await keys.ask()

    with pytest.raises(UpstreamRefused):
        await keys.ask(model=BIG)
    assert keys.calls == [1]


@pytest.mark.parametrize("error", [UpstreamError("oops", status=500), BadAnswer("cut"), refused(400), refused(404)])
async def test_what_is_not_about_the_key_is_not_tried_with_another(error: Exception) -> None:
    keys = Keys([error], ["yes"])

    with pytest.raises(type(error)):
        await keys.ask()

    assert keys.calls == [1, 0]


async def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    keys = Keys([Reply(text="one two", error=LIMITED)], ["yes"])

    with pytest.raises(RateLimited):
        await keys.ask(stream=True)

    assert keys.calls == [1, 0]


def test_keys_are_not_in_its_name() -> None:
    assert repr(Keys(["a"], ["b"]).pool) == "Pool(name='acme', keys=2)"
