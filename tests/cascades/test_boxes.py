"""Boxes: the exact best policy on small cases, as the check of every rule."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.cascades.boxes import Boxes, best_net_value, net_value
from switchpoint.cascades.reservation import bernoulli
from switchpoint.cascades.rules import Chain, Greedy, Index, Routing, Rule, Supermodels
from switchpoint.core.errors import DataError

tenths = st.integers(0, 10).map(lambda number: number / 10)


@st.composite
def any_boxes(draw: st.DrawFn, most: int = 4, kinds: st.SearchStrategy[float] = tenths) -> Boxes:
    n_boxes, n_values = draw(st.integers(1, most)), draw(st.integers(1, 3))
    table = st.lists(st.lists(kinds, min_size=n_values, max_size=n_values), min_size=n_boxes, max_size=n_boxes)
    weights = np.array(draw(table)) + 0.05
    price = draw(st.lists(st.floats(0, 0.5), min_size=n_boxes, max_size=n_boxes))
    values = np.array(draw(table), dtype=float)
    return Boxes(values=values, probability=weights / weights.sum(axis=1, keepdims=True), price=np.array(price))


@st.composite
def right_or_wrong(draw: st.DrawFn) -> Boxes:
    right = np.array(draw(st.lists(st.floats(0.05, 0.95), min_size=1, max_size=4)))
    price = draw(st.lists(st.floats(0, 0.5), min_size=len(right), max_size=len(right)))
    values = np.tile([0.0, 1.0], (len(right), 1))
    return Boxes(values=values, probability=np.column_stack([1 - right, right]), price=np.array(price))


def by_policies(boxes: Boxes) -> float:
    """The best of every order with every bar at which one stops: a set of policies that holds the best one.

    Without correlation the best policy keeps to one order, and before each box compares what is in hand with a bar.
    """
    n_boxes, n_values = boxes.values.shape
    drawn = np.array(list(itertools.product(range(n_values), repeat=n_boxes)))
    contents = boxes.values[np.arange(n_boxes), drawn]
    probability = boxes.probability[np.arange(n_boxes), drawn].prod(axis=1)
    bars = [*np.unique(boxes.values).tolist(), np.inf]
    plans = itertools.product(itertools.permutations(range(n_boxes)), itertools.product(bars, repeat=n_boxes - 1))
    return max(float(probability @ opened(contents, boxes.price, order, bar)) for order, bar in plans)


def opened(contents: np.ndarray, price: np.ndarray, order: tuple[int, ...], bars: tuple[float, ...]) -> np.ndarray:
    best = contents[:, order[0]]
    paid, going = np.full(len(contents), price[order[0]]), np.ones(len(contents), dtype=bool)
    for box, bar in zip(order[1:], bars, strict=True):
        going = going & (best < bar)
        paid = paid + going * price[box]
        best = np.where(going, np.maximum(best, contents[:, box]), best)
    return best - paid


@given(any_boxes(most=3))
@settings(max_examples=40, deadline=None)
def test_dynamic_programming_finds_the_best_of_all_orders_and_stopping_bars(boxes: Boxes) -> None:
    assert best_net_value(boxes) == pytest.approx(by_policies(boxes), abs=1e-9)


@given(any_boxes())
@settings(max_examples=150, deadline=None)
def test_the_index_rule_is_worth_what_dynamic_programming_finds(boxes: Boxes) -> None:
    assert net_value(boxes, Index(boxes.law)) == pytest.approx(best_net_value(boxes), abs=1e-9)


@given(right_or_wrong())
@settings(max_examples=60, deadline=None)
def test_after_a_perfect_verifier_the_index_rule_of_two_values_is_exact(boxes: Boxes) -> None:
    assert net_value(boxes, Index(bernoulli)) == pytest.approx(best_net_value(boxes), abs=1e-9)


@pytest.mark.parametrize("rule", [Index(), Greedy(), Supermodels(), Routing(), Chain((0, 1, 2, 3))], ids=str)
@given(seed=st.integers(0, 500))
@settings(max_examples=15, deadline=None)
def test_no_rule_is_worth_more_than_dynamic_programming(rule: Rule, seed: int) -> None:
    random = np.random.default_rng(seed)
    probability = random.dirichlet(np.ones(3), 4)
    boxes = Boxes(values=random.random((4, 3)), probability=probability, price=random.random(4) * 0.2)

    assert net_value(boxes, rule) <= best_net_value(boxes) + 1e-9


@given(any_boxes())
@settings(max_examples=40, deadline=None)
def test_routing_is_worth_the_best_single_box(boxes: Boxes) -> None:
    assert net_value(boxes, Routing()) == pytest.approx((boxes.mean - boxes.price).max(), abs=1e-9)


def test_a_single_box_is_opened_whatever_it_costs() -> None:
    boxes = Boxes(values=np.array([[0.2, 0.8]]), probability=np.array([[0.5, 0.5]]), price=np.array([2.0]))

    assert best_net_value(boxes) == pytest.approx(-1.5)


def test_of_weitzmans_two_projects_the_riskier_is_tried_first() -> None:
    # Weitzman 1979, his opening example without the discounting: 100 or 55 at 15, or 240 one time in five at 20.
    values = np.array([[100.0, 55.0], [240.0, 0.0]])
    probability, price = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([15.0, 20.0])
    boxes = Boxes(values=values, probability=probability, price=price)

    r = boxes.law(boxes.mean, boxes.spread, price)

    assert r == pytest.approx([70.0, 140.0])
    assert net_value(boxes, Index(boxes.law)) == pytest.approx(best_net_value(boxes)) == pytest.approx(78.0)


@pytest.mark.parametrize("shape", [(2, 2), (7, 2), (0, 2)])
def test_boxes_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    n_boxes = 3 if shape == (2, 2) else shape[0]

    with pytest.raises(DataError, match="fit|must be"):
        Boxes(values=np.zeros(shape), probability=np.zeros(shape), price=np.zeros(n_boxes))
