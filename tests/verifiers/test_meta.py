"""Meta-verifiers: which shares escalate; by expected gain, so the set need not lie below a threshold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError, DataError
from switchpoint.verifiers.meta import RULES, MetaVerifier, Observed, Point, Terms, delta_ibc, states
from switchpoint.verifiers.meta import _Counts as Counts

BINS = 8


def synthetic(n: int, seed: int = 0) -> Observed:
    """Hopeless queries get the lowest shares, needy ones shares in the middle, good ones the highest."""
    random = np.random.default_rng(seed)
    kind = random.choice(["hopeless", "needy", "good"], size=n, p=[0.35, 0.25, 0.4])
    centre = np.select([kind == "hopeless", kind == "needy"], [0.1, 0.45], 0.85)
    v = np.clip(np.rint((centre + random.normal(0, 0.12, n)) * BINS) / BINS, 0, 1)
    small, large = (kind == "good").astype(float), (kind != "hopeless").astype(float)
    return Observed(v, small, large, np.full(n, 2.0), np.full(n, 50.0))


def random_rows(seed: int, n: int = 60) -> Observed:
    random = np.random.default_rng(seed)
    v = random.integers(0, BINS + 1, n) / BINS
    quality = random.integers(0, 5, (2, n)) / 4
    return Observed(v, quality[0], quality[1], np.ones(n), np.full(n, 50.0))


def value(observed: Observed, meta: MetaVerifier, willingness_usd: float) -> float:
    escalated = np.array([meta.escalates(v) for v in observed.v])
    cost_usd = np.where(escalated, observed.cost_large_usd, 0.0)
    return float(
        (np.where(escalated, observed.quality_large, observed.quality_small) - cost_usd / willingness_usd).mean()
    )


@given(st.integers(0, 10_000))
def test_the_needy_rule_allows_exactly_the_sets_of_automix(seed: int) -> None:
    observed = random_rows(seed)
    n, g, h = states(observed, BINS)
    published = {tuple(r * n > 100 * n + 100 * g + 99 * h) for r in range(5_000)}

    ours = {tuple(chosen) for chosen in RULES["needy"](observed, Counts.of(observed, BINS))}

    # A reward is a whole number up to 4,999, so there bins of nearly one ratio enter together, and the rarest never.
    with np.errstate(divide="ignore"):
        ratio = (100 * g + 99 * h)[n > 0] / n[n > 0]
    assert published <= ours
    assert len(published) == len(np.unique(np.floor(ratio[ratio < 4_899]))) + 1


def test_the_states_are_those_of_automix() -> None:
    small = np.array([0.2, 0.7, 0.0, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6])
    large = np.array([0.9, 0.7, 0.0, 0.3, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6])
    observed = Observed(np.zeros(10), small, large, np.ones(10), np.ones(10))

    needy, good, hopeless = (counts[0] for counts in states(observed, BINS))

    assert (needy, good, hopeless) == (1, 7, 1)  # the fourth row, where the small model is better, is in none


def test_where_the_lowest_shares_are_hopeless_the_set_is_not_monotone_and_wins() -> None:
    train, test = synthetic(2_000), synthetic(2_000, seed=1)
    terms = Terms(willingness_usd=100.0)

    chosen = MetaVerifier.fit(train, terms)
    monotone = MetaVerifier.fit(train, terms, rules=["threshold"])

    assert [chosen.escalates(v) for v in (0.0, 0.125, 0.375, 0.5, 0.875, 1.0)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert value(test, chosen, 100.0) > value(test, monotone, 100.0) + 0.05


@pytest.mark.parametrize("rule", ["double_threshold", "needy", "gain"])
def test_every_rule_that_may_leave_the_bottom_out_finds_the_needy_middle(rule: str) -> None:
    meta = MetaVerifier.fit(synthetic(2_000), Terms(willingness_usd=100.0), rules=[rule])

    assert meta.escalates(0.5)
    assert not meta.escalates(0.0)
    assert not meta.escalates(1.0)


def test_where_low_confidence_is_what_needs_help_a_threshold_is_chosen() -> None:
    observed = synthetic(2_000)
    honest = observed._replace(v=np.where(observed.gain > 0, 0.125, 0.875))

    meta = MetaVerifier.fit(honest, Terms(willingness_usd=100.0))

    assert meta.rule == "threshold"
    assert (meta.escalates(0.125), meta.escalates(0.875)) == (True, False)


@given(st.integers(0, 10_000), st.floats(0.0, 60.0), st.sampled_from(list(RULES)))
def test_a_budget_is_kept_on_the_rows_it_was_fitted_on(seed: int, extra_usd: float, rule: str) -> None:
    observed = random_rows(seed)
    terms = Terms(max_cost_usd=1.0 + extra_usd)

    meta = MetaVerifier.fit(observed, terms, rules=[rule])

    escalated = np.array([meta.escalates(v) for v in observed.v])
    assert (observed.cost_small_usd + escalated * observed.cost_large_usd).mean() <= terms.max_cost_usd + 1e-9


@given(st.integers(0, 10_000), st.sampled_from([10.0, 100.0, math.inf]))
def test_the_gain_rule_is_the_best_set_there_is_up_to_its_shrinking(seed: int, willingness_usd: float) -> None:
    observed = random_rows(seed, n=2_000)

    ranked = MetaVerifier.fit(observed, Terms(willingness_usd=willingness_usd), rules=["gain"])
    cut = MetaVerifier.fit(observed, Terms(willingness_usd=willingness_usd), rules=["threshold"])

    assert value(observed, ranked, willingness_usd) >= value(observed, cut, willingness_usd) - 1e-3


@pytest.mark.parametrize(("willingness_usd", "share"), [(0.0, 0.0), (math.inf, 1.0)])
def test_who_pays_nothing_never_escalates_and_who_pays_anything_wherever_it_helps(
    willingness_usd: float, share: float
) -> None:
    observed = synthetic(500)
    better = observed._replace(quality_small=np.zeros(500), quality_large=np.ones(500))

    meta = MetaVerifier.fit(better, Terms(willingness_usd=willingness_usd))

    assert np.mean([meta.escalates(v) for v in better.v]) == share


def test_an_undecided_verification_escalates_and_its_rows_count_in_the_budget() -> None:
    observed = synthetic(100)
    observed = observed._replace(v=np.where(np.arange(100) < 50, np.nan, observed.v))

    meta = MetaVerifier.fit(observed, Terms(max_cost_usd=27.0))

    assert meta.escalates(math.nan)
    assert not any(meta.escalate)  # half of the rows cost 52 and half 2: that is all there is


def test_the_scores_say_with_one_threshold_what_the_set_says() -> None:
    meta = MetaVerifier.fit(synthetic(2_000), Terms(willingness_usd=100.0))

    assert [score < 0.5 for score in meta.scores] == meta.escalate.tolist()
    assert len(meta.scores) == BINS + 1
    assert all(0 <= score <= 1 for score in meta.scores)


@given(st.integers(0, 10_000))
def test_among_the_bins_of_one_side_more_gain_is_a_lower_score(seed: int) -> None:
    meta = MetaVerifier.fit(random_rows(seed), Terms(willingness_usd=100.0))
    scores = np.array(meta.scores)

    for side in (meta.escalate, ~meta.escalate):
        order = np.argsort(scores[side])
        assert (np.diff(meta.gain[side][order]) <= 1e-12).all()


def test_a_bin_without_rows_is_expected_to_gain_the_mean() -> None:
    observed = Observed(np.zeros(10), np.zeros(10), np.full(10, 0.25), np.ones(10), np.ones(10))

    assert MetaVerifier.fit(observed, Terms(willingness_usd=1.0)).gain == pytest.approx(np.full(BINS + 1, 0.25))


def test_delta_ibc_compares_slopes() -> None:
    # A small model of .5 at 1 and a large one of .8 at 51; a method of .65 at 11 buys 2.5 times as much per dollar.
    assert delta_ibc(Point(0.65, 11), Point(0.5, 1), Point(0.8, 51)) == pytest.approx(1.5)
    assert delta_ibc(Point(0.65, 26), Point(0.5, 1), Point(0.8, 51)) == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("method", "large"),
    [(Point(0.6, 1), Point(0.8, 51)), (Point(0.6, 9), Point(0.4, 51)), (Point(0.6, 9), Point(0.8, 1))],
)
def test_delta_ibc_is_unknown_where_its_slopes_are_none(method: Point, large: Point) -> None:
    assert math.isnan(delta_ibc(method, Point(0.5, 1), large))


@pytest.mark.parametrize(
    "terms", [Terms(), Terms(1.0, 1.0), Terms(willingness_usd=-1.0), Terms(max_cost_usd=-1.0), Terms(max_cost_usd=1.9)]
)
def test_terms_that_cannot_be_kept_are_refused(terms: Terms) -> None:
    with pytest.raises(ConfigError, match="max_cost_usd"):
        MetaVerifier.fit(synthetic(100), terms)


def test_an_unknown_rule_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'needy'"):
        MetaVerifier.fit(synthetic(100), Terms(willingness_usd=1.0), rules=["nedy"])


@pytest.mark.parametrize(
    "changes",
    [
        {"v": np.full(100, 1.5)},
        {"quality_small": np.full(100, np.nan)},
        {"cost_large_usd": np.full(100, np.inf)},
        {"v": np.zeros(99)},
    ],
)
def test_rows_that_are_not_known_are_refused(changes: dict) -> None:
    with pytest.raises(DataError):
        MetaVerifier.fit(synthetic(100)._replace(**changes), Terms(willingness_usd=1.0))
