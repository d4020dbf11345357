"""What of the routes and models a key may use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.control.scopes import base_route, check_route, within
from switchpoint.core.errors import Forbidden, NoEligibleModel
from switchpoint.core.principal import Principal
from switchpoint.core.query import Query
from switchpoint.routers.routes import ROUTELLM_NAME, SETTING_NAME

KNOWN = ("auto", "cheap", "mini", "mini:high-effort", "router-odd-1")


def holder(**more: object) -> Principal:
    return Principal(id="k", tenant="acme", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("cheap", "cheap"),
        ("cheap:quality=0.9", "cheap"),
        ("mini:high-effort", "mini:high-effort"),
        ("mini:high-effort:quality=0.9", "mini:high-effort"),
        ("router-cheap-0.5", "cheap"),
        ("router-two-words-0.5", "two-words"),
        ("router-odd-1", "router-odd-1"),
    ],
)
def test_a_route_at_a_setting_counts_as_the_route(name: str, base: str) -> None:
    assert base_route(name, KNOWN) == base


@given(st.from_regex(SETTING_NAME, fullmatch=True))
def test_the_route_of_a_setting_is_the_one_that_routing_takes(name: str) -> None:
    found = SETTING_NAME.fullmatch(name)
    assert found is not None

    assert base_route(name, ()) == found["route"]


@given(
    st.from_regex(ROUTELLM_NAME, fullmatch=True).filter(
        lambda name: SETTING_NAME.fullmatch(name) is None and "=" not in name
    )
)
def test_the_route_of_a_threshold_is_the_one_that_routing_takes(name: str) -> None:
    found = ROUTELLM_NAME.fullmatch(name)
    assert found is not None

    assert base_route(name, ()) == found["name"]


@pytest.mark.parametrize("name", ["auto", "mini", "router-auto-0.5", "auto:quality=1"])
def test_with_a_list_everything_else_is_forbidden(name: str) -> None:
    with pytest.raises(Forbidden, match="may not use"):
        check_route(holder(routes=frozenset({"cheap"})), name, KNOWN)


def test_without_a_list_every_route_may_be_asked_for() -> None:
    check_route(holder(), "anything", KNOWN)


def test_models_of_the_key_narrow_those_that_the_caller_allows() -> None:
    query = Query(id="q", messages=(), allow=frozenset({"a", "b"}))

    assert within(holder(models=frozenset({"b", "c"})), query)[0] == {"b"}


def test_a_caller_who_allows_only_other_models_is_told_so() -> None:
    query = Query(id="q", messages=(), allow=frozenset({"a"}))

    with pytest.raises(NoEligibleModel, match="this key may not use it"):
        within(holder(models=frozenset({"c"})), query)


def test_an_empty_list_of_models_allows_none() -> None:
    with pytest.raises(NoEligibleModel):
        within(holder(models=frozenset()), Query(id="q", messages=()))


def test_the_tags_of_the_gate_win_over_those_of_the_caller() -> None:
    query = Query(id="q", messages=(), tags={"tenant": "other", "key": "x", "team": "y", "tier": "gold"})

    assert within(holder(), query)[1] == {"tenant": "acme", "key": "k", "tier": "gold"}
