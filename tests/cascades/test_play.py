"""Play: a rule followed over recorded answers; and the willingness at which it keeps to a mean."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.belief import Evidence, Posterior
from switchpoint.cascades.play import Trajectory, believing, independent, play
from switchpoint.cascades.rules import STOP, Index, Routing, Supermodels, Threshold
from switchpoint.cascades.willingness import MOST, fit, price, sweep
from switchpoint.core.errors import ConfigError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query

N_MODELS = 4


class World:
    """Queries with estimates before, values after, and costs."""

    def __init__(self, n_queries: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        shape = n_queries, N_MODELS
        self.before = Posterior(random.random(shape), random.random(shape) * 0.3)
        self.after = self.before.mean + self.before.spread * random.standard_normal(shape)
        self.cost_usd = np.geomspace(1e-4, 1e-2, N_MODELS) * random.lognormal(0, 0.5, shape)
        self.draw = random.random(n_queries)

    def spending(self, willingness: float, rows: np.ndarray) -> np.ndarray:
        return self.played(np.full(len(rows), willingness), rows).spent(self.cost_usd[rows])

    def played(self, willingness: np.ndarray, rows: np.ndarray) -> Trajectory:
        before = Posterior(self.before.mean[rows], self.before.spread[rows])
        return play(Index(), independent(before, self.after[rows]), price(self.cost_usd[rows], willingness))


def outcomes(quality: np.ndarray, cost_usd: np.ndarray) -> Outcomes:
    queries = tuple(Query.of(f"query {number}") for number in range(len(quality)))
    models = tuple(f"m{number}" for number in range(quality.shape[1]))
    return Outcomes(queries=queries, models=models, quality=quality, cost_usd=cost_usd, domains=("all",) * len(quality))


def one_by_one(world: World, row: int, prices: np.ndarray) -> tuple[list[int], int]:
    """Follow the index rule on one query with plain Python."""
    called: list[int] = []
    while True:
        mean = world.before.mean[row].copy()
        mean[called] = world.after[row, called]
        spread = np.where(np.isin(range(N_MODELS), called), 0.0, world.before.spread[row])
        mask = np.isin(range(N_MODELS), called)[None]
        column = int(
            Index()(Posterior(mean[None], spread[None]), mask, np.ones((1, N_MODELS), bool), prices[row, None])[0]
        )
        if column == STOP:
            return called, max(called, key=lambda each: mean[each])
        called.append(column)


def test_a_batch_is_played_as_each_of_its_queries_would_be() -> None:
    world = World(60)
    prices = price(world.cost_usd, 0.01)

    played = play(Index(), independent(world.before, world.after), prices)

    for row in range(60):
        steps, column = one_by_one(world, row, prices)
        assert [each for each in played.steps[row] if each != STOP] == steps
        assert (played.column[row], played.calls[row]) == (column, len(steps))


@given(st.integers(0, 1_000))
@settings(max_examples=20)
def test_a_trajectory_agrees_with_itself(seed: int) -> None:
    world = World(30, seed)

    played = world.played(np.full(30, 0.01), np.arange(30))

    assert played.called[np.arange(30), played.column].all()
    assert ((played.steps != STOP).sum(axis=1) == played.calls).all()
    called = np.zeros_like(played.called)
    row, number = np.nonzero(played.steps != STOP)
    called[row, played.steps[row, number]] = True
    assert (called == played.called).all()


def test_every_call_is_paid_for_and_the_best_answer_in_hand_is_given() -> None:
    quality, cost_usd = np.array([[0.2, 1.0, 0.7]]), np.array([[1.0, 2.0, 4.0]])
    step = independent(Posterior(np.full((1, 3), 0.5), np.full((1, 3), 0.2)), np.array([[0.4, 0.3, 0.9]]))

    played = play(Threshold((0, 1, 2), (0.8, 0.8)), step, np.zeros((1, 3)))

    found = outcomes(quality, cost_usd)
    assert played.steps.tolist() == [[0, 1, 2]]
    assert (played.quality(found).tolist(), played.cost_usd(found).tolist()) == ([0.7], [7.0])


def test_an_unknown_cost_of_a_model_that_was_not_called_does_not_matter() -> None:
    step = independent(Posterior(np.array([[0.9, 0.1]] * 2), np.zeros((2, 2))), np.array([[0.9, 0.1]] * 2))
    played = play(Routing(), step, np.zeros((2, 2)))

    cost = played.spent(np.array([[1.0, math.nan], [math.nan, 1.0]]))

    assert cost[0] == 1.0
    assert math.isnan(cost[1])


def test_where_no_model_is_eligible_nothing_is_called_and_nothing_given() -> None:
    world = World(2)
    nobody = np.zeros((2, N_MODELS), dtype=bool)

    played = play(Index(), independent(world.before, world.after), price(world.cost_usd, 1.0), nobody)

    assert played.column.tolist() == [STOP, STOP]
    assert np.isnan(played.given(world.after)).all()
    assert played.spent(world.cost_usd).tolist() == [0.0, 0.0]


def test_a_belief_is_told_only_the_answers_of_models_that_were_called() -> None:
    told = []

    class Belief:
        models_ = ("a", "b")

        def posterior(self, prior: np.ndarray | None, evidence: Evidence) -> Posterior:
            told.append(evidence.called.tolist())
            return Posterior(np.where(evidence.called, evidence.score, prior), np.where(evidence.called, 0.0, 0.2))

    evidence = Evidence(np.array([[0, 1], [0, 0]]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    step = believing(Belief(), np.full((2, 2), 0.5), evidence)
    played = play(Threshold((0, 1), (0.5,)), step, np.zeros((2, 2)))

    assert told == [[[False, False]] * 2, [[True, False]] * 2, [[True, True]]]
    assert played.column.tolist() == [0, 1]


def test_price_is_dollars_by_willingness_and_seconds_by_patience() -> None:
    cost_usd, latency_s = np.array([[0.01, 0.02], [0.01, 0.02]]), np.array([[1.0, 4.0], [1.0, 4.0]])

    found = price(cost_usd, np.array([0.1, 0.2]), latency_s, 20.0)

    assert found == pytest.approx(np.array([[0.15, 0.4], [0.1, 0.3]]))


@pytest.mark.parametrize("budget", [2.0, 4.0])
def test_of_two_models_of_constant_estimates_a_budget_in_between_is_met_by_mixing(budget: float) -> None:
    n_queries = 4_000
    cost_usd, mean = np.tile([1.0, 5.0], (n_queries, 1)), np.tile([0.4, 0.9], (n_queries, 1))
    step = independent(Posterior(mean, np.zeros_like(mean)), mean)

    def spending(willingness: float | np.ndarray, rows: np.ndarray) -> np.ndarray:
        return play(Routing(), step, price(cost_usd[rows], willingness)).spent(cost_usd[rows])

    mixture = fit(spending, n_queries, budget)

    draw = np.random.default_rng(0).random(n_queries)
    assert mixture.high_share == pytest.approx((budget - 1) / 4)
    assert spending(mixture.drawn(draw), np.arange(n_queries)).mean() == pytest.approx(budget, abs=0.1)


@pytest.mark.parametrize("budget", [0.0005, 0.003, 0.009])
@pytest.mark.parametrize("n_queries", [50, 9_000])
def test_a_budget_is_met_exactly_in_expectation_over_the_draws(budget: float, n_queries: int) -> None:
    world, rows = World(n_queries), np.arange(n_queries)

    low, high, share = fit(world.spending, n_queries, budget)

    spent = (1 - share) * world.spending(low, rows).mean() + share * world.spending(high, rows).mean()
    assert spent == pytest.approx(budget, rel=1e-9)
    assert 0 <= share < 1
    assert low < high < 1.2 * low


def test_a_mean_latency_is_kept_to_by_patience_in_place_of_willingness() -> None:
    world, latency_s = World(500), np.tile([1.0, 2.0, 3.0, 4.0], (500, 1))

    def seconds(patience_s: float, rows: np.ndarray) -> np.ndarray:
        prices = price(world.cost_usd[rows], 1.0, latency_s[rows], patience_s)
        before = Posterior(world.before.mean[rows], world.before.spread[rows])
        return play(Index(), independent(before, world.after[rows]), prices).spent(latency_s[rows])

    low, high, share = fit(seconds, 500, 4.0)

    rows = np.arange(500)
    assert (1 - share) * seconds(low, rows).mean() + share * seconds(high, rows).mean() == pytest.approx(4.0)


def test_a_budget_beyond_what_anybody_would_spend_is_not_spent() -> None:
    world = World(100)

    assert fit(world.spending, 100, 1e3) == (MOST, MOST, 1.0)


@pytest.mark.parametrize("unknown", [False, True])
def test_a_budget_that_cannot_be_met_is_refused(unknown: bool) -> None:
    world = World(100)
    world.cost_usd[3] = math.nan if unknown else world.cost_usd[3]

    with pytest.raises(ConfigError, match="the least spends"):
        fit(world.spending, 100, 1e-6)


def test_a_sweep_is_a_play_at_each_willingness() -> None:
    world = World(80)
    found = outcomes(np.clip(world.after, 0, 1), world.cost_usd)
    grid = (1e-4, 1e-2, 1.0)

    points = sweep(lambda w: world.played(np.full(80, w), np.arange(80)), grid, found)

    assert points.quality.shape == points.cost_usd.shape == (3, 80)
    assert (np.diff(points.cost_usd.mean(axis=1)) > 0).all()
    assert points.cost_usd[1].tolist() == world.spending(1e-2, np.arange(80)).tolist()


def test_cascade_routing_is_played_too() -> None:
    world = World(40)

    played = play(Supermodels(), independent(world.before, world.after), price(world.cost_usd, 0.01))

    assert (played.calls >= 1).all()
