"""Hedged: a slow call is made twice, the first content wins, and both are paid for."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from switchpoint.core.allowance import Allowance
from switchpoint.core.attempt import Answer, Chunk
from switchpoint.core.errors import BadAnswer, UpstreamError
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import Query
from switchpoint.upstreams.hedged import MIN_TIMES, Hedged
from switchpoint.upstreams.wire import text_answer

QUERY = Query.of("hello")
MINI = Model(id="mini", upstream="acme", upstream_model="mini")
NEVER = 3600.0
USAGE = Usage(input_tokens=1, output_tokens=1)
Turn = tuple[float, str | Exception]


class Slow:
    """Each call takes its turn: so many seconds of silence, then this answer or error."""

    def __init__(self, *turns: Turn) -> None:
        self.turns = list(turns)
        self.called = self.cancelled = 0
        self.twice = asyncio.Event()

    async def complete(self, model: Model, query: Query) -> Answer:
        silent_s, said = self.turns[min(self.called, len(self.turns) - 1)]
        self.called += 1
        if self.called == 2:
            self.twice.set()
        try:
            await asyncio.sleep(silent_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(said, Exception):
            raise said
        return text_answer(said, model="mini", finish_reason="stop", usage=USAGE)

    async def stream(self, model: Model, query: Query) -> AsyncGenerator[Chunk, None]:
        yield Chunk(data=b"{}", speaks=False)  # a role: it is not content
        answer = await self.complete(model, query)
        yield Chunk(data=b"{}", text=answer.text)
        yield Chunk(data=b"{}", finish_reason="stop", usage=USAGE)

    async def close(self) -> None:
        pass


def hedged(slow: Slow, after_s: float | None = 0.01, share: float = 1.0) -> Hedged:
    return Hedged(slow, after_s, Allowance(share, 1.0))


async def ask(upstream: Hedged, stream: bool) -> tuple[str, Usage | None]:
    if not stream:
        answer = await upstream.complete(MINI, QUERY)
        return answer.text, answer.usage
    chunks = [chunk async for chunk in upstream.stream(MINI, QUERY)]
    return "".join(chunk.text for chunk in chunks), chunks[-1].usage


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request: pytest.FixtureRequest) -> bool:
    return request.param


async def test_a_call_that_is_quick_is_made_once_and_its_bill_is_known(stream: bool) -> None:
    slow = Slow((0.0, "yes"))

    assert await ask(hedged(slow, after_s=NEVER), stream) == ("yes", USAGE)
    assert slow.called == 1


async def test_a_slow_call_is_made_twice_and_the_loser_is_cancelled(stream: bool) -> None:
    slow = Slow((NEVER, "late"), (0.0, "quick"))

    text, usage = await ask(hedged(slow), stream)

    assert text == "quick"
    assert usage is None  # what the loser costs nobody says, so the bill is unknown
    assert (slow.called, slow.cancelled) == (2, 1)


async def test_the_first_call_may_still_win(stream: bool) -> None:
    slow = Slow((0.03, "first"), (NEVER, "second"))

    assert (await ask(hedged(slow), stream))[0] == "first"
    assert (slow.called, slow.cancelled) == (2, 1)


async def test_where_one_fails_the_other_is_waited_for(stream: bool) -> None:
    slow = Slow((0.03, "first"), (0.0, BadAnswer("cut")))

    assert (await ask(hedged(slow), stream))[0] == "first"


async def test_a_failure_in_time_is_no_reason_to_call_again(stream: bool) -> None:
    slow = Slow((0.0, UpstreamError("oops")))

    with pytest.raises(UpstreamError):
        await ask(hedged(slow, after_s=NEVER), stream)

    assert slow.called == 1


async def test_where_both_fail_the_first_failure_is_told(stream: bool) -> None:
    slow = Slow((0.03, UpstreamError("one")), (0.0, UpstreamError("two")))

    with pytest.raises(UpstreamError, match="one"):
        await ask(hedged(slow), stream)


async def test_only_the_allowed_share_is_hedged(stream: bool) -> None:
    slow = Slow((0.02, "yes"))
    upstream = hedged(slow, after_s=0.001, share=0.0)

    for _ in range(4):
        await ask(upstream, stream)

    assert slow.called == 5  # the burst of one, and no more


async def test_a_caller_who_goes_away_ends_both_calls(stream: bool) -> None:
    slow = Slow((NEVER, "late"))
    task = asyncio.create_task(ask(hedged(slow, after_s=0.001), stream))
    await slow.twice.wait()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert slow.cancelled == 2


async def test_a_stream_that_is_closed_early_ends_its_call() -> None:
    slow = Slow((0.0, "yes"))
    stream = hedged(slow, after_s=NEVER).stream(MINI, QUERY)
    await anext(stream)

    await stream.aclose()

    assert slow.called == 1


async def test_the_delay_is_learned_from_what_was_seen() -> None:
    slow = Slow(*[(0.0, "quick")] * MIN_TIMES, (NEVER, "late"), (0.0, "hedge"))
    upstream = hedged(slow, after_s=None)

    for _ in range(MIN_TIMES):
        await ask(upstream, stream=False)

    assert await ask(upstream, stream=False) == ("hedge", None)
