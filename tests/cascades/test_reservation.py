"""Reservation values: the answer in hand at which one more is worth just its price."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.cascades.normal import HIGHEST, cdf, excess, inverse_excess, log_excess
from switchpoint.cascades.reservation import bernoulli, expected_gain, finite, gaussian

shares = st.floats(0, 1, allow_subnormal=False)
prices = st.floats(0, 10, allow_subnormal=False)


def one(number: float) -> np.ndarray:
    return np.array([number])


def exact_excess(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) - z * math.erfc(z / math.sqrt(2)) / 2


@given(st.floats(-40, 5))
def test_the_excess_is_that_of_the_textbook_formula(z: float) -> None:
    assert excess(one(z))[0] == pytest.approx(exact_excess(z), rel=2e-6)


def test_where_the_textbook_formula_has_no_digits_left_the_excess_is_between_the_known_bounds() -> None:
    z = np.linspace(5, HIGHEST, 500)
    log_density = -z * z / 2 - math.log(2 * math.pi) / 2

    excess_by_density = np.exp(log_excess(z) - log_density)

    assert (excess_by_density < 1 / z**2).all()
    assert (excess_by_density > 1 / z**2 - 3 / z**4).all()


def test_the_inverse_is_right_to_a_millionth_over_the_whole_range_of_numbers() -> None:
    z = np.linspace(-50, HIGHEST - 1, 100_000)
    near = z > -5
    gain = np.where(near, np.exp(log_excess(np.where(near, z, -5))), -z)

    assert np.abs(inverse_excess(gain) - z).max() < 1e-6


@given(st.floats(-9, 9))
def test_the_distribution_function_is_right_to_a_ten_millionth(z: float) -> None:
    assert cdf(one(z))[0] == pytest.approx(math.erfc(-z / math.sqrt(2)) / 2, abs=1e-7)


@given(shares, st.floats(1e-6, 1), st.floats(1e-9, 10))
def test_at_the_reservation_value_a_normal_answer_adds_just_its_price(mean: float, spread: float, price: float) -> None:
    r = gaussian(one(mean), one(spread), one(price))

    assert expected_gain(one(mean), one(spread), r)[0] == pytest.approx(price, rel=1e-4, abs=1e-9)


@given(shares, shares, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_price_never_raises_a_reservation_value(mean: float, spread: float, a: float, b: float) -> None:
    for law in (gaussian, bernoulli):
        r = law(one(mean), one(spread), np.array([min(a, b), max(a, b)]))
        assert r[1] <= r[0] + 1e-6


@pytest.mark.parametrize(
    ("mean", "spread", "price", "expected"),
    [
        (0.6, 0.0, 0.2, 0.4),
        (0.6, 0.0, 0.0, 0.6),
        (0.6, 0.1, 0.0, math.inf),
        (0.6, 0.1, 1e6, 0.6 - 1e6),
        (0.6, 0.1, math.inf, -math.inf),
        (0.6, 1e-320, 0.2, 0.4),
        (0.5, 1.0, 1 / math.sqrt(2 * math.pi), 0.5),
    ],
)
def test_the_limits_of_the_normal_law(mean: float, spread: float, price: float, expected: float) -> None:
    assert gaussian(one(mean), one(spread), one(price))[0] == pytest.approx(expected, abs=1e-6)


def test_what_is_unknown_stays_unknown() -> None:
    for law in (gaussian, bernoulli):
        assert np.isnan(law(one(0.5), one(0.1), one(math.nan))[0])
        assert np.isnan(law(one(math.nan), one(0.1), one(0.1))[0])


def test_a_perfect_verifier_orders_models_by_price_over_probability() -> None:
    r = bernoulli(np.array([0.5, 0.8, 0.1]), np.zeros(3), np.array([0.1, 0.1, 0.2]))

    assert r == pytest.approx([0.8, 0.875, -0.1])


@given(shares, prices)
def test_a_right_or_wrong_answer_is_a_law_of_two_values(probability: float, price: float) -> None:
    two = finite(np.array([0.0, 1.0]), np.array([1 - probability, probability]), np.array(price))

    assert bernoulli(one(probability), one(0), one(price))[0] == pytest.approx(float(two), rel=1e-6, abs=1e-6)


@given(st.lists(st.tuples(shares, st.floats(0.01, 1)), min_size=1, max_size=6), st.floats(1e-6, 2))
def test_at_the_reservation_value_a_finite_law_adds_just_its_price(
    law: list[tuple[float, float]], price: float
) -> None:
    values, weights = np.array(law).T
    probability = weights / weights.sum()

    r = float(finite(values, probability, np.array(price)))

    assert (probability * np.maximum(values - r, 0)).sum() == pytest.approx(price, rel=1e-9, abs=1e-12)


def test_an_impossible_value_is_not_hoped_for() -> None:
    assert finite(np.array([[0.9, 0.4]]), np.array([[0.0, 1.0]]), np.array([0.0])) == pytest.approx([0.4])
