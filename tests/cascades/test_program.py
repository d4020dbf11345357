"""Program: the best of all plans, found once for all states, and looked up."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades import program
from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence
from switchpoint.cascades.latent import OPEN, Latent
from switchpoint.cascades.program import Program, build
from switchpoint.cascades.rules import STOP
from switchpoint.core.errors import ConfigError
from tests.cascades.toys import SHARED_ERRORS, belief, drawn, evidence, to_come

UNSCORED = replace(SHARED_ERRORS, edges=np.empty(0), score=np.ones((3, 2, 1)))

SEEDS = st.integers(0, 10_000)
PRICES = st.lists(st.floats(0, 0.5), min_size=3, max_size=3)
SMALL = st.sampled_from([(2, 2, 2), (2, 3, 2), (2, OPEN, 2), (3, 2, 1), (3, 3, 1), (3, OPEN, 1)])
"""Models, options, and bins of the first model's scores."""


def best_plan(known: Latent, price: np.ndarray, n_models: int, scored: list[bool]) -> float:
    """Return the value of the best of all plans by trying, after every answer, everybody that is left."""

    @cache
    def value(said: tuple[int, ...], score: tuple[float, ...]) -> float:
        seen = evidence(list(said), list(score))
        waiting = [m for m in range(n_models) if said[m] == NOT_CALLED]
        mean = known.posterior(None, seen).mean[0]
        stop = max((mean[m] for m in range(n_models) if said[m] != NOT_CALLED), default=-np.inf)
        return max([stop, *(asked(seen, m) for m in waiting)])

    def asked(seen: Evidence, model: int) -> float:
        after = to_come(known, seen, model, scored[model])
        return sum(p * value(tuple(e.conclusion[0]), tuple(e.score[0])) for e, p in after if p > 0) - price[model]

    # One object for every unknown score, since NaN is found in a cache by identity alone.
    unknown = np.full(n_models, np.nan)
    return value((NOT_CALLED,) * n_models, tuple(unknown))


def worth(made: Program, price: np.ndarray) -> float:
    """Return the expected value of following the program's own actions."""
    action = made.actions(price[None])[:, 0]

    def value(state: int) -> float:
        model = action[state]
        if model == STOP:
            return float(made.best[state])
        chance, child = made.chance[state, model], made.child[state, model]
        return float(sum(p * value(c) for p, c in zip(chance, child, strict=True) if p > 0) - price[model])

    return value(made.state([NOT_CALLED] * len(made.columns)))


class TestTheBestPlan:
    @given(seed=SEEDS, prices=PRICES, size=SMALL)
    @settings(max_examples=25, deadline=None)
    def test_is_worth_as_much_as_the_best_of_all_plans(self, seed, prices, size) -> None:
        n_models, n_options, n_bins = size
        known = belief(seed, n_models=n_models, n_options=n_options, n_bins=n_bins)
        price, scored = np.array(prices[:n_models]), [n_bins > 1, *[False] * (n_models - 1)]

        found = worth(build(known, range(n_models), scored), price)

        assert found == pytest.approx(best_plan(known, price, n_models, scored), abs=1e-6)

    def test_asks_everybody_for_nothing_and_only_the_cheapest_at_any_price(self) -> None:
        made = build(UNSCORED, range(3))

        free, dear = made.actions(np.array([[0.0, 0.0, 0.0], [5.0, 6.0, 7.0]])).T

        assert dear[0] == 0 and (dear[1:] == STOP).all()
        assert free[0] != STOP

    @given(seed=SEEDS, prices=PRICES, more=st.floats(1, 10))
    @settings(max_examples=25, deadline=None)
    def test_is_worth_less_the_more_calls_cost(self, seed, prices, more) -> None:
        made = build(belief(seed), range(3))

        assert worth(made, np.array(prices) * more) <= worth(made, np.array(prices)) + 1e-9

    @given(seed=SEEDS, prices=PRICES, blocked=st.sets(st.integers(0, 2)))
    @settings(max_examples=25, deadline=None)
    def test_asks_nobody_who_must_not_be_asked(self, seed, prices, blocked) -> None:
        price = np.array([[np.inf if m in blocked else p for m, p in enumerate(prices)]])
        made = build(belief(seed), range(3))

        found = made.actions(price)

        assert not np.isin(found, list(blocked)).any()
        assert (found[0] == STOP).all() == (len(blocked) == 3)


