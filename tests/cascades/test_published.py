"""What is published of cascade routing and the index rule, reproduced on simulated queries.

Source: Dekoninck et al., A unified approach to routing and cascading for LLMs (2025): cascade routing beats routing and
cascading, by much with a good verifier; and what follows from Weitzman (1979): the index rule beats cascade routing.
The simulation is theirs: estimates are regressions on the quality with noise added, before an answer and after it.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.play import independent, play
from switchpoint.cascades.rules import Chain, Index, Routing, Rule, Supermodels, Threshold

N_MODELS = 5
NOISE = {"low": (0.6, 0.3), "medium": (1.6, 0.8), "high": (2.4, 1.2)}
"""Standard deviations of the noise before and after an answer, as in their experiments on RouterBench."""
COST_USD = np.array([0.02, 0.06, 0.1, 0.5, 1.0])
WILLINGNESS_USD = (0.5, 1.5, 5.0, 15.0)
ORDER = tuple(range(N_MODELS))


class Simulation(NamedTuple):
    quality: np.ndarray
    before: Posterior
    after: np.ndarray

    def net(self, rule: Rule, willingness_usd: float, spread: float = 1.0) -> np.ndarray:
        """Quality of the answer given less what the calls cost, in quality, by query."""
        price = np.broadcast_to(COST_USD / willingness_usd, self.quality.shape)
        before = Posterior(self.before.mean, self.before.spread * spread)
        played = play(rule, independent(before, self.after), price)
        return played.given(self.quality) - played.spent(price)


@cache
def net(noise: str, rule: Rule, spread: float = 1.0) -> np.ndarray:
    """The same, a mean over all willingnesses."""
    found = simulate(noise)
    return np.mean([found.net(rule, each, spread) for each in WILLINGNESS_USD], axis=0)


def net_of_best_threshold(noise: str) -> np.ndarray:
    """Of threshold cascades: at each willingness the threshold that is best on these very queries."""
    found = simulate(noise)
    rules = [Threshold(ORDER, (float(each),) * (N_MODELS - 1)) for each in np.linspace(0.1, 0.95, 12)]
    tried = [[found.net(rule, each) for rule in rules] for each in WILLINGNESS_USD]
    return np.mean([max(nets, key=np.mean) for nets in tried], axis=0)


@cache
def simulate(noise: str, coherent: bool = True, n_queries: int = 3_000) -> Simulation:
    random = np.random.default_rng(0)
    ease = random.normal(0, 0.8, (n_queries, 1))
    chance = 1 / (1 + np.exp(-ease - np.array([-0.2, 0.4, 0.6, 1.4, 1.8])))
    quality = (random.random(chance.shape) < chance).astype(float)
    signals = [quality + random.normal(0, sigma, quality.shape) for sigma in NOISE[noise]]
    mean = regression(quality, signals[:1])
    after = regression(quality, signals if coherent else signals[1:])
    spread = np.broadcast_to((after - mean).std(axis=0), mean.shape)
    return Simulation(quality, Posterior(mean, spread), after)


def regression(quality: np.ndarray, signals: list[np.ndarray]) -> np.ndarray:
    """Predict each model's quality from its own signals, by least squares."""
    columns = []
    for model in range(quality.shape[1]):
        x = np.column_stack([np.ones(len(quality)), *(each[:, model] for each in signals)])
        columns.append(x @ np.linalg.lstsq(x, quality[:, model], rcond=None)[0])
    return np.column_stack(columns)


def gap(better: np.ndarray, worse: np.ndarray) -> tuple[float, float]:
    """The mean difference by query, and its standard error."""
    difference = better - worse
    return float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))


def test_the_posterior_of_the_simulation_is_coherent_only_if_both_signals_make_it() -> None:
    for coherent in (True, False):
        found = simulate("high", coherent)
        moves = np.polyfit(found.before.mean[:, 0], found.after[:, 0], 1)[0]
        assert (abs(moves - 1) < 0.02) == coherent


@pytest.mark.parametrize("noise", NOISE)
def test_the_index_rule_is_at_least_as_good_as_cascade_routing(noise: str) -> None:
    more, error = gap(net(noise, Index()), net(noise, Supermodels()))

    assert more > -error
    assert noise == "low" or more > 0


@pytest.mark.parametrize("noise", NOISE)
def test_cascade_routing_is_better_for_knowing_how_much_it_will_learn(noise: str) -> None:
    more, error = gap(net(noise, Supermodels()), net(noise, Supermodels(), 0.0))

    assert more > -error


@pytest.mark.parametrize("noise", NOISE)
def test_cascade_routing_beats_routing_and_both_kinds_of_cascade(noise: str) -> None:
    others = {
        "routing": net(noise, Routing()),
        "optimal cascading": net(noise, Chain(ORDER)),
        "threshold cascade": net_of_best_threshold(noise),
    }

    for other, value in others.items():
        more, error = gap(net(noise, Supermodels()), value)
        assert more > 2 * error, other


def test_where_a_call_costs_what_it_adds_counting_on_learning_helps_a_coherent_posterior_and_harms_another() -> None:
    harms = {}
    for coherent in (True, False):
        found = simulate("high", coherent, n_queries=100_000)
        harms[coherent] = gap(found.net(Index(), 1.0, spread=0.0), found.net(Index(), 1.0))

    assert harms[True][0] < -2 * harms[True][1]
    assert harms[False][0] > 2 * harms[False][1]


def test_the_better_the_verifier_the_more_cascading_gains_over_routing() -> None:
    medium, high = (gap(net(noise, Index()), net(noise, Routing()))[0] for noise in ("medium", "high"))

    assert medium > high > 0
