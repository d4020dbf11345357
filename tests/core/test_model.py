"""Model: what a call costs, and which queries it may take."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.catalog import Catalog
from switchpoint.core.errors import ConfigError, UnknownModel
from switchpoint.core.model import Model, Usage
from switchpoint.core.query import Query

MINI = Model(
    id="mini",
    upstream="u",
    upstream_model="mini",
    input_usd_per_mtok=Decimal("0.25"),
    cached_input_usd_per_mtok=Decimal("0.025"),
    output_usd_per_mtok=Decimal("2"),
)
COUNT = st.integers(min_value=0, max_value=10**7)


def test_a_call_costs_its_input_cached_input_and_output_each_at_its_price() -> None:
    usage = Usage(input_tokens=1_000, cached_input_tokens=400, output_tokens=500)

    assert MINI.cost_usd(usage) == Decimal("0.00116")


def test_cached_input_without_a_price_of_its_own_costs_the_full_price() -> None:
    model = replace(MINI, cached_input_usd_per_mtok=None)

    assert model.cost_usd(Usage(input_tokens=1_000_000, cached_input_tokens=900_000, output_tokens=0)) == Decimal(
        "0.25"
    )


@pytest.mark.parametrize(("price", "cost"), [("0.3125", "0.0002625"), (None, "0.00025")])
def test_input_written_to_a_prompt_cache_costs_its_own_price_or_the_full_one(price: str | None, cost: str) -> None:
    model = replace(MINI, cache_write_usd_per_mtok=None if price is None else Decimal(price))
    usage = Usage(input_tokens=1_000, cache_write_input_tokens=200, output_tokens=0)

    assert model.cost_usd(usage) == Decimal(cost)


def test_what_is_set_aside_covers_a_request_that_is_written_to_the_cache_whole() -> None:
    model = replace(MINI, cache_write_usd_per_mtok=Decimal("0.5"), max_output_tokens=0)

    assert model.reserve_usd(Query.of("x"), input_tokens=1_000_000) == 0.5


@pytest.mark.parametrize("missing", ["input_usd_per_mtok", "output_usd_per_mtok"])
def test_an_unknown_price_makes_the_cost_unknown_not_zero(missing: str) -> None:
    assert replace(MINI, **{missing: None}).cost_usd(Usage(input_tokens=1, output_tokens=1)) is None


@pytest.mark.parametrize("usage", [None, Usage(), Usage(input_tokens=5), Usage(output_tokens=5)])
def test_unknown_usage_makes_the_cost_unknown_not_zero(usage: Usage | None) -> None:
    assert MINI.cost_usd(usage) is None


def test_a_price_of_zero_is_a_price() -> None:
    free = replace(MINI, input_usd_per_mtok=Decimal(0), output_usd_per_mtok=Decimal(0), cached_input_usd_per_mtok=None)

    assert free.cost_usd(Usage(input_tokens=10, output_tokens=10)) == 0


def test_a_stated_bill_wins_over_the_price_list() -> None:
    assert MINI.cost_usd(Usage(input_tokens=1, output_tokens=1, cost_usd=Decimal("0.5"))) == Decimal("0.5")


def test_a_machine_is_paid_by_the_hour() -> None:
    model = replace(MINI, usd_per_hour=Decimal("3.6"))

    assert model.cost_usd(None, seconds=2.0) == Decimal("0.002")
    assert model.cost_usd(Usage(input_tokens=1, output_tokens=1)) is None


@given(COUNT, COUNT, COUNT)
def test_cost_grows_with_every_token_and_cached_ones_never_cost_more(i: int, cached: int, o: int) -> None:
    plain = MINI.cost_usd(Usage(input_tokens=i, output_tokens=o))
    with_cache = MINI.cost_usd(Usage(input_tokens=i, cached_input_tokens=cached, output_tokens=o))
    longer = MINI.cost_usd(Usage(input_tokens=i + 1, output_tokens=o + 1))

    assert plain is not None and with_cache is not None and longer is not None
    assert 0 <= with_cache <= plain < longer


def test_exclusions_say_why() -> None:
    catalog = Catalog([replace(MINI, can=frozenset({"tools"}), context_tokens=10), replace(MINI, id="big")])
    long = Query(id="q", messages=({"role": "user", "content": "x" * 400},), needs=frozenset({"vision"}))

    assert catalog.eligible(long) == [False, True]
    assert catalog.exclusions(long) == {"mini": "cannot do vision"}
    assert "takes 10 tokens" in catalog.exclusions(replace(long, needs=frozenset()))["mini"]


def test_a_caller_narrows_the_catalog() -> None:
    catalog = Catalog([MINI, replace(MINI, id="big")])

    assert catalog.eligible(replace(Query.of("hi"), allow=frozenset({"big"}))) == [False, True]


def test_a_limit_on_cost_excludes_what_is_expected_to_cost_more() -> None:
    cheap = replace(Query.of("hi"), max_cost_usd=1e-9)

    assert "over the limit" in Catalog([MINI]).exclusions(cheap)["mini"]


def test_unknown_limits_exclude_nothing() -> None:
    blank = Model(id="blank", upstream="u", upstream_model="blank")
    demanding = replace(Query.of("hi"), needs=frozenset({"vision", "tools"}), max_cost_usd=0.0)

    assert Catalog([blank]).eligible(demanding) == [True]


def test_an_unknown_model_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UnknownModel, match="Unknown model 'minni'. Did you mean 'mini'"):
        _ = Catalog([MINI])["minni"]


def test_two_models_may_not_share_an_id() -> None:
    with pytest.raises(ConfigError, match="share an id: mini"):
        Catalog([MINI, MINI])