class TestStates:
    def test_do_not_tell_answers_apart_by_what_they_say(self) -> None:
        made = build(UNSCORED, range(3))

        assert made.state([2, 2, 1]) == made.state([0, 0, 3]) != made.state([0, 1, 1])

    def test_tell_two_options_apart(self) -> None:
        made = build(belief(0, n_options=2), range(3))

        assert made.state([0, 0, 1]) != made.state([1, 1, 0])

    @given(seed=SEEDS, n_options=st.sampled_from([2, 4, OPEN]))
    @settings(max_examples=20, deadline=None)
    def test_lead_to_others_by_chances_that_sum_to_one(self, seed, n_options) -> None:
        made = build(belief(seed, n_options=n_options, n_bins=2), range(3), [True, False, False])

        total = made.chance.sum(axis=2)

        assert made.depth.max() == 3
        waiting = np.array([[code == NOT_CALLED for code in state] for state in made.number])
        np.testing.assert_allclose(total[waiting], 1.0)
        assert (total[~waiting] == 0).all()

    def test_that_are_too_many_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(program, "MAX_STATES", 20)

        with pytest.raises(ConfigError, match="3 models has over 20 states. Name fewer"):
            build(belief(0), range(3))

    def test_know_whose_answer_is_the_likeliest(self) -> None:
        made = build(UNSCORED, range(3))

        assert made.pick[made.state([0, 1, 1])] in (1, 2)
        assert made.pick[made.state([SAYS_NOTHING, NOT_CALLED, 0])] == 2
        assert made.best[made.state([NOT_CALLED] * 3)] == -np.inf


class TestPlay:
    def test_stops_where_the_cheap_ones_agree_and_asks_the_strong_one_where_they_do_not(self) -> None:
        made = build(UNSCORED, range(3))
        agree, differ = [1, 1, 0], [0, 1, 1]
        seen = Evidence(np.array([agree, differ]), np.full((2, 3), np.nan))

        played = made.play(seen, made.actions(np.array([[0.001, 0.002, 0.3]])))

        assert played.called[:, 0].tolist() == [[True, True, False], [True, True, True]]
        assert played.given[1, 0] in (1, 2)

    @given(seed=SEEDS, prices=PRICES, n_options=st.sampled_from([3, 4]))
    @settings(max_examples=20, deadline=None)
    def test_is_following_the_table_from_what_is_known_at_each_step(self, seed, prices, n_options) -> None:
        known = belief(seed, n_options=n_options, n_bins=2)
        made = build(known, [2, 0, 1], [True, False, False])
        seen, _ = drawn(known, 25, seed)
        action = made.actions(np.array([prices]))

        played = made.play(seen, action)

        by_hand = [followed(made, seen.take(np.array([row])), action[:, 0]) for row in range(25)]
        assert [(c.tolist(), g) for c, g in zip(played.called[:, 0], played.given[:, 0], strict=True)] == by_hand


def followed(made: Program, whole: Evidence, action: np.ndarray) -> tuple[list[bool], int]:
    """Ask, look only at what was asked, and look the next step up, until it is to stop."""
    asked: list[int] = []
    while True:
        told = np.isin(np.arange(3), [made.columns[column] for column in asked])
        state = made.state(made.read(whole.only(told[None]))[0])
        if action[state] == STOP:
            return [column in asked for column in range(3)], int(made.pick[state])
        asked.append(int(action[state]))
