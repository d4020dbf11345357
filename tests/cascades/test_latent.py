"""Latent: one model of answers before and after they are there, in which agreement proves as much as it did."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from switchpoint.cascades import latent
from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING, Evidence
from switchpoint.cascades.latent import OPEN, RIGHT, Latent, fit, gold_of
from tests.cascades.toys import NAMES, SHARED_ERRORS, belief, drawn, evidence, to_come

SEEDS = st.integers(0, 10_000)
OPTIONS = st.sampled_from([2, 4, OPEN])
SAID = st.lists(st.sampled_from([NOT_CALLED, SAYS_NOTHING, 0, 1]), min_size=3, max_size=3)
SCORES = st.lists(st.sampled_from([np.nan, 0.1, 0.9]), min_size=3, max_size=3)


class TestWhatIsBelievedBeforeAnAnswer:
    @given(seed=SEEDS, n_options=OPTIONS, said=SAID, score=SCORES, column=st.integers(0, 2), scored=st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_is_the_mean_of_what_will_be_believed_after_it(self, seed, n_options, said, score, column, scored) -> None:
        known = belief(seed, n_options=n_options, n_bins=2)
        assume(said[column] == NOT_CALLED)
        seen = evidence(said, [s if said[m] >= 0 else np.nan for m, s in enumerate(score)])
        assume(n_options < OPEN or 1 not in said or 0 in said)  # open answers are numbered from 0

        after, chance = zip(*to_come(known, seen, column, scored), strict=True)
        mean = sum(p * known.posterior(None, each).mean for each, p in zip(after, chance, strict=True))

        assert sum(chance) == pytest.approx(1.0)
        np.testing.assert_allclose(mean, known.posterior(None, seen).mean, atol=1e-9)

    @given(seed=SEEDS, n_options=OPTIONS, said=SAID, column=st.integers(0, 2), scored=st.booleans())
    @settings(max_examples=60, deadline=None)
    def test_will_move_as_far_as_its_spread_says(self, seed, n_options, said, column, scored) -> None:
        known = belief(seed, n_options=n_options, n_bins=2 if scored else 1)
        assume(said[column] == NOT_CALLED)
        assume(n_options < OPEN or 1 not in said or 0 in said)
        seen = evidence(said, [np.nan] * 3)
        before = known.posterior(None, seen)

        after, chance = zip(*to_come(known, seen, column, scored), strict=True)
        means = np.array([known.posterior(None, each).mean[0, column] for each in after])
        variance = float(np.array(chance) @ (means - before.mean[0, column]) ** 2)

        assert before.spread[0, column] == pytest.approx(np.sqrt(variance), abs=2e-3)

    @given(seed=SEEDS, n_options=OPTIONS, said=SAID)
    @settings(max_examples=40, deadline=None)
    def test_is_a_probability_that_moves_no_more_once_the_answer_is_there(self, seed, n_options, said) -> None:
        found = belief(seed, n_options=n_options).posterior(None, evidence(said))

        assert ((found.mean >= 0) & (found.mean <= 1)).all()
        assert (found.spread[0, np.array(said) != NOT_CALLED] == 0).all()

    def test_with_nothing_in_hand_is_how_often_a_model_is_right(self) -> None:
        mean = SHARED_ERRORS.posterior(None, evidence([NOT_CALLED] * 3)).mean[0]

        np.testing.assert_allclose(mean, SHARED_ERRORS.role[:, :, 0, RIGHT] @ SHARED_ERRORS.share)


class TestAgreement:
    def test_makes_both_answers_likelier_and_disagreement_makes_both_less_likely(self) -> None:
        alone, agreed, differ = (
            SHARED_ERRORS.posterior(None, evidence(said)).mean[0]
            for said in ([0, NOT_CALLED, NOT_CALLED], [0, 0, NOT_CALLED], [0, 1, NOT_CALLED])
        )

        assert differ[0] < alone[0] < agreed[0]
        assert agreed[0] == pytest.approx(agreed[1])

    def test_of_an_answer_that_says_nothing_there_is_none(self) -> None:
        mean = SHARED_ERRORS.posterior(None, evidence([SAYS_NOTHING, SAYS_NOTHING, 0])).mean[0]

        assert mean[0] == mean[1] == 0.0
        assert mean[2] > 0.5

    @given(seed=SEEDS, names=st.permutations(range(4)), said=SAID)
    @settings(max_examples=40, deadline=None)
    def test_is_all_that_matters_of_answers_whatever_they_are_called(self, seed, names, said) -> None:
        known = belief(seed, n_options=4)
        renamed = [names[label] if label >= 0 else label for label in said]

        found, again = (known.posterior(None, evidence(each)).mean for each in (said, renamed))

        np.testing.assert_allclose(found, again)


@given(seed=SEEDS, score=st.sampled_from([0.1, 0.9]))
@settings(max_examples=30, deadline=None)
def test_a_score_moves_a_belief_by_the_ratio_of_its_bin(seed: int, score: float) -> None:
    known = belief(seed, n_options=4, n_bins=2)
    before, after = (
        known.posterior(None, evidence([0, NOT_CALLED, NOT_CALLED], [s, np.nan, np.nan])).mean[0, 0]
        for s in (np.nan, score)
    )
    wrong, right = known.score[0, :, int(score > 0.5)]

    assert after / (1 - after) == pytest.approx(before / (1 - before) * right / wrong)


def test_of_two_options_it_matters_which_one_a_model_favours() -> None:
    yes_sayer = belief(0, n_models=1, n_options=2, n_classes=1)
    yes_sayer = replace(yes_sayer, role=np.array([[[[0.95, 0.05, 0.0, 0.0], [0.40, 0.60, 0.0, 0.0]]]]))

    yes, no = (yes_sayer.posterior(None, evidence([said])).mean[0, 0] for said in (0, 1))

    assert yes == pytest.approx(0.95 / (0.95 + 0.60))
    assert no == pytest.approx(0.40 / (0.40 + 0.05))


class TestOpenOptions:
    @given(seed=SEEDS, said=st.sampled_from([[0, 1, 2], [0, 0, 1], [0, SAYS_NOTHING, NOT_CALLED], [0, 1, 0]]))
    @settings(max_examples=40, deadline=None)
    def test_that_are_few_equal_the_listing_of_all_of_them(self, seed: int, said: list[int]) -> None:
        known = belief(seed, n_options=6)
        listed = by_listing(known, said)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(latent, "OPEN", 6)
            found = known.posterior(None, evidence(said)).mean[0]
            log_evidence = known.weights(evidence(said)).log_evidence[0]

        np.testing.assert_allclose(found, listed[0])
        assert np.exp(log_evidence) == pytest.approx(listed[1])

    def test_let_two_queries_of_one_batch_have_said_more_and_less(self) -> None:
        known = belief(3)
        several = Evidence(np.array([[0, 1, 2], [0, 0, 0]]), np.full((2, 3), np.nan))

        whole = known.posterior(None, several).mean

        alone = [known.posterior(None, several.take(np.array([row]))).mean[0] for row in range(2)]
        np.testing.assert_allclose(whole, alone)


def by_listing(known: Latent, said: list[int]) -> tuple[np.ndarray, float]:
    """Return who is right how probably, and the sum over every (class, gold, distractor), from the definition."""
    n, right, total = known.n_options, np.zeros(len(said)), 0.0
    for k, gold, tempting in product(range(len(known.share)), range(n), range(n)):
        weight = known.share[k] * (gold != tempting)
        for model, answer in enumerate(said):
            able, tempted, other, nothing = known.role[model, k, 0]
            elsewhere = other / (n - 2)
            by_answer = {NOT_CALLED: 1.0, SAYS_NOTHING: nothing, gold: able, tempting: tempted}
            weight *= by_answer.get(answer, elsewhere)
        total += weight
        ahead = known.role[:, k, 0, RIGHT]
        right += weight * np.where(np.array(said) == NOT_CALLED, ahead, np.array(said) == gold)
    return right / total, total


class TestFit:
    def test_finds_the_belief_that_answers_were_drawn_from(self) -> None:
        found = fit(NAMES, *drawn(SHARED_ERRORS, 3_000), n_options=4, n_classes=2, n_bins=2)

        np.testing.assert_allclose(found.share, SHARED_ERRORS.share, atol=0.1)
        np.testing.assert_allclose(found.role[..., RIGHT], SHARED_ERRORS.role[..., RIGHT], atol=0.1)
        np.testing.assert_allclose(found.score, SHARED_ERRORS.score, atol=0.08)
        new, _ = drawn(SHARED_ERRORS, 500, seed=1)
        cheap = new.only(np.broadcast_to([True, True, False], new.score.shape))
        apart = found.posterior(None, cheap).mean - SHARED_ERRORS.posterior(None, cheap).mean
        assert np.abs(apart).mean() < 0.02

    @pytest.mark.parametrize("n_options", [4, OPEN])
    def test_of_one_class_takes_shared_errors_for_proof_and_of_several_does_not(self, n_options: int) -> None:
        (seen, right), (new, truth) = drawn(SHARED_ERRORS, 2_000), drawn(SHARED_ERRORS, 1_000, seed=1)
        unscored = Evidence(seen.conclusion, np.full(right.shape, np.nan))
        cheap = Evidence(new.conclusion, np.full(truth.shape, np.nan)).only(np.broadcast_to([1, 1, 0], truth.shape) > 0)
        agreed = (new.conclusion[:, 0] == new.conclusion[:, 1]) & (new.conclusion[:, 0] >= 0)

        one, several = (
            fit(NAMES, unscored, right, n_options, n_classes=n).posterior(None, cheap).mean[agreed, 0].mean()
            for n in (1, 3)
        )

        assert one > truth[agreed, 0].mean() + 0.03
        assert several == pytest.approx(truth[agreed, 0].mean(), abs=0.02)

    def test_puts_the_easiest_class_first_and_gives_the_same_again(self) -> None:
        seen, right = drawn(SHARED_ERRORS, 400)

        one, again = (fit(NAMES, seen, right, n_options=4) for _ in range(2))

        able = one.role[..., RIGHT].mean(axis=(0, 2))
        assert (np.diff(able) <= 0).all()
        np.testing.assert_array_equal(one.role, again.role)

    def test_keeps_every_probability_above_zero_where_a_model_was_always_right(self) -> None:
        seen = Evidence(np.zeros((40, 2), dtype=int), np.full((40, 2), np.nan))

        found = fit(NAMES[:2], seen, np.ones((40, 2), dtype=bool))

        assert (found.role > 0).all()
        assert found.posterior(None, evidence([0, 1])).mean[0].max() < 1


def test_the_gold_option_is_what_most_right_answers_say_and_nobodys_where_none_is_right() -> None:
    said = np.array([[0, 1, 1], [0, 1, 2], [SAYS_NOTHING, 0, 0]])
    right = np.array([[True, True, True], [False, False, False], [False, True, False]])

    assert gold_of(said, right).tolist() == [1, SAYS_NOTHING, 0]
