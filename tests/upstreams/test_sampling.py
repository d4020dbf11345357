import asyncio
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.attempt import Answer
from switchpoint.core.errors import RateLimited, UpstreamError
from switchpoint.core.model import Usage
from switchpoint.upstreams.fake import Fake
from switchpoint.upstreams.sampling import Sampling, agreed, summed
from switchpoint.upstreams.wire import text_answer
from tests.upstreams.conftest import QUERY, collect, named

FIVE = named("mini", samples=5)


def sampling(*turns: str | Exception) -> Sampling:
    return Sampling(Fake({"mini": turns}))


def sample(text: str, **usage: object) -> Answer:
    return text_answer(text, model="mini", usage=Usage(**usage))


async def test_the_answer_that_most_samples_agree_on_is_returned() -> None:
    answer = await sampling("5", "4", "5", "4", "4").complete(FIVE, QUERY)

    assert answer.text == "4"


async def test_samples_agree_by_their_last_line() -> None:
    answer = await sampling("Hm.\n 42. ", "7", "Six times seven:\n\n**42**", "So\n42\n", "8").complete(FIVE, QUERY)

    assert answer.text == "Hm.\n 42. "


async def test_a_tie_goes_to_the_earliest_sample() -> None:
    answer = await sampling("8", "6", "7", "6", "8").complete(FIVE, QUERY)

    assert answer.text == "8"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=7))
def test_the_winner_has_the_most_votes_and_is_the_earliest_such(texts: list[str]) -> None:
    winner = agreed([sample(text) for text in texts]).text

    assert winner == max(texts, key=lambda text: (texts.count(text), -texts.index(text)))


async def test_the_samples_run_at_the_same_time() -> None:
    together = asyncio.Barrier(5)  # nobody passes before all five have come

    class Waiting(Fake):
        async def complete(self, *call: object) -> Answer:
            await together.wait()
            return sample("4")

    assert (await Sampling(Waiting({})).complete(FIVE, QUERY)).text == "4"


async def test_every_sample_is_paid_for() -> None:
    one = await sampling("4").complete(named("mini"), QUERY)
    five = await sampling("4").complete(FIVE, QUERY)

    assert one.usage is not None
    assert five.usage is not None
    assert (five.usage.input_tokens, five.usage.output_tokens) == (5 * one.usage.input_tokens, 5)
    assert five.body["usage"]["completion_tokens"] == 5


def test_stated_bills_are_summed_and_an_unknown_part_makes_its_sum_unknown() -> None:
    known = Usage(input_tokens=3, cached_input_tokens=0, output_tokens=1, cost_usd=Decimal("0.1"))
    silent = Usage(input_tokens=3, output_tokens=1)

    assert summed([known, known]) == Usage(
        input_tokens=6, cached_input_tokens=0, output_tokens=2, cost_usd=Decimal("0.2")
    )
    assert summed([known, silent]) == Usage(input_tokens=6, output_tokens=2)
    assert summed([known, None]) is None


async def test_failed_samples_do_not_vote_and_leave_the_bill_unknown() -> None:
    answer = await sampling(RateLimited("no"), "7", "4", "4", RateLimited("no")).complete(FIVE, QUERY)

    assert (answer.text, answer.usage, answer.body["usage"]) == ("4", None, None)


async def test_if_every_sample_fails_the_first_failure_is_raised() -> None:
    with pytest.raises(RateLimited, match="first"):
        await sampling(RateLimited("first"), UpstreamError("later")).complete(FIVE, QUERY)


async def test_one_sample_passes_straight_through() -> None:
    chunks = await collect(sampling("It is 4."), named("mini"))

    assert [chunk.text for chunk in chunks if chunk.text] == ["It ", "is ", "4."]


async def test_a_stream_of_many_samples_is_the_winner_with_the_bill_of_all() -> None:
    chunks = await collect(sampling("5", "4"), FIVE)

    assert "".join(chunk.text for chunk in chunks) == "4"
    assert json.loads(chunks[-1].data)["usage"]["completion_tokens"] == 5


async def test_closing_it_closes_the_upstream_inside() -> None:
    closed = []

    class Closing(Fake):
        async def close(self) -> None:
            closed.append(True)

    await Sampling(Closing({"mini": ["4"]})).close()

    assert closed == [True]
