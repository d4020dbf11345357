"""What was seen of latencies lately, beside what was learned."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.health import Health
from switchpoint.core.query import Query
from switchpoint.routers.observed import with_observed
from switchpoint.routers.policies import MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, catalog

QUERY = Query.of("hello")
NAN = float("nan")


def seen(**latency_s: float) -> Query:
    return replace(QUERY, health={model: Health(latency_s=seconds) for model, seconds in latency_s.items()})


def test_without_observations_the_estimate_is_untouched() -> None:
    learned = np.array([[1.0, NAN]])

    assert with_observed(learned, ("mini", "big"), [QUERY]) is learned


def test_each_is_taken_where_the_other_is_unknown_and_their_mean_where_both_are_known() -> None:
    learned = np.array([[1.0, 2.0, NAN, NAN]])

    found = with_observed(learned, ("a", "b", "c", "d"), [seen(a=3.0, c=5.0)])

    np.testing.assert_array_equal(found, [[2.0, 2.0, 5.0, NAN]])


@settings(deadline=None)
@given(st.floats(0, 1e3), st.floats(0, 1e3))
def test_the_expectation_lies_between_both(learned: float, observed: float) -> None:
    found = with_observed(np.array([[learned]]), ("a",), [seen(a=observed)])[0, 0]

    assert min(learned, observed) <= found <= max(learned, observed)


def test_a_model_that_has_become_slow_is_left_out_under_a_latency_limit() -> None:
    two = catalog("mini", "big")
    quality, cost, latency = (Table(two.ids, row) for row in ([0.3, 0.9], [1, 2], [1.0, 1.0]))
    router = Router("r", two, quality, cost, MaxUtility(float("inf")), latency=latency, max_latency_s=5.0)

    assert router.next(QUERY, ()).decision.model == "big"
    assert router.next(seen(big=60.0), ()).decision.model == "mini"
