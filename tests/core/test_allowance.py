"""Allowance: extra calls stay a share of the ordinary ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.allowance import Allowance
from switchpoint.core.errors import ConfigError


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=200), st.floats(0, 2), st.floats(1, 20))
def test_extra_calls_never_exceed_the_burst_and_the_share(ordinary: list[bool], share: float, burst: float) -> None:
    allowance, earned, taken = Allowance(share, burst), 0, 0

    for each in ordinary:
        if each:
            allowance.earn()
            earned += 1
        else:
            taken += allowance.take()

    assert taken <= burst + share * earned + 1e-9


def test_in_an_outage_a_fifth_of_the_calls_are_retries_once_the_burst_is_spent() -> None:
    allowance = Allowance(0.2, 10)

    taken = 0
    for _ in range(1000):
        allowance.earn()
        taken += allowance.take() + allowance.take()

    assert 200 <= taken <= 210


def test_a_share_of_nothing_allows_the_burst_alone() -> None:
    allowance = Allowance(0.0, 2)

    allowance.earn()

    assert [allowance.take() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("numbers", [(-0.1, 1), (0.2, 0.5), (float("inf"), 1), (float("nan"), 1)])
def test_what_means_nothing_is_refused(numbers: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="share of 0 or more and a burst of 1 or more"):
        Allowance(*numbers)
