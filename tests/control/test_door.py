"""Door: a bounded number inside, a bounded queue, first come first served, whoever goes away and whenever."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from switchpoint.control.door import Door
from switchpoint.core.errors import ConfigError, Overloaded


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_as_many_as_fit_come_in_at_once() -> None:
    door = Door(2, 0, 1.0)

    await door.enter()
    await door.enter()

    assert (door.inside, door.waiting) == (2, 0)


async def test_who_finds_the_queue_full_is_refused_at_once_and_told_when_to_come_back() -> None:
    door = Door(1, 0, 60.0)
    await door.enter()

    with pytest.raises(Overloaded, match="1 requests are in progress and 0 wait") as caught:
        await door.enter()

    assert caught.value.retry_after_s == 1.0
    assert door.refused == 1


async def test_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    door = Door(1, 1, 0.0)
    await door.enter()

    with pytest.raises(Overloaded, match="No room within 0 s"):
        await door.enter()

    assert (door.inside, door.waiting) == (1, 0)


async def test_the_first_who_waits_is_the_first_who_comes_in() -> None:
    door, order = Door(1, 3, 60.0), []
    await door.enter()

    async def come(name: str) -> None:
        await door.enter()
        order.append(name)

    waiting = [asyncio.create_task(come(name)) for name in "abc"]
    for _ in waiting:
        await settle()
        door.leave()
    await asyncio.gather(*waiting)

    assert order == ["a", "b", "c"]


async def test_a_newcomer_does_not_slip_in_before_who_was_called() -> None:
    door = Door(1, 1, 60.0)
    await door.enter()
    waiting = asyncio.create_task(door.enter())
    await settle()

    door.leave()  # the one who waits is inside from now on, although he has not woken yet
    late = asyncio.create_task(door.enter())
    await waiting

    assert (door.inside, late.done()) == (1, False)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)


async def test_who_is_called_and_cancelled_in_the_same_moment_gives_his_place_on() -> None:
    door = Door(1, 2, 60.0)
    await door.enter()
    first, second = asyncio.create_task(door.enter()), asyncio.create_task(door.enter())
    await settle()

    door.leave()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await second

    assert first.cancelled()
    assert (door.inside, door.waiting) == (1, 0)


@pytest.mark.parametrize("numbers", [(0, 1, 1.0), (1, -1, 1.0), (1, 1, -1.0), (1, 1, float("inf"))])
def test_a_door_that_nobody_could_pass_is_refused(numbers: tuple[int, int, float]) -> None:
    with pytest.raises(ConfigError, match="A door needs max_concurrent of 1 or more"):
        Door(*numbers)


class Crowd(RuleBasedStateMachine):
    """People who come, go, and go away while they wait, in any order, against a list of who ought to be where."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.door = Door(2, 3, 60.0)
        self.inside: list[asyncio.Task[None]] = []
        self.queue: list[asyncio.Task[None]] = []

    def run(self, steps: int = 6) -> None:
        async def turn() -> None:
            for _ in range(steps):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turn())

    @rule()
    def comes(self) -> None:
        async def come() -> None:
            await self.door.enter()

        room = len(self.inside) < 2 and not self.queue
        full = not room and len(self.queue) >= 3
        task = self.loop.create_task(come())
        self.run()
        if full:
            assert isinstance(task.exception(), Overloaded)
        else:
            (self.inside if room else self.queue).append(task)

    @precondition(lambda self: self.inside)
    @rule(awake=st.booleans())
    def leaves(self, awake: bool) -> None:
        self.inside.pop()
        self.door.leave()
        if self.queue:
            self.inside.append(self.queue.pop(0))
        if awake:
            self.run()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def goes_away(self, data: st.DataObject) -> None:
        gone = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        gone.cancel()
        self.run()
        assert gone.cancelled()

    @invariant()
    def everybody_is_where_he_ought_to_be(self) -> None:
        assert (self.door.inside, self.door.waiting) == (len(self.inside), len(self.queue))

    def teardown(self) -> None:
        while self.inside:
            self.leaves(awake=True)
        assert (self.door.inside, self.door.waiting) == (0, 0)
        self.loop.close()


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
