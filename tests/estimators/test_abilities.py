"""Abilities: what places a model between the anchors when nothing, little or much is known of it."""

from decimal import Decimal

import numpy as np
import pytest

from switchpoint.estimators.abilities import MIN_OUTCOMES, Ability, fit_ability, known_ability, stated_abilities
from switchpoint.estimators.logistic import sigmoid
from tests.estimators.conftest import make_model


def priced(name: str, usd: str) -> object:
    return make_model(name, input_usd_per_mtok=Decimal(usd), output_usd_per_mtok=Decimal(usd))


def simulate(value: float, shift: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    anchors = random.standard_normal((n, 2)) + np.array([0.0, 1.5])
    truth = (1 - value) * anchors[:, 0] + value * anchors[:, 1] + shift
    return anchors, (random.random(n) < sigmoid(truth)).astype(float)


def test_a_stated_tier_wins() -> None:
    (found,) = stated_abilities([make_model("gpt-4-1106-preview", tier="mid")])

    assert (found.value, found.source) == (0.5, "tier")


@pytest.mark.parametrize(
    ("name", "ability"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", 0.0),
        ("gpt-4-1106-preview", 1.0),
        ("openai/gpt-4-1106-preview", 1.0),
        ("gpt-4o", None),
    ],
)
def test_the_anchors_are_known_by_name(name: str, ability: float | None) -> None:
    assert known_ability(name) == ability


def test_prices_place_a_model_between_the_cheapest_and_the_dearest() -> None:
    found = stated_abilities([priced("a", "0.1"), priced("b", "1"), priced("c", "10")])

    assert [a.value for a in found] == pytest.approx([0, 0.5, 1])
    assert {a.source for a in found} == {"price"}


def test_a_free_model_is_the_least_able() -> None:
    found = stated_abilities([priced("free", "0"), priced("b", "1"), priced("c", "10")])

    assert [a.value for a in found] == pytest.approx([0, 0, 1])


def test_a_model_with_nothing_to_compare_stands_in_the_middle() -> None:
    (alone,) = stated_abilities([priced("only", "1")])

    assert (alone.value, alone.source) == (0.5, "unknown")


@pytest.mark.parametrize(("value", "shift"), [(0.2, 0.0), (0.9, 0.0), (1.3, -0.5)])
def test_many_outcomes_find_the_ability(value: float, shift: float) -> None:
    prior = Ability(model="m", value=0.5, source="unknown")

    found = fit_ability(prior, *simulate(value, shift, 20_000))

    assert found.value == pytest.approx(value, abs=0.1)
    assert found.shift == pytest.approx(shift, abs=0.1)
    assert found.source == "outcomes"


def test_a_few_outcomes_move_it_only_a_little() -> None:
    prior = Ability(model="m", value=0.5, source="price")

    found = fit_ability(prior, *simulate(1.0, 0.0, 8))

    assert found.value == pytest.approx(0.5, abs=0.4)


def test_too_few_outcomes_do_not_count() -> None:
    prior = Ability(model="m", value=0.5, source="price")
    anchors, quality = simulate(1.0, 0.0, MIN_OUTCOMES - 1)

    assert fit_ability(prior, anchors, quality) is prior
