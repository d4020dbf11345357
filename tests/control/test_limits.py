"""Rate limits: buckets that fill evenly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.control.limits import Limit, LocalLimiter, Meter, Unit, headers, meters_of
from switchpoint.control.spending.budgets import EACH, Scope
from switchpoint.core.errors import LimitReached

ONE_A_SECOND = Meter("requests:key:k", Unit.REQUESTS, 60.0)
TOKENS = Meter("tokens:key:k", Unit.TOKENS, 1000.0)
REQUEST = {Unit.REQUESTS: 1.0, Unit.TOKENS: 100.0, Unit.USD: 0.0}


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_minutes_worth_may_come_at_once_and_then_no_more() -> None:
    limiter = LocalLimiter(Clock())
    for _ in range(60):
        limiter.take_now([ONE_A_SECOND], REQUEST)

    with pytest.raises(LimitReached, match="60 requests per minute of 'key k'") as told:
        limiter.take_now([ONE_A_SECOND], REQUEST)

    assert told.value.retry_after_s == pytest.approx(1.0)


def test_who_waits_as_long_as_he_was_told_is_let_in() -> None:
    clock = Clock()
    limiter = LocalLimiter(clock)
    for _ in range(60):
        limiter.take_now([ONE_A_SECOND], REQUEST)

    clock.s += 1.0

    assert limiter.take_now([ONE_A_SECOND], REQUEST)[0].left == pytest.approx(0.0)


def test_a_refused_request_takes_nothing_from_any_bucket() -> None:
    limiter = LocalLimiter(Clock())
    limiter.take_now([TOKENS], {Unit.TOKENS: 1000.0})
    with pytest.raises(LimitReached):
        limiter.take_now([ONE_A_SECOND, TOKENS], REQUEST)

    assert limiter.take_now([ONE_A_SECOND], REQUEST)[0].left == 59


def test_a_request_larger_than_the_bucket_is_let_in_when_it_is_full_and_paid_off_later() -> None:
    clock = Clock()
    limiter = LocalLimiter(clock)

    assert limiter.take_now([TOKENS], {Unit.TOKENS: 3000.0})[0].left == -2000
    with pytest.raises(LimitReached) as told:
        limiter.take_now([TOKENS], REQUEST)
    assert told.value.retry_after_s == pytest.approx(126.0)


def test_tokens_that_were_not_needed_come_back_but_never_over_the_rim() -> None:
    limiter = LocalLimiter(Clock())
    limiter.take_now([TOKENS], {Unit.TOKENS: 600.0})

    limiter.give_back([TOKENS], {Unit.TOKENS: 500.0})
    limiter.give_back([TOKENS], {Unit.TOKENS: 500.0})

    assert limiter.take_now([TOKENS], REQUEST)[0].left == 900


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 400)), max_size=60))
def test_in_any_minute_at_most_two_buckets_are_let_through(requests: list[tuple[float, float]]) -> None:
    clock, taken = Clock(), []
    limiter = LocalLimiter(clock)
    for pause_s, tokens in requests:
        clock.s += pause_s
        try:
            limiter.take_now([TOKENS], {Unit.TOKENS: tokens})
        except LimitReached:
            continue
        taken.append((clock.s, tokens))

    for start, _ in taken:
        assert sum(tokens for at, tokens in taken if start <= at < start + 60) <= 2 * TOKENS.per_min + 1e-6


def test_the_tightest_limit_is_told_in_the_words_of_openai() -> None:
    limiter = LocalLimiter(Clock())
    wide = Meter("requests:tenant:t", Unit.REQUESTS, 600.0)

    told = dict(headers(limiter.take_now([wide, ONE_A_SECOND, TOKENS], REQUEST)))

    assert told == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"59",
        b"x-ratelimit-reset-requests": b"1.000s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"900",
        b"x-ratelimit-reset-tokens": b"6.000s",
    }


def test_a_limit_of_a_name_wins_over_one_for_each() -> None:
    limits = [Limit(Scope.KEY, "k", Unit.USD, 5.0), Limit(Scope.KEY, EACH, Unit.USD, 1.0)]

    assert meters_of(limits, ((Scope.KEY, "k"),)) == (Meter("usd:key:k", Unit.USD, 5.0),)
    assert meters_of(limits, ((Scope.KEY, "other"),)) == (Meter("usd:key:other", Unit.USD, 1.0),)
