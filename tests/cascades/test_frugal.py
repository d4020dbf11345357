"""FrugalGPT's search: the best chain and thresholds within a budget."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.frugal import Plan, Scored, choose, follow, frontier, within
from switchpoint.cascades.play import independent, play
from switchpoint.core.errors import ConfigError, DataError


def scored(n_queries: int = 60, n_models: int = 3, seed: int = 0, noise: float = 0.3) -> Scored:
    random = np.random.default_rng(seed)
    shape = n_queries, n_models
    quality = (random.random(shape) < np.linspace(0.4, 0.9, n_models)).astype(float)
    cost_usd = np.geomspace(1, 10, n_models) * random.uniform(0.5, 1.5, shape)
    score = 1 / (1 + np.exp(-(2 * quality - 1) - noise * 5 * random.standard_normal(shape)))
    return Scored(score=score, quality=quality, cost_usd=cost_usd)


def every_plan(data: Scored, grid: int) -> list[tuple[float, float]]:
    """Cost and quality of every chain and thresholds, one after the other."""
    levels = np.linspace(0, 1, grid + 2)[1:-1]
    bars = [np.unique(np.quantile(column, levels, method="higher")).tolist() for column in data.score.T]
    found = []
    for length in (1, 2, 3):
        for chain in itertools.permutations(range(data.score.shape[1]), length):
            for thresholds in itertools.product(*(bars[column] for column in chain[:-1])):
                quality, cost_usd = follow(Plan(chain, thresholds, 0, 0), data)
                found.append((float(cost_usd.mean()), float(quality.mean())))
    return found


@given(st.integers(0, 1_000))
@settings(max_examples=10, deadline=None)
def test_the_frontier_is_what_trying_every_plan_one_by_one_finds(seed: int) -> None:
    data = scored(seed=seed)
    every = every_plan(data, grid=4)

    plans = frontier(data, grid=4)

    for plan in plans:
        assert max(q for c, q in every if c <= plan.cost_usd + 1e-9) == pytest.approx(plan.quality)
    assert plans[0].cost_usd == pytest.approx(min(c for c, _ in every))
    assert plans[-1].quality == pytest.approx(max(q for _, q in every))


def test_no_plan_of_the_frontier_beats_another_one_and_all_do_what_they_say() -> None:
    data = scored(n_queries=200)
    plans = frontier(data)

    assert (np.diff([plan.cost_usd for plan in plans]) > 0).all()
    assert (np.diff([plan.quality for plan in plans]) > 0).all()
    for plan in plans:
        quality, cost_usd = follow(plan, data)
        assert (quality.mean(), cost_usd.mean()) == pytest.approx((plan.quality, plan.cost_usd))


def test_chains_of_every_length_are_tried() -> None:
    lengths = {len(plan.chain) for plan in frontier(scored(n_queries=400, n_models=4), grid=8)}

    assert lengths == {1, 2, 3}


def test_a_perfect_scorer_makes_a_chain_that_no_single_model_reaches() -> None:
    data = scored(n_queries=400, noise=0.0)

    best = frontier(data)[-1]

    assert best.quality == pytest.approx(data.quality.max(axis=1).mean())
    assert best.quality > data.quality.mean(axis=0).max()


def test_the_plan_within_a_budget_is_the_best_that_it_buys() -> None:
    plans = frontier(scored())

    assert within(plans, plans[2].cost_usd) == plans[2]
    assert within(plans, plans[2].cost_usd - 1e-9) == plans[1]
    assert within(plans, 0.0) is None


def test_an_answer_whose_scoring_failed_is_never_accepted() -> None:
    data = scored()
    data.score[:, 0] = np.nan
    plan = Plan((0, 2), (0.0,), 0, 0)

    quality, _ = follow(plan, data)

    assert quality.tolist() == data.quality[:, 2].tolist()
    assert frontier(data)


def test_a_plan_is_a_rule_that_calls_the_same_models() -> None:
    data = scored()
    plan = frontier(data)[-1]
    step = independent(Posterior(np.full(data.score.shape, 0.5), np.zeros(data.score.shape)), data.score)

    played = play(plan.rule, step, np.zeros(data.score.shape))

    assert played.spent(data.cost_usd) == pytest.approx(follow(plan, data)[1])


def test_the_choice_reports_quality_on_rows_that_did_not_choose_it() -> None:
    data, fold = scored(n_queries=300, noise=1.0), np.arange(300) % 5

    choice = choose(data, 4.0, fold)

    assert choice.plan.cost_usd <= 4.0
    assert choice.plan in choice.frontier
    assert choice.held_out_quality < choice.plan.quality


def test_a_long_chain_that_only_fits_luck_is_not_chosen() -> None:
    # Scores without any information, models equally good: whatever longer chains gain on these rows is luck.
    random = np.random.default_rng(1)
    quality = (random.random((120, 5)) < 0.5).astype(float)
    data = Scored(score=random.random((120, 5)), quality=quality, cost_usd=np.ones((120, 5)))

    choice = choose(data, 3.0, np.arange(120) % 4)

    unrestricted = within(frontier(data), 3.0)
    assert unrestricted is not None
    assert choice.plan.quality - choice.held_out_quality < unrestricted.quality - 0.5


def test_a_budget_below_the_cheapest_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="the cheapest costs"):
        choose(scored(), 0.01, np.arange(60) % 3)


@pytest.mark.parametrize("fault", ["unknown", "shape", "empty"])
def test_data_that_cannot_be_searched_are_refused(fault: str) -> None:
    data = scored()
    quality = {"unknown": np.full((60, 3), np.nan), "shape": np.ones((60, 2)), "empty": np.ones((0, 3))}[fault]
    rows = len(quality)

    with pytest.raises(DataError, match="lack a quality|one shape"):
        Scored(score=data.score[:rows], quality=quality, cost_usd=data.cost_usd[:rows])
