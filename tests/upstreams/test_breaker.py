"""Breaker: what keeps failing is shut, and tried again one call at a time."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.upstreams.breaker import Average, Breaker, Trip

TRIP = Trip(failures=3, error_rate=0.5, min_calls=10, window_s=30.0, open_s=5.0, max_open_s=20.0)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(TRIP)
    for _ in range(TRIP.failures):
        breaker.failed(now, "UpstreamError 500", probe=False)
    return breaker


def test_failures_in_a_row_open_it_and_it_says_why() -> None:
    breaker = opened()

    assert breaker.is_open
    assert breaker.left_s(0.0) == 5.0
    assert breaker.why == "failed 3 times in a row (UpstreamError 500)"


def test_a_success_between_failures_begins_the_row_anew() -> None:
    breaker = Breaker(Trip(failures=3, min_calls=1000))

    for _ in range(4):
        breaker.failed(0.0, "x", probe=False)
        breaker.failed(0.0, "x", probe=False)
        breaker.succeeded(0.0)

    assert not breaker.is_open


def test_a_high_rate_opens_it_once_enough_calls_are_known() -> None:
    breaker = Breaker(Trip(failures=100, error_rate=0.5, min_calls=10))

    for number in range(10):
        breaker.failed(0.0, "x", probe=False) if number % 4 else breaker.succeeded(0.0)

    assert breaker.is_open
    assert breaker.why == "failed in 70% of its latest calls (x)"


def test_too_few_calls_say_nothing_about_a_rate() -> None:
    breaker = Breaker(Trip(failures=100, error_rate=0.5, min_calls=10))

    for _ in range(9):
        breaker.failed(0.0, "x", probe=False)

    assert not breaker.is_open


def test_one_probe_at_a_time_goes_through_after_the_pause() -> None:
    breaker = opened()

    assert breaker.left_s(4.9) == pytest.approx(0.1)
    assert breaker.left_s(5.0) == 0.0
    assert breaker.enter(5.0)
    assert breaker.left_s(5.0) == 5.0  # who comes while the probe is out is not let through


def test_a_probe_that_succeeds_closes_it_and_the_past_is_forgotten() -> None:
    breaker = opened()
    breaker.enter(5.0)

    breaker.succeeded(5.5)

    assert not breaker.is_open
    assert breaker.errors.mean(5.5) == 0.0


def test_each_probe_that_fails_doubles_the_pause_up_to_a_limit() -> None:
    breaker, now, pauses = opened(), 0.0, []

    for _ in range(4):
        now += breaker.left_s(now)
        breaker.failed(now, "x", probe=breaker.enter(now))
        pauses.append(breaker.left_s(now))

    assert pauses == [10.0, 20.0, 20.0, 20.0]


def test_a_probe_that_says_nothing_lets_the_next_one_through_at_once() -> None:
    breaker = opened()
    breaker.enter(5.0)

    breaker.passed_by(5.2, probe=True)

    assert breaker.left_s(5.2) == 0.0


def test_a_probe_that_never_ends_does_not_shut_it_for_ever() -> None:
    breaker = opened()
    breaker.enter(5.0)

    assert breaker.left_s(10.0) == 0.0


def test_a_late_failure_of_a_call_from_before_changes_nothing() -> None:
    breaker = opened()

    breaker.failed(4.0, "x", probe=False)

    assert breaker.left_s(4.0) == 1.0


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 100)), min_size=1, max_size=50))
def test_an_average_lies_between_its_values_and_weighs_no_more_than_their_number(values: list) -> None:
    average, now = Average(30.0), 0.0

    for value, pause in values:
        now += pause
        average.add(value, now)

    mean = average.mean(now)
    assert mean is not None
    assert min(v for v, _ in values) - 1e-9 <= mean <= max(v for v, _ in values) + 1e-9
    assert 1.0 <= average.weight(now) <= len(values)


def test_an_average_weighs_by_age() -> None:
    average = Average(10.0)
    average.add(1.0, 0.0)
    average.add(0.0, 10.0)

    assert average.mean(10.0) == pytest.approx(math.exp(-1) / (1 + math.exp(-1)))


def test_what_was_long_ago_is_unknown() -> None:
    average = Average(10.0)
    average.add(1.0, 0.0)

    assert average.mean(40.0) == 1.0
    assert average.mean(50.0) is None
    assert Average(10.0).mean(0.0) is None


def test_a_clock_that_stands_still_or_goes_back_forgets_nothing() -> None:
    average = Average(10.0)
    average.add(1.0, 5.0)

    assert average.weight(1.0) == 1.0
