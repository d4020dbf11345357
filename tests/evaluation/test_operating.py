import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.estimate import Prediction
from switchpoint.evaluation.operating import Target, operating_point
from switchpoint.evaluation.replay import choose, estimates, played
from switchpoint.evaluation.two_model import Pair
from switchpoint.routers.policies import MaxUtility, StrongIfWorth
from tests.evaluation.toys import make_outcomes

PAIR = Pair("m0", "m1")
QUALITY = [[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]
MEAN = [[0.1, 0.9], [0.5, 0.6], [0.2, 0.8], [0.9, 0.3]]
OUTCOMES = make_outcomes(QUALITY, cost_usd=[0.001, 0.005])


def seen(outcomes, mean=MEAN):
    return estimates(Prediction(mean=np.asarray(mean, dtype=float)), outcomes, outcomes.mean_cost_usd())


def point(target, outcomes=OUTCOMES, mean=MEAN, pair=PAIR, best="m1"):
    return operating_point(seen(outcomes, mean), outcomes, target, best_single=best, pair=pair, resamples=30)


def test_a_target_share_is_met_by_a_threshold_between_two_queries():
    found = point(Target(share=0.5))

    # Win rates are .9, .55, .8 and .2: two of four go to the strong model above .675.
    assert (found.setting, found.value) == ("threshold", pytest.approx(0.675))
    assert found.share == 0.5
    assert found.quality.value == 1.0


def test_a_target_quality_is_met_with_the_fewest_strong_calls_and_a_standard_error_to_spare():
    found = point(Target(quality=1.0))

    # A quarter reaches it too, at 3/4; but its lead over m1 is 0 with a standard error of sqrt(1/2) / 2.
    assert found.share == 0.5
    assert found.quality_ratio.value == pytest.approx(4 / 3)


def test_always_the_best_single_model_needs_nothing_to_spare():
    found = point(Target(quality=1.0), mean=[[0.1, 0.9]] * 4)

    assert found.share == 1.0
    assert found.quality_ratio.value == pytest.approx(1.0)


def test_a_target_cost_is_met_with_the_highest_quality():
    found = point(Target(usd_per_1k=3.0))

    assert found.cost_usd_per_1k.value == pytest.approx(3.0)
    assert found.quality.value == 1.0


def test_more_than_two_models_are_weighed_by_what_quality_is_worth():
    outcomes = make_outcomes([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]], cost_usd=[0.001, 0.002, 0.009])

    found = point(Target(quality=1.0), outcomes, [[0.1, 0.8, 0.9], [0.9, 0.9, 0.95]], pair=None, best="m2")

    assert found.setting == "willingness_usd"
    assert found.cost_usd_per_1k.value == pytest.approx(1.5)
    assert found.share is None


@pytest.mark.parametrize(
    ("target", "pair", "message"),
    [
        (Target(quality=2.0), PAIR, r"the highest is 1.0447 with a standard error to spare"),
        (Target(usd_per_1k=0.5), PAIR, "the lowest is 1"),
        (Target(share=0.5), None, "Name weak and strong"),
    ],
)
def test_a_target_that_cannot_be_met_says_what_can(target, pair, message):
    with pytest.raises(ConfigError, match=message):
        point(target, pair=pair)


def test_what_depends_on_unknown_costs_is_refused_and_the_rest_is_not():
    unpriced = make_outcomes(QUALITY)

    assert point(Target(share=0.5), unpriced).cost_usd_per_1k is None
    with pytest.raises(ConfigError, match="needs outcomes with costs"):
        point(Target(usd_per_1k=1.0), unpriced)
    with pytest.raises(ConfigError, match="some cost is unknown"):
        point(Target(quality=1.0), unpriced, pair=None)


def test_a_pair_that_was_never_observed_together_cannot_be_compared():
    apart = make_outcomes([[1.0, np.nan], [np.nan, 1.0]])

    with pytest.raises(DataError, match="on no query together"):
        point(Target(share=0.5), apart, [[0.5, 0.6]] * 2)


@pytest.mark.parametrize(
    "given", [{}, {"share": 0.5, "quality": 0.9}, {"share": 1.5}, {"quality": -1}, {"usd_per_1k": np.nan}]
)
def test_a_target_is_one_number_in_its_range(given):
    with pytest.raises(ConfigError):
        Target(**given)


numbers = st.integers(0, 10).map(lambda n: n / 10)
tables = st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(tables, st.floats(0, 1))
def test_the_setting_found_gives_the_figures_promised_and_no_other_threshold_is_closer(table, share):
    quality, mean = np.array(table)[:, :2], np.array(table)[:, 2:]
    outcomes = make_outcomes(quality)

    found = point(Target(share=share), outcomes, mean)
    policies = [StrongIfWorth(*PAIR, threshold) for threshold in (found.value, *np.linspace(0, 1, 23))]
    shares = [choose(policy, seen(outcomes, mean)).mean() for policy in policies]

    assert shares[0] == pytest.approx(found.share)
    assert abs(shares[0] - share) <= min(abs(s - share) for s in shares) + 1e-9


def test_the_willingness_found_gives_the_figures_promised():
    outcomes = make_outcomes([[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]], cost_usd=[0.001, 0.002, 0.009])
    mean = [[0.1, 0.8, 0.9], [0.9, 0.9, 0.95]]

    found = point(Target(usd_per_1k=4.0), outcomes, mean, pair=None, best="m2")
    game = played(outcomes, choose(MaxUtility(found.value), seen(outcomes, mean)))

    assert game.quality.mean() == found.quality.value
    assert game.cost_usd.mean() * 1_000 == pytest.approx(found.cost_usd_per_1k.value)


def test_every_point_of_the_frontier_can_be_met_and_not_only_some():
    random = np.random.default_rng(0)
    outcomes = make_outcomes(random.random((300, 3)), cost_usd=[0.001, 0.002, 0.009])
    met = [point(Target(usd_per_1k=usd), outcomes, outcomes.quality, None, "m2") for usd in (2.5, 2.6)]

    # One query more moves the mean by .003 to .03 dollars per 1,000.
    assert [found.cost_usd_per_1k.value for found in met] == pytest.approx([2.5, 2.6], abs=0.03)


def test_near_duplicates_widen_the_intervals_of_what_was_tuned():
    outcomes = make_outcomes(np.tile(QUALITY, (20, 1)), cost_usd=[0.001, 0.005])
    given = (seen(outcomes, np.tile(MEAN, (20, 1))), outcomes, Target(share=0.25))

    alone, grouped = (
        operating_point(*given, best_single="m1", pair=PAIR, resamples=200, groups=groups).cost_usd_per_1k
        for groups in (None, np.tile(np.arange(4), 20))
    )

    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
