"""Speculative cascades: which of two next-token distributions is followed, and how its mixture is sampled."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from switchpoint.cascades.speculative import (
    DEFERRALS,
    acceptance,
    always,
    chow,
    chunk_evidence,
    difference,
    distance,
    good_prefix,
    log_loss_optimal,
    optimal,
    residual,
    target,
    token_v3,
)
from switchpoint.core.errors import DataError

WHOLE = ("always", "chow", "difference", "optimal", "log_loss_difference", "log_loss_optimal")


@st.composite
def distributions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    weights = draw(arrays(float, (2, 3, 5), elements=st.integers(0, 5).map(float)))
    weights[..., 0] += 0.5
    draft, strong = weights / weights.sum(axis=-1, keepdims=True)
    return draft, strong


@pytest.mark.parametrize("name", DEFERRALS)
@given(pair=distributions(), alpha=st.floats(0, 1))
def test_accepting_and_resampling_draws_from_the_target_exactly(name: str, pair: tuple, alpha: float) -> None:
    draft, strong = pair
    aim = target(draft, strong, DEFERRALS[name](draft, strong, alpha))

    kept = draft * acceptance(draft, aim)
    rejected = 1 - kept.sum(axis=-1, keepdims=True)

    assert aim.sum(axis=-1) == pytest.approx(np.ones(3))
    assert kept + rejected * residual(draft, aim) == pytest.approx(aim)


@pytest.mark.parametrize("name", DEFERRALS)
@given(pair=distributions(), alphas=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_larger_alpha_never_defers_more(name: str, pair: tuple, alphas: tuple[float, float]) -> None:
    less, more = (DEFERRALS[name](*pair, alpha) for alpha in sorted(alphas))

    assert (more <= less).all()


@pytest.mark.parametrize("name", WHOLE)
@given(pair=distributions())
def test_a_rule_for_whole_positions_follows_one_of_the_two(name: str, pair: tuple) -> None:
    draft, strong = pair
    defer = DEFERRALS[name](draft, strong, 0.2)

    assert target(draft, strong, defer) == pytest.approx(np.where(defer == 1, strong, draft))


@given(distributions())
def test_a_draft_is_rejected_as_often_as_the_two_differ(pair: tuple) -> None:
    draft, strong = pair
    aim = target(draft, strong, always(draft, strong, 0))

    rejected = 1 - (draft * acceptance(draft, aim)).sum(axis=-1)

    assert rejected == pytest.approx(distance(draft, strong))


def test_the_rules_differ_where_they_should() -> None:
    sure, surer, flat = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.85, 0.05]), np.array([0.4, 0.3, 0.3])

    assert chow(flat, sure, 0.5) == [1.0]
    assert chow(sure, surer, 0.5) == [0.0]
    assert difference(sure, surer, 0.1) == [1.0]
    # The two disagree: D_TV is 0.65, so deferring would mostly reject the draft.
    assert optimal(sure, surer, 0.3) == [0.0]
    assert log_loss_optimal(flat, surer, 0.1) == [1.0]
    assert token_v3(flat, sure, 0.5).tolist() == [0.0, 1.0, 1.0]


def test_a_token_specific_rule_passes_on_the_mass_of_the_tokens_it_defers() -> None:
    draft, strong = np.array([0.5, 0.3, 0.2]), np.array([0.8, 0.2, 0.0])

    aim = target(draft, strong, token_v3(draft, strong, 0.5))

    assert aim == pytest.approx([0.5 + 0.8 * 0.5, 0.2 * 0.5, 0.0])


def test_a_chunk_is_summed_up_by_mean_low_end_and_agreement() -> None:
    logprobs = np.log([0.9, 0.5, 0.1, 0.8])

    chunk = chunk_evidence(logprobs, np.log([0.9, 0.5, 0.6, 0.8]), quantile=0.0)

    assert chunk == pytest.approx((float(logprobs.mean()), math.log(0.1), 0.75))
    assert math.isnan(chunk_evidence(logprobs).agreement)


@pytest.mark.parametrize(("floor", "length"), [(0.05, 4), (0.3, 2), (0.95, 0)])
def test_a_draft_is_good_up_to_the_first_token_below_the_floor(floor: float, length: int) -> None:
    assert good_prefix(np.log([0.9, 0.5, 0.1, 0.8]), math.log(floor)) == length


def test_an_unknown_log_probability_ends_the_good_prefix() -> None:
    assert good_prefix(np.array([-0.1, math.nan, -0.1]), -5.0) == 1


@pytest.mark.parametrize(("logprobs", "best"), [([], None), ([-1.0, math.nan], None), ([-1.0, -2.0], [-1.0])])
def test_a_chunk_without_usable_log_probabilities_is_refused(logprobs: list, best: list | None) -> None:
    with pytest.raises(DataError):
        chunk_evidence(np.array(logprobs), None if best is None else np.array(best))
