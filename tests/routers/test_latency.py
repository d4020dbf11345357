"""A limit of latency: what is expected to take longer is not eligible, unless nothing is quicker."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.decision import Reason
from switchpoint.core.estimate import Estimates
from switchpoint.core.query import Query
from switchpoint.routers.policies import Explore, MaxUtility
from switchpoint.routers.router import Router
from tests.doubles import Table, catalog

NAN = math.nan
THREE = catalog("mini", "mid", "big")
QUERY = Query.of("hello")


def eligible(latency_s: list[float], max_latency_s: float, may: list[bool] | None = None) -> list[bool]:
    shape = (1, len(latency_s))
    seen = Estimates(
        models=tuple(map(str, range(shape[1]))),
        quality=np.ones(shape),
        cost_usd=np.ones(shape),
        eligible=np.array([may or [True] * shape[1]]),
        draw=np.zeros(1),
        latency_s=np.array([latency_s]),
    )
    return seen.within(max_latency_s).eligible[0].tolist()


@pytest.mark.parametrize(
    ("latency_s", "expected"),
    [
        ([1.0, 2.0, 3.0], [True, True, False]),
        ([4.0, 3.0, 5.0], [False, True, False]),
        ([4.0, NAN, 1.0], [False, True, True]),
        ([4.0, NAN, 5.0], [False, True, False]),
        ([NAN, NAN, NAN], [True, True, True]),
    ],
)
def test_a_limit_of_two_seconds(latency_s: list[float], expected: list[bool]) -> None:
    assert eligible(latency_s, 2.0) == expected


def test_the_quickest_is_that_of_the_models_that_may_take_the_query() -> None:
    assert eligible([1.0, 5.0, 4.0], 2.0, [False, True, True]) == [False, False, True]


@given(st.lists(st.tuples(st.sampled_from([NAN, 0.0, 1.0, 9.0]), st.booleans()), min_size=1), st.floats(0.01, 20))
def test_it_never_takes_every_model_away_and_never_adds_one(models: list[tuple[float, bool]], limit: float) -> None:
    latency_s, may = ([each[part] for each in models] for part in (0, 1))

    left = eligible(latency_s, limit, may)

    assert any(left) == any(may)
    assert all(before for before, after in zip(may, left, strict=True) if after)


def router(latency_s: list[float] | None, limit: float | None = 2.0, explore: float = 0.0, **more: object) -> Router:
    policy = MaxUtility(math.inf)
    return Router(
        "test",
        THREE,
        Table(THREE.ids, [0.4, 0.6, 0.8], novelty=more.pop("novelty", None)),
        Table(THREE.ids, [0.001, 0.01, 0.1]),
        Explore(policy, explore) if explore else policy,
        latency=None if latency_s is None else Table(THREE.ids, latency_s),
        max_latency_s=limit,
        **more,
    )


def test_the_best_of_the_models_that_are_quick_enough_is_chosen() -> None:
    decision = router([1.0, 2.0, 3.0]).route([QUERY])[0]

    assert (decision.model, decision.detail) == ("mid", "2 s expected")


def test_exploring_keeps_to_the_limit() -> None:
    decisions = router([1.0, 2.0, 3.0], explore=1.0).route([replace(QUERY, id=str(i)) for i in range(50)])

    assert {decision.model for decision in decisions} == {"mini", "mid"}
    assert {decision.propensity for decision in decisions} == {0.5}


def test_the_default_for_unknown_ground_keeps_to_it_too() -> None:
    decision = router([1.0, 2.0, 3.0], default="big", novelty=0.9).route([QUERY])[0]

    assert decision.model == "mid"
    assert decision.reason is not Reason.NO_EVIDENCE


def test_a_limit_that_none_keeps_leaves_the_quickest_and_says_so() -> None:
    decision = router([7.0, 5.0, 6.0]).route([QUERY])[0]

    assert (decision.model, decision.detail) == ("mid", "5 s expected, none within 2 s")


@pytest.mark.parametrize(
    ("latency_s", "limit", "detail"),
    [
        (None, 2.0, None),
        ([NAN, NAN, NAN], 2.0, "how long it takes is unknown"),
        ([1.0, 2.0, 0.25], None, "0.25 s expected"),
    ],
)
def test_what_is_unknown_limits_nothing(latency_s: list[float] | None, limit: float | None, detail: str | None) -> None:
    decision = router(latency_s, limit).route([QUERY])[0]

    assert (decision.model, decision.detail) == ("big", detail)
