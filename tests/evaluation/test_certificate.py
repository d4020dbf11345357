"""The certificate: bounds that hold, and a search that does not spend the confidence twice."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.estimate import Prediction
from switchpoint.evaluation.bounds import BOUNDS, betting_bound, binomial_bound, rows_needed
from switchpoint.evaluation.certificate import Ladder, Promise, certify, ladder, safest_first
from switchpoint.evaluation.replay import estimates
from switchpoint.evaluation.two_model import Pair
from tests.evaluation.toys import make_outcomes

LOSSES = arrays(float, st.integers(1, 60), elements=st.floats(-1, 1))
NAN = math.nan


def drawn(seed, n_rows, lose, win):
    return np.random.default_rng(seed).choice([1.0, -1.0, 0.0], p=[lose, win, 1 - lose - win], size=n_rows)


def steps(losses, costs, n_rows=400, n_tuning=100, **more):
    """A ladder whose points lose a fixed share of the queries, evenly spread; and its tuning rows."""
    lost = [(np.arange(n_rows) % 1_000) / 1_000 * 1_000 % 100 < 100 * share for share in losses]
    loss = np.stack(lost, axis=1).astype(float)
    points = Ladder(
        setting="threshold",
        values=np.linspace(0, 1, len(losses)),
        loss=loss,
        cost=np.tile(costs, (n_rows, 1)),
        baseline_cost=np.ones(n_rows),
        in_usd=True,
    )
    return points._replace(**more), np.arange(n_rows) < n_tuning


class TestBounds:
    @pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
    @given(losses=LOSSES, error=st.floats(0.01, 0.4))
    def test_a_bound_is_never_below_the_observed_mean_nor_above_certainty(self, bound, losses, error):
        assert max(losses.mean() - 1e-9, 0.0) <= bound(losses, error) <= 1.0

    @pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
    @given(losses=LOSSES, error=st.floats(0.01, 0.4))
    def test_more_confidence_never_lowers_the_bound_by_much(self, bound, losses, error):
        # The bets depend on the confidence too, so that a bound may move a little the other way.
        assert bound(losses, error / 4) >= bound(losses, error) - 0.05

    @pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
    def test_ten_times_the_rows_tighten_a_bound(self, bound):
        few = drawn(0, 500, 0.05, 0.0)

        assert bound(np.tile(few, 10), 0.05) < bound(few, 0.05) - 0.005

    @pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS)
    def test_without_rows_nothing_is_promised(self, bound):
        assert bound(np.empty(0), 0.05) == 1.0

    @pytest.mark.parametrize(("n_lost", "n_rows", "upper"), [(0, 100, 0.029513), (1, 10, 0.394163), (5, 50, 0.198833)])
    def test_the_binomial_bound_is_that_of_clopper_and_pearson(self, n_lost, n_rows, upper):
        losses = np.repeat([1.0, 0.0], [n_lost, n_rows - n_lost])

        assert binomial_bound(losses, 0.05) == pytest.approx(upper, abs=2e-6)

    @pytest.mark.parametrize(("lose", "win"), [(0.05, 0.03), (0.02, 0.0), (0.3, 0.2)])
    @pytest.mark.parametrize("name", BOUNDS)
    def test_a_bound_misses_the_truth_no_more_often_than_promised(self, name, lose, win):
        misses = [BOUNDS[name](drawn(seed, 600, lose, win), 0.1) < lose - win for seed in range(200)]

        assert np.mean(misses) <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 200)

    def test_rows_in_the_order_of_their_losses_promise_no_more_than_shuffled_ones(self):
        sorted_losses = np.sort(drawn(1, 600, 0.3, 0.2))

        assert betting_bound(sorted_losses, 0.05) >= 0.1

    def test_wins_pay_for_losses_in_betting_alone(self):
        losses = drawn(2, 2_000, 0.1, 0.1)

        assert betting_bound(losses, 0.05) < 0.04 < 0.1 < binomial_bound(losses, 0.05)


class TestRowsNeeded:
    @pytest.mark.parametrize(("lose", "win", "max_loss"), [(0.05, 0.04, 0.03), (0.02, 0.01, 0.03), (0.1, 0.1, 0.05)])
    def test_they_are_right_within_a_factor_of_two(self, lose, win, max_loss):
        needed = rows_needed(drawn(0, 50_000, lose, win), max_loss, 0.05)

        def certified(n_rows):
            return np.mean([betting_bound(drawn(seed, n_rows, lose, win), 0.05) <= max_loss for seed in range(60)])

        assert certified(needed // 2) < 0.55 < certified(needed * 2)

    def test_no_number_would_do_where_the_loss_is_above_what_is_allowed(self):
        assert rows_needed(drawn(0, 1_000, 0.3, 0.0), 0.02, 0.05) is None
        assert rows_needed(np.empty(0), 0.02, 0.05) is None


class TestSearch:
    def test_the_cheapest_point_down_to_the_first_that_fails_is_returned(self):
        points, tuning = steps([0.0, 0.01, 0.02, 0.2, 0.3], [0.9, 0.7, 0.5, 0.3, 0.1])

        found = certify(points, tuning, Promise(max_loss=0.08), "big").found

        assert found.value == points.values[2]
        assert found.loss.value == pytest.approx(0.02) and found.loss.value < found.bound <= 0.08
        assert found.saved.value == pytest.approx(0.5)
        assert found.saved_usd_per_1k.value == pytest.approx(500)
        assert (found.n_queries, found.n_left_out) == (300, 0)

    def test_points_are_tested_from_the_dearest_that_is_safe_on_the_tuning_rows_and_saves_anything(self):
        points, tuning = steps([0.0, 0.3, 0.02, 0.2, 0.1], [1.0, 0.8, 0.6, 0.4, 0.2])

        assert safest_first(points, tuning, 0.05).tolist() == [2, 3, 4]

    def test_where_no_point_seems_safe_all_are_tested_from_the_dearest_on(self):
        points, tuning = steps([0.3, 0.2], [0.4, 0.8])

        assert safest_first(points, tuning, 0.05).tolist() == [1, 0]

    def test_the_order_is_blind_to_the_certifying_rows(self):
        points, tuning = steps([0.0, 0.01, 0.02], [0.9, 0.7, 0.5])
        other = points._replace(loss=np.where(tuning[:, None], points.loss, 1 - points.loss))

        assert safest_first(other, tuning, 0.1).tolist() == safest_first(points, tuning, 0.1).tolist()

    def test_what_cannot_be_certified_says_how_many_rows_would_do(self):
        points, tuning = steps([0.01, 0.2], [0.7, 0.1])

        made = certify(points, tuning, Promise(max_loss=0.02), "big")
        enough = certify(*steps([0.01, 0.2], [0.7, 0.1], 2 * made.n_needed, made.n_needed // 2), made.promise, "big")

        assert made.found is None and made.n_needed > made.n_queries
        assert enough.found is not None

    def test_where_every_point_loses_too_much_no_number_of_rows_would_do(self):
        made = certify(*steps([0.2, 0.3], [0.7, 0.1]), Promise(max_loss=0.02), "big")

        assert (made.found, made.n_needed) == (None, None)

    def test_rows_that_were_not_observed_are_left_out_and_counted(self):
        points, tuning = steps([0.0], [0.5], 400)
        loss = points.loss.copy()
        loss[350:] = NAN

        found = certify(points._replace(loss=loss), tuning, Promise(max_loss=0.1), "big").found

        assert (found.n_queries, found.n_left_out) == (250, 50)

    def test_the_promise_is_broken_no_more_often_than_it_may_be_however_many_points_are_tried(self):
        shares = np.linspace(0.02, 0.14, 25)  # the last eight lose more than is allowed
        broken = 0
        for seed in range(200):
            points, tuning = steps(shares, 1 - shares, 600, 150)
            rows = np.random.default_rng(seed).random((600, 1))
            made = certify(points._replace(loss=(rows < shares).astype(float)), tuning, Promise(max_loss=0.1), "big")
            broken += made.found is not None and shares[points.values == made.found.value][0] > 0.1

        assert broken / 200 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)

    @pytest.mark.parametrize("n_tuning", [0, 400])
    def test_rows_are_needed_on_either_side(self, n_tuning):
        with pytest.raises(DataError, match="rows to tune on and others to certify on"):
            certify(*steps([0.0], [0.5], n_tuning=n_tuning), Promise(max_loss=0.1), "big")

    @pytest.mark.parametrize("wrong", [{"max_loss": 0.0}, {"max_loss": NAN}, {"max_loss": 0.1, "confidence": 1.0}])
    def test_a_promise_that_nobody_can_keep_or_needs_is_refused(self, wrong):
        with pytest.raises(ConfigError, match="Got"):
            Promise(**wrong)


class TestLadder:
    quality = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]] * 25)
    mean = np.array([[0.1, 0.9], [0.5, 0.6], [0.2, 0.8], [0.9, 0.3]] * 25)
    tuning = np.arange(100) < 40

    def made(self, cost_usd, pair, baseline="m1"):
        outcomes = make_outcomes(self.quality, cost_usd=cost_usd)
        seen = estimates(Prediction(mean=self.mean), outcomes, outcomes.mean_cost_usd())
        return ladder(seen, outcomes, baseline, pair, self.tuning)

    def test_without_costs_a_pair_is_counted_in_strong_calls(self):
        points = self.made(None, Pair("m0", "m1"))

        assert (points.setting, points.in_usd) == ("threshold", False)
        assert points.cost.mean(axis=0).tolist() == [0.75, 0.5, 0.25, 0.0]
        assert points.loss.mean(axis=0).tolist() == [-0.25, -0.25, 0.0, 0.25]
        assert points.baseline_cost.tolist() == [1.0] * 100

    def test_more_models_are_compared_in_dollars(self):
        points = self.made([0.001, 0.005], None)

        assert (points.setting, points.in_usd) == ("willingness_usd", True)
        assert points.cost.min() == 0.001 and points.baseline_cost.max() == 0.005

    def test_models_that_cannot_be_compared_are_refused(self):
        with pytest.raises(ConfigError, match="Name weak and strong"):
            self.made(None, None)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 0.3))
def test_what_is_certified_keeps_within_what_was_asked_for(seed, max_loss):
    rows = np.random.default_rng(seed)
    points, tuning = steps([0.0] * 4, [0.8, 0.6, 0.4, 0.2], 300, loss=rows.choice([-1.0, 0.0, 1.0], (300, 4)))

    found = certify(points, tuning, Promise(max_loss=max_loss), "big").found

    assert found is None or found.loss.value <= found.bound <= max_loss
