"""The estimators that do without learning from text: means, lengths, prices."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.estimators.cost import ListPriceCost
from switchpoint.estimators.length import PromptLength
from switchpoint.estimators.mean import MeanCost, MeanQuality
from tests.estimators.conftest import make_model

prices = st.decimals(0, 100, places=3)


def test_mean_quality_is_the_observed_mean(outcomes: Outcomes) -> None:
    mean = MeanQuality().fit(outcomes).predict(outcomes.queries[:3]).mean

    assert np.allclose(mean, np.tile(outcomes.mean_quality(), (3, 1)))


def test_means_that_are_known_need_no_fitting() -> None:
    assert MeanQuality(["a"], np.array([0.7])).predict([Query.of("x")]).mean.tolist() == [[0.7]]


@given(st.lists(st.integers(0, 3_000), min_size=2, max_size=20, unique=True))
def test_a_longer_prompt_always_leans_further_to_the_strong_model(lengths: list[int]) -> None:
    queries = [Query.of("x" * n) for n in sorted(lengths)]

    weak, strong = PromptLength(["weak", "strong"]).predict(queries).mean.T

    assert (np.diff(weak) < 0).all()
    assert (np.diff(strong) > 0).all()


def test_lengths_and_abilities_are_learned(outcomes: Outcomes) -> None:
    median = sorted(outcomes.queries, key=lambda q: len(q.full_text))[len(outcomes) // 2]

    mean = PromptLength().fit(outcomes).predict([median]).mean

    assert mean[0] == pytest.approx([0.5, 0.5], abs=0.1)


@pytest.mark.parametrize(("chars", "best"), [(1, "w"), (210, "m"), (9_000, "s")])
def test_each_model_is_best_at_the_length_that_suits_its_ability(chars: int, best: str) -> None:
    mean = PromptLength(["w", "m", "s"]).predict([Query.of("x" * chars)]).mean[0]

    assert "wms"[mean.argmax()] == best


def test_the_share_beyond_a_gap_quantile_is_the_share_asked_for(outcomes: Outcomes) -> None:
    length = PromptLength().fit(outcomes)
    weak, strong = length.predict(outcomes.queries).mean.T

    assert ((strong - weak) >= length.gap_quantile(0.25)).mean() == pytest.approx(0.25, abs=0.15)


def test_a_share_beyond_one_is_an_error() -> None:
    with pytest.raises(ConfigError, match="strong_share"):
        PromptLength(["a", "b"]).gap_quantile(-0.1)


@given(price=prices, output=prices, samples=st.integers(1, 5), text=st.text(max_size=300))
def test_list_prices_agree_with_the_catalog(price: Decimal, output: Decimal, samples: int, text: str) -> None:
    model = make_model("m", input_usd_per_mtok=price, output_usd_per_mtok=output, samples=samples)
    query = Query.of(text)

    predicted = ListPriceCost([model]).predict([query]).mean[0, 0]

    assert predicted == pytest.approx(model.expected_cost_usd(query.input_tokens), rel=1e-9)


@pytest.mark.parametrize("missing", ["input_usd_per_mtok", "output_usd_per_mtok"])
def test_an_unknown_price_makes_the_cost_unknown(missing: str) -> None:
    known = {"input_usd_per_mtok": Decimal(1), "output_usd_per_mtok": Decimal(2)} | {missing: None}

    assert np.isnan(ListPriceCost([make_model("m", **known)]).predict([Query.of("x")]).mean).all()


def test_mean_cost_is_the_observed_mean_and_unknown_where_nothing_was() -> None:
    cost = MeanCost(["a", "b"], np.array([0.5, np.nan]))

    mean = cost.predict([Query.of("x"), Query.of("y")]).mean

    assert mean[:, 0].tolist() == [0.5, 0.5]
    assert np.isnan(mean[:, 1]).all()
