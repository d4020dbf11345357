"""Board: what calls say about upstreams and models, and what other replicas say."""

import asyncio
from collections.abc import Callable

import pytest

from switchpoint.core.errors import (
    BadAnswer,
    RateLimited,
    RequestError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.stores.memory import Memory
from switchpoint.upstreams.breaker import Trip
from switchpoint.upstreams.fake import Fake, Reply, Turn
from switchpoint.upstreams.health import TRUST_S, Board
from switchpoint.upstreams.observed import Observed
from switchpoint.upstreams.sharing import Sharing

QUERY = Query.of("hello")
MINI, BIG = (Model(id=id, upstream="acme", upstream_model=id) for id in ("mini", "big"))
OTHER = Model(id="other", upstream="zeta", upstream_model="other")
UPSTREAM_OF = {"mini": "acme", "big": "acme", "other": "zeta"}
TRIP = Trip(failures=2, open_s=5.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(clock: Clock) -> Board:
    return Board(UPSTREAM_OF, TRIP, clock)


def fail(board: Board, error: Exception, model: str = "mini", times: int = 2) -> None:
    for _ in range(times):
        board.enter(model).failed(error)


def shut(board: Board) -> set[str]:
    return {id for id, health in board().items() if health.closed_because is not None}


def refused(status: int) -> UpstreamRefused:
    return UpstreamRefused("no", status=status)


def test_nothing_is_said_of_models_that_were_not_called(board: Board) -> None:
    assert board() == {}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamUnreachable("gone"), {"mini", "big"}),
        (refused(401), {"mini", "big"}),
        (refused(402), {"mini", "big"}),
        (refused(403), {"mini", "big"}),
        (RateLimited("slow", status=429), {"mini"}),
        (UpstreamTimeout("late"), {"mini"}),
        (UpstreamError("oops", status=500), {"mini"}),
        (BadAnswer("cut"), {"mini"}),
        (ZeroDivisionError("a bug"), {"mini"}),
        (refused(400), set()),
        (refused(404), set()),
        (refused(422), set()),
        (RequestError("cannot be carried"), set()),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_failure_counts_against_who_is_at_fault(board: Board, error: Exception, expected: set[str]) -> None:
    fail(board, error)

    assert shut(board) == expected


def test_what_is_shut_says_why_and_for_how_long_and_quotes_nobody(board: Board, clock: Clock) -> None:
    fail(board, UpstreamError("the user's secret", status=500))

    clock.now += 1
    health = board()["mini"]

    assert health.closed_because == (
        "model 'mini' failed 2 times in a row (UpstreamError 500); it is tried again in 4.0 s"
    )
    assert (health.probe_in_s, health.error_rate) == (4.0, 1.0)


def test_a_call_of_what_is_shut_fails_at_once_and_is_not_to_be_retried(board: Board) -> None:
    fail(board, UpstreamUnreachable("gone"))

    with pytest.raises(UpstreamUnreachable, match="upstream 'acme' failed 2 times") as caught:
        board.enter("big")

    assert not caught.value.retryable


def test_one_probe_goes_through_and_its_success_opens_the_way(board: Board, clock: Clock) -> None:
    fail(board, UpstreamUnreachable("gone"))
    clock.now += 5

    assert shut(board) == set()
    probe = board.enter("mini")
    assert shut(board) == {"mini", "big"}
    probe.succeeded(0.1, None)

    assert shut(board) == set()


def test_the_averages_are_those_of_whole_answers_and_of_their_beginnings(board: Board) -> None:
    board.enter("mini").succeeded(1.0, None)
    board.enter("mini").succeeded(3.0, 0.5)

    health = board()["mini"]

    assert (health.latency_s, health.ttft_s, health.error_rate) == (2.0, 0.5, 0.0)


def test_averages_are_forgotten(board: Board, clock: Clock) -> None:
    board.enter("mini").succeeded(1.0, None)
    assert "mini" in board()

    clock.now += 1000

    assert board() == {}


def test_a_successor_goes_on_with_what_was_seen_of_who_stays(board: Board, clock: Clock) -> None:
    fail(board, UpstreamError("oops", status=500))

    assert shut(Board({"mini": "acme"}, TRIP, clock, after=board)) == {"mini"}
    assert shut(Board(UPSTREAM_OF, Trip(failures=7), clock, after=board)) == set()


class TestObserved:
    def observed(self, board: Board, turn: Callable[[], Turn] | Turn, **options: float) -> Observed:
        return Observed(Fake(lambda *_: turn() if callable(turn) else turn, **options), board)

    async def test_an_answer_is_passed_on_and_noted(self, board: Board) -> None:
        answer = await self.observed(board, "yes").complete(MINI, QUERY)

        assert answer.text == "yes"
        assert board()["mini"].latency_s == 0.0

    async def test_a_stream_is_passed_on_and_its_beginning_noted(self, board: Board) -> None:
        chunks = [chunk async for chunk in self.observed(board, "one two").stream(MINI, QUERY)]

        assert "".join(chunk.text for chunk in chunks) == "one two"
        assert board()["mini"].ttft_s == 0.0

    @pytest.mark.parametrize("stream", [False, True])
    async def test_failures_shut_the_model_and_then_nothing_is_called(self, board: Board, stream: bool) -> None:
        inner = Fake(lambda *_: UpstreamError("oops", status=500))
        upstream = Observed(inner, board)

        for _ in range(4):
            with pytest.raises(UpstreamError):
                await anext(upstream.stream(MINI, QUERY)) if stream else await upstream.complete(MINI, QUERY)

        assert len(inner.calls) == TRIP.failures

    @pytest.mark.parametrize("stream", [False, True])
    async def test_a_caller_who_goes_away_says_nothing_of_the_upstream(self, board: Board, stream: bool) -> None:
        upstream = self.observed(board, "yes", latency_s=60.0)

        for _ in range(3):
            call = upstream.stream(MINI, QUERY) if stream else upstream.complete(MINI, QUERY)
            task = asyncio.ensure_future(_second(call) if stream else call)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        assert shut(board) == set()

    async def test_a_stream_that_was_given_up_after_its_beginning_is_a_success(self, board: Board) -> None:
        stream = self.observed(board, "one two three").stream(MINI, QUERY)
        while not (await anext(stream)).speaks:
            pass
        await stream.aclose()

        assert board()["mini"].error_rate == 0.0
        assert board()["mini"].latency_s is None

    async def test_an_answer_that_breaks_off_is_a_failure(self, board: Board) -> None:
        upstream = self.observed(board, Reply(text="one two", error=BadAnswer("cut")))

        for _ in range(2):
            with pytest.raises(BadAnswer):
                [chunk async for chunk in upstream.stream(MINI, QUERY)]

        assert shut(board) == {"mini"}


async def _second(stream: object) -> None:
    async for _ in stream:
        pass


class TestSharing:
    def replicas(self, clock: Clock) -> tuple[Board, Sharing, Board, Sharing]:
        store = Memory(clock=clock)
        one, two = Board(UPSTREAM_OF, TRIP, clock), Board(UPSTREAM_OF, TRIP, clock)
        return one, Sharing(one, store, replica="one"), two, Sharing(two, store, replica="two")

    async def test_what_one_has_shut_another_learns_with_the_reason(self, clock: Clock) -> None:
        one, said, two, hears = self.replicas(clock)
        fail(one, UpstreamUnreachable("gone"))

        await said.exchange()
        await hears.exchange()

        assert shut(two) == {"mini", "big"}
        assert "as another replica saw" in two()["mini"].closed_because

    async def test_who_was_answered_himself_lately_believes_himself(self, clock: Clock) -> None:
        one, said, two, hears = self.replicas(clock)
        fail(one, UpstreamUnreachable("gone"))
        two.enter("big").succeeded(1.0, None)

        await said.exchange()
        await hears.exchange()
        assert shut(two) == set()

        clock.now += TRUST_S
        one.enter("other")
        fail(one, UpstreamUnreachable("still gone"), times=1)
        await said.exchange()
        await hears.exchange()
        assert shut(two) == {"mini", "big"}

    async def test_what_is_well_again_is_well_everywhere(self, clock: Clock) -> None:
        one, said, two, hears = self.replicas(clock)
        fail(one, UpstreamUnreachable("gone"))
        await said.exchange()
        clock.now += 5
        one.enter("mini").succeeded(1.0, None)

        await said.exchange()
        await hears.exchange()

        assert shut(two) == set()

    async def test_the_word_of_a_replica_that_died_expires(self, clock: Clock) -> None:
        one, said, two, hears = self.replicas(clock)
        fail(one, UpstreamUnreachable("gone"))
        await said.exchange()

        clock.now += 4
        await hears.exchange()

        assert shut(two) == set()

    async def test_a_word_that_nobody_understands_says_nothing(self, clock: Clock) -> None:
        store = Memory(clock=clock)
        board = Board(UPSTREAM_OF, TRIP, clock)
        await store.set("switchpoint:shut:upstream 'acme'", b"\xff", 60)

        await Sharing(board, store).exchange()

        assert shut(board) == set()

    async def test_it_goes_on_in_the_background_whatever_the_store_does(self, clock: Clock, caplog) -> None:
        class Broken(Memory):
            async def get(self, key: str) -> bytes | None:
                raise ZeroDivisionError("the store's password")

        sharing = Sharing(Board(UPSTREAM_OF, TRIP, clock), Broken(), every_s=0.001)
        sharing.start()
        await asyncio.sleep(0.05)
        await sharing.stop()

        assert len(caplog.records) > 1
        assert "password" not in caplog.text
