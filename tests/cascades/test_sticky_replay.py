"""Sticky over whole conversations: replayed request by request against routers that change their mind at random."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sessions import MODELS, Preferring, Tally, replay, tallied
from switchpoint.cascades.sticky import Stickiness, Sticky
from switchpoint.core.decision import Reason

SETTINGS = [Stickiness(), Stickiness(margin=0.0, idle_reset_s=1e-9), Stickiness(willingness_usd=0.1)]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([Reason.RANDOM, Reason.ESTIMATED]), st.sampled_from(SETTINGS))
def test_no_conversation_switches_between_a_tool_call_and_its_result(
    seed: int, reason: Reason, stickiness: Stickiness
) -> None:
    tally = Tally()

    asyncio.run(replay(Sticky(Preferring(reason), MODELS, stickiness), seed, tally))

    assert tally.requests > 0
    assert tally.unsafe == 0


def test_without_stickiness_they_do() -> None:
    assert tallied(Preferring(Reason.RANDOM), 10).unsafe > 10


def test_drawn_once_for_a_conversation_the_same_models_cost_less_because_their_caches_stay_warm() -> None:
    drawn = Preferring(Reason.RANDOM)
    free, sticky = tallied(drawn, 40), tallied(Sticky(drawn, MODELS), 40)

    assert sticky.requests == free.requests
    assert sticky.usd < free.usd * 8 / 10
    assert sticky.cached_tokens > free.cached_tokens


@pytest.mark.parametrize("seed", range(5))
def test_switches_are_bounded_by_their_growing_margin(seed: int) -> None:
    tally = Tally()

    asyncio.run(replay(Sticky(Preferring(Reason.ESTIMATED), MODELS, Stickiness(willingness_usd=1e9)), seed, tally))

    assert tally.switches <= 7
