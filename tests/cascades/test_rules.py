"""Rules: from what is believed and what it costs, the model to call next, or to stop."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.belief import Posterior
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.rules import STOP, Chain, Greedy, Index, Routing, Rule, Supermodels, Threshold
from switchpoint.cascades.supermodels import expected_maximum
from switchpoint.core.errors import ConfigError

N_MODELS = 4
ORDER = tuple(range(N_MODELS))
RULES: dict[str, Rule] = {
    "index": Index(),
    "index, right or wrong": Index(bernoulli),
    "greedy": Greedy(),
    "supermodels": Supermodels(),
    "supermodels of two": Supermodels(max_depth=2),
    "chain": Chain(ORDER),
    "routing": Routing(),
    "threshold": Threshold(ORDER, (0.5,) * (N_MODELS - 1)),
}
TOLERANCE = 2e-4
"""Of two sets whose values are so close either may be found the better one by integration."""


class Situation:
    """A random batch: posteriors, who has answered, who may, and prices."""

    def __init__(self, seed: int, n_queries: int = 8, n_models: int = N_MODELS, answered: float = 0.3) -> None:
        random = np.random.default_rng(seed)
        shape = n_queries, n_models
        self.called = random.random(shape) < answered
        spread = random.random(shape) * 0.4 * (random.random(shape) < 0.8)
        self.posterior = Posterior(random.random(shape), np.where(self.called, 0.0, spread))
        self.eligible = random.random(shape) < 0.8
        self.price = random.random(shape) * random.choice([0.01, 0.1, 0.5])

    def asked(self, rule: Rule) -> np.ndarray:
        return rule(self.posterior, self.called, self.eligible, self.price)

    def take(self, rows: np.ndarray) -> "Situation":
        part = object.__new__(Situation)
        part.posterior = Posterior(self.posterior.mean[rows], self.posterior.spread[rows])
        part.called, part.eligible, part.price = self.called[rows], self.eligible[rows], self.price[rows]
        return part

    @property
    def reach(self) -> np.ndarray:
        return self.eligible & ~self.called


def exact_maximum(mean: np.ndarray, spread: np.ndarray, best: float) -> float:
    """E[max(best, Q...)] by a sum over a fine grid of one's own; a spread of 0 raises `best`."""
    sure = spread == 0
    best = max([best, *mean[sure]])
    mean, spread = mean[~sure], spread[~sure]
    if not len(mean):
        return best
    start = max(best, (mean - 8 * spread).min())
    grid = np.linspace(start, max(start, (mean + 8 * spread).max()) + 1e-9, 4_001)
    below = [[math.erfc((m - t) / s / math.sqrt(2)) / 2 for t in grid] for m, s in zip(mean, spread, strict=True)]
    return start + float(np.trapezoid(1 - np.prod(below, axis=0), grid))


def value_of(situation: Situation, added: tuple[int, ...]) -> float:
    """Of the first query: what the best of the answers in hand and those added is expected to be, less prices."""
    in_hand = situation.posterior.mean[0][situation.called[0]]
    best = float(in_hand.max()) if len(in_hand) else -math.inf
    columns = list(added)
    mean, spread = situation.posterior.mean[0, columns], situation.posterior.spread[0, columns]
    return exact_maximum(mean, spread, best) - float(situation.price[0, columns].sum())


