"""Training a cascade: what it learns of answers, whom it asks, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.evaluation.two_model import Pair
from switchpoint.learning.cascades import UNPRICED, Trained, train_cascade
from tests.cascades.toys import SCATTERED_ERRORS, toy

N_QUERIES = 240


@pytest.fixture(scope="module")
def rows() -> Outcomes:
    return toy(N_QUERIES, known=SCATTERED_ERRORS)[0]


@pytest.fixture(scope="module")
def trained(rows: Outcomes) -> Trained:
    return train_cascade(rows)


class TestWhatIsLearned:
    def test_is_to_ask_the_cheap_ones_in_turn_and_the_strong_one_last(self, trained: Trained) -> None:
        assert trained.plan.strong == "big" == trained.plan.models[-1]
        assert set(trained.plan.models) <= {"mini", "mid", "big"}
        assert trained.plan.reading.options == ("a", "b", "c", "d")

    def test_keeps_most_of_the_quality_for_less(self, trained: Trained, rows: Outcomes) -> None:
        at = trained.held_out.willingness_usd.searchsorted(trained.plan.willingness_usd)
        cost = trained.held_out.mean_cost_usd(rows)[at]
        quality = trained.held_out.mean_quality(rows)[at]

        assert trained.worth
        assert cost < 0.95 * rows.mean_cost_usd()[2]
        assert quality >= 0.95 * rows.mean_quality()[2]

    def test_is_the_same_again(self, trained: Trained, rows: Outcomes) -> None:
        again = train_cascade(rows)

        assert again.plan.models == trained.plan.models
        assert again.plan.willingness_usd == trained.plan.willingness_usd
        np.testing.assert_array_equal(again.plan.program.belief.role, trained.plan.program.belief.role)

    def test_is_worth_nothing_where_answers_do_not_differ(self, rows: Outcomes) -> None:
        alike = replace(rows, quality=np.ones(rows.quality.shape))

        assert not train_cascade(alike).worth

    def test_counts_calls_of_the_strong_model_where_no_cost_is_known(self, rows: Outcomes) -> None:
        found = train_cascade(replace(rows, cost_usd=np.full(rows.cost_usd.shape, np.nan)))

        assert not found.plan.priced
        assert found.plan.cost_usd.tolist() == pytest.approx([*[UNPRICED] * (len(found.plan.models) - 1), 1.0])

    def test_needs_no_cheap_model_to_be_there(self, rows: Outcomes) -> None:
        backwards = replace(rows, cost_usd=rows.cost_usd[:, ::-1].copy())

        found = train_cascade(backwards)

        assert found.plan.strong == "big" and not found.worth


class TestOutOfFold:
    def test_what_is_done_for_a_query_does_not_hang_on_its_own_labels(self, trained: Trained, rows: Outcomes) -> None:
        hard = np.flatnonzero(rows.quality.sum(axis=1) == 1)[:2]
        for row in hard:
            quality = rows.quality.copy()
            quality[row] = 1 - quality[row]

            again = train_cascade(replace(rows, quality=quality)).held_out

            np.testing.assert_array_equal(again.given[row], trained.held_out.given[row])
            np.testing.assert_array_equal(again.called[row], trained.held_out.called[row])


class TestRefused:
    def test_are_too_few_rows(self, rows: Outcomes) -> None:
        with pytest.raises(DataError, match="29 queries were answered by every model; 30 are needed"):
            train_cascade(rows.take(range(29)))

    def test_are_rows_without_answers(self, rows: Outcomes) -> None:
        with pytest.raises(DataError, match="no responses are recorded"):
            train_cascade(replace(rows, responses=None))

    def test_is_one_model_alone(self, rows: Outcomes) -> None:
        with pytest.raises(DataError, match="needs two models"):
            train_cascade(rows, models=["big"])

    def test_is_a_model_that_answered_too_few(self, rows: Outcomes) -> None:
        quality, said = rows.quality.copy(), []
        quality[: N_QUERIES // 2, 1] = np.nan

        found = train_cascade(replace(rows, quality=quality), say=said.append)

        assert "mid" not in found.plan.models
        assert any("mid answered too few" in line for line in said)


class TestAnswersToOtherQueries:
    def test_are_read_as_training_read_its_own(self, trained: Trained) -> None:
        other, seen = toy(50, seed=1)

        found = trained.read(other)

        np.testing.assert_array_equal(found.conclusion, seen.conclusion)

    def test_must_be_recorded(self, trained: Trained, rows: Outcomes) -> None:
        with pytest.raises(DataError, match="a cascade looks at answers"):
            trained.read(replace(rows, responses=None))

    def test_say_where_the_strong_model_helps(self, trained: Trained) -> None:
        other, _ = toy(300, seed=1)

        gain = trained.gain(trained.read(other), Pair("mini", "big"))

        helps = other.quality[:, 2] > other.quality[:, 0]
        assert gain[helps].mean() > gain[~helps].mean() + 0.1