@pytest.mark.parametrize("name", RULES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_a_rule_calls_only_a_model_that_may_be_called_and_never_stops_with_nothing(name: str, seed: int) -> None:
    situation = Situation(seed)

    columns = situation.asked(RULES[name])

    rows = np.flatnonzero(columns != STOP)
    assert situation.reach[rows, columns[rows]].all()
    bare = ~situation.called.any(axis=1) & situation.reach.any(axis=1)
    assert (columns[bare] != STOP).all()


@pytest.mark.parametrize("name", RULES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_a_choice_does_not_depend_on_the_other_queries_of_the_batch(name: str, seed: int) -> None:
    situation = Situation(seed)

    alone = [situation.take(np.array([row])).asked(RULES[name])[0] for row in range(8)]

    assert situation.asked(RULES[name]).tolist() == alone


@pytest.mark.parametrize("name", RULES)
def test_a_batch_larger_than_a_block_is_decided_like_its_parts(name: str) -> None:
    situation = Situation(0, n_queries=1_100)
    parts = [situation.take(rows) for rows in np.array_split(np.arange(1_100), 7)]

    assert situation.asked(RULES[name]).tolist() == [c for part in parts for c in part.asked(RULES[name])]


@pytest.mark.parametrize("name", RULES)
def test_an_empty_batch_is_decided_too(name: str) -> None:
    assert Situation(0, n_queries=0).asked(RULES[name]).shape == (0,)


@pytest.mark.parametrize("name", ["index", "greedy", "supermodels", "routing"])
def test_a_model_of_unknown_price_is_called_only_where_nothing_else_may_be(name: str) -> None:
    known = Posterior(np.array([[0.5, 0.9]] * 3), np.full((3, 2), 0.1))
    called, price = np.zeros((3, 2), dtype=bool), np.array([[0.01, math.nan]] * 3)
    called[2, 0] = True
    eligible = np.array([[True, True], [False, True], [True, True]])

    assert RULES[name](known, called, eligible, price).tolist() == [0, 1, STOP]


@pytest.mark.parametrize("name", ["index", "greedy", "supermodels", "routing"])
def test_with_one_model_left_a_cheap_promise_is_called_and_a_dear_one_is_not(name: str) -> None:
    posterior = Posterior(np.array([[0.5, 0.6]] * 2), np.array([[0.0, 0.2]] * 2))
    called, eligible = np.array([[True, False]] * 2), np.ones((2, 2), dtype=bool)

    columns = RULES[name](posterior, called, eligible, np.array([[0.0, 0.01], [0.0, 0.5]]))

    assert columns.tolist() == ([STOP, STOP] if name == "routing" else [1, STOP])


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_expected_maximum_is_the_integral_of_being_beaten(seed: int) -> None:
    random = np.random.default_rng(seed)
    mean, spread = random.random((1, 4)), random.random((1, 4)) * 0.4 + 0.01
    best = random.choice([-math.inf, random.random()])

    found = expected_maximum(mean, spread, np.array([best]))[0]

    assert found == pytest.approx(exact_maximum(mean[0], spread[0], best), abs=2e-5)


def test_the_expected_maximum_is_that_of_draws() -> None:
    random = np.random.default_rng(0)
    mean, spread, best = np.array([[0.4, 0.5, 0.6]]), np.array([[0.3, 0.0, 0.1]]), np.array([0.55])
    draws = np.maximum(mean + spread * random.standard_normal((200_000, 3)), best).max(axis=1)

    error = draws.std() / math.sqrt(len(draws))

    assert expected_maximum(mean, spread, best)[0] == pytest.approx(draws.mean(), abs=4 * error)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_cascade_routing_calls_a_model_of_the_best_of_all_sets(seed: int) -> None:
    situation = Situation(seed, n_queries=1)
    reach = np.flatnonzero(situation.reach[0]).tolist()
    sets = [s for size in range(len(reach) + 1) for s in itertools.combinations(reach, size)]
    sets = [s for s in sets if s or situation.called.any() or not reach]
    values = {s: value_of(situation, s) for s in sets}

    column = int(situation.asked(Supermodels())[0])

    good = [s for s in sets if values[s] >= max(values.values()) - TOLERANCE]
    assert any(column in s or (column == STOP and not s) for s in good)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_chain_goes_on_if_some_prefix_of_what_is_left_pays(seed: int) -> None:
    situation = Situation(seed, n_queries=1)
    left = [column for column in ORDER if situation.reach[0, column]]
    values = [value_of(situation, tuple(left[:length])) for length in range(1, len(left) + 1)]
    stopping = value_of(situation, ()) if situation.called.any() else -math.inf

    column = int(situation.asked(Chain(ORDER))[0])

    best = max(values, default=-math.inf)
    expected = left[0] if left and best > stopping else STOP
    assert column == expected or abs(best - stopping) < TOLERANCE


@given(st.integers(0, 10_000))
def test_routing_is_the_best_single_call_and_never_a_second(seed: int) -> None:
    situation = Situation(seed, answered=0.1)

    columns = situation.asked(Routing())

    value = np.where(situation.eligible, situation.posterior.mean - situation.price, -np.inf)
    first = np.where(situation.eligible.any(axis=1), value.argmax(axis=1), STOP)
    assert columns.tolist() == np.where(situation.called.any(axis=1), STOP, first).tolist()


def test_routing_breaks_a_tie_for_the_cheaper_model() -> None:
    posterior = Posterior(np.array([[0.75, 0.5]]), np.zeros((1, 2)))
    nobody = np.zeros((1, 2), dtype=bool)

    assert Routing()(posterior, nobody, ~nobody, np.array([[0.5, 0.25]])).tolist() == [1]


def test_one_step_ahead_misses_what_pays_only_with_a_later_answer_and_the_index_does_not() -> None:
    # A sure 0.5 is the best single call; a cheap gamble before it is worth its price only if one may fall back on it.
    posterior = Posterior(np.array([[0.5, 0.4]]), np.array([[0.0, 0.3]]))
    nobody, price = np.zeros((1, 2), dtype=bool), np.array([[0.05, 0.001]])

    assert Index()(posterior, nobody, ~nobody, price).tolist() == [1]
    assert Greedy()(posterior, nobody, ~nobody, price).tolist() == [0]


def test_a_set_holds_at_most_max_depth_models_those_called_included() -> None:
    posterior = Posterior(np.array([[0.5, 0.6, 0.6]]), np.array([[0.0, 0.3, 0.3]]))
    called, price = np.array([[True, False, False]]), np.full((1, 3), 1e-3)

    assert Supermodels(max_depth=1)(posterior, called, ~called | True, price).tolist() == [STOP]
    assert Supermodels(max_depth=2)(posterior, called, ~called | True, price).tolist() != [STOP]


def test_a_threshold_cascade_accepts_the_last_called_models_answer_from_its_own_threshold() -> None:
    rule = Threshold((2, 0, 1), (0.5, 0.9))
    mean = np.array([[0.9, 0.9, 0.5], [0.9, 0.9, 0.4], [0.8, 0.9, 0.4], [0.9, 0.1, 0.4], [0.1, 0.1, 0.1]])
    called = np.array([[0, 0, 1], [0, 0, 1], [1, 0, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)

    columns = rule(Posterior(mean, np.zeros((5, 3))), called, np.ones((5, 3), dtype=bool), np.zeros((5, 3)))

    assert columns.tolist() == [STOP, 0, 1, STOP, STOP]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Threshold((0, 1), ()),
        lambda: Threshold((0, 0), (0.5,)),
        lambda: Chain(()),
        lambda: Chain((-1, 0)),
        lambda: Supermodels(max_depth=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make) -> None:
    with pytest.raises(ConfigError, match=r"must (name|hold|be)"):
        make()
