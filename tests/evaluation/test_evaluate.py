import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.errors import ConfigError, DataError, UnknownModel
from switchpoint.estimators.mean import MeanQuality
from switchpoint.evaluation.bout import bout_of
from switchpoint.evaluation.evaluate import evaluate
from switchpoint.evaluation.report import POLICIES
from tests.evaluation.toys import Table, make_outcomes

QUALITY = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
COST = [1.0, 5.0]
TEST = make_outcomes(QUALITY, COST, models=["mini", "max"])
TRAIN = make_outcomes(QUALITY, COST, models=["mini", "max"], name="train")
CONTRACT = {
    "router", "dataset", "n_queries", "models", "quality", "cost_usd_per_1k", "two_model", "aiq",
    "cost_ratio_at_98pct_of_best", "ece", "train_s", "decide_us", "n_train_removed",
}  # fmt: skip


def measured(mean, test=TEST, train=TRAIN, novelty=None, **given):
    return evaluate(Table(test, mean, novelty), test, router="toy", train=train, resamples=50, **given)


def test_the_report_keeps_the_contract_of_the_command():
    report = json.loads(json.dumps(measured(QUALITY).to_json()))

    assert report.keys() >= CONTRACT
    assert report["quality"].keys() >= {"router", "best_single", "best_single_model", "random", "oracle"}
    assert {len(report["quality"][name]) for name in POLICIES} == {3}
    assert {len(report["two_model"][name]) for name in ("apgr", "cpt50", "cpt80", "apgr_length", "apgr_oracle")} == {3}
    assert report["two_model"]["strong"] == report["quality"]["best_single_model"] == "max"


def test_a_router_that_knows_the_outcomes_is_as_good_as_the_oracle():
    found = measured(QUALITY)

    assert found.quality["router"] == found.quality["oracle"]
    assert found.two_model.apgr == found.two_model.apgr_oracle
    assert found.ece == found.brier == 0


def test_ties_cost_a_router_at_its_own_choice_what_the_best_single_model_costs():
    found = measured(QUALITY)

    # Only one query is answered better by the cheap model; the oracle also takes it for the two ties.
    assert found.cost_usd_per_1k["router"].value == pytest.approx(1_000 * (1 + 5 * 5) / 6)
    assert found.cost_usd_per_1k["oracle"].value == pytest.approx(1_000 * (3 + 5 * 3) / 6)


def test_a_router_that_sees_no_gain_keeps_the_best_single_model():
    found = measured([[0.5, 0.5]] * 6)

    assert found.quality["router"] == found.quality["best_single"]
    assert found.shares == {"mini": 0.0, "max": 1.0}
    assert found.gain_over_best_single == (0.0, 0.0, 0.0)


def test_a_router_on_unknown_ground_keeps_the_best_single_model():
    assert measured(QUALITY, novelty=0.9).shares == {"mini": 0.0, "max": 1.0}
    assert measured(QUALITY, novelty=0.1).shares["mini"] == pytest.approx(1 / 6)


def test_the_best_single_model_is_chosen_on_the_training_rows():
    train = make_outcomes([[1.0, 0.0]] * 6, COST, models=["mini", "max"])

    found = measured(QUALITY, train=train)

    assert found.best_single_model == "mini"
    assert found.quality["best_single"].value == pytest.approx(2 / 6)


def test_without_training_rows_the_strong_model_is_taken_and_it_is_said():
    found = measured(QUALITY, train=None, weak="mini", strong="max")

    assert found.best_single_model == "max"
    assert any("taken to be the strong one" in note for note in found.notes)


def test_without_training_rows_and_a_pair_the_best_single_model_is_unknown():
    test = make_outcomes(np.eye(3), [1.0, 2.0, 3.0])

    found = measured(np.full((3, 3), 0.5), test=test, train=None)

    assert found.best_single_model is None
    assert "best_single" not in found.quality
    assert found.to_json()["quality"]["best_single"] is None
    assert any("best single model is unknown" in note for note in found.notes)


def test_of_two_models_the_better_one_by_the_predictions_is_the_strong_one_unless_these_are_mere_scores():
    told, scored = (measured(QUALITY, train=None, probabilities=known) for known in (True, False))

    assert told.two_model.strong == told.best_single_model == "max"
    assert scored.two_model is scored.best_single_model is None


@pytest.mark.parametrize("quality", [[[1.0], [0.0]], [[0.0, 1.0]]])
def test_one_model_or_one_query_is_enough_for_a_report(quality):
    test = make_outcomes(quality, [1.0, 5.0][: len(quality[0])])

    report = json.loads(json.dumps(measured(quality, test=test, train=test).to_json()))

    assert report["n_queries"] == len(quality)
    assert report["quality"]["router"] == report["quality"]["oracle"]


def test_an_unknown_cost_is_null_and_never_zero():
    test = make_outcomes(QUALITY, models=["mini", "max"])

    report = measured(QUALITY, test=test, train=test).to_json()

    assert set(report["cost_usd_per_1k"].values()) == {None}
    assert report["aiq"] is report["cost_ratio_at_98pct_of_best"] is None


def test_counted_tokens_make_expected_costs_follow_the_query_and_it_is_said():
    written = np.where(np.arange(60) % 2 == 0, 100.0, 5.0)[:, None] * [1.0, 1.0]
    texts = [f"Write an essay about {i}." if i % 2 == 0 else f"Is {i} even?" for i in range(60)]
    counted = make_outcomes(np.ones((60, 2)), (20 + 3 * written) / 1e6, texts=texts, name="counted")
    counted = replace(counted, input_tokens=np.full((60, 2), 10.0), output_tokens=written)
    bout = bout_of(Table(counted, counted.quality), counted, counted)

    essay, question = bout.seen.cost_usd[0, 0], bout.seen.cost_usd[1, 0]

    assert essay > 5 * question
    assert "Expected costs follow each query" in " ".join(bout.notes(bout.games(), None))


@pytest.mark.parametrize("part", ["output_tokens", "cost_usd"])
def test_without_tokens_or_bills_expected_costs_are_means(part):
    counted = replace(TRAIN, input_tokens=np.ones((6, 2)), output_tokens=np.arange(12.0).reshape(6, 2))
    known = replace(counted, **{part: None if part == "output_tokens" else np.full((6, 2), np.nan)})

    bout = bout_of(Table(TEST, QUALITY), TEST, known)

    np.testing.assert_array_equal(bout.expected_cost_usd, known.mean_cost_usd())


def test_rows_that_were_not_observed_never_count_as_wrong():
    sparse = make_outcomes([[0.5, 1.0], [np.nan, 1.0], [0.5, np.nan]], models=["mini", "max"])

    found = measured([[0.0, 1.0]] * 3, test=sparse, train=sparse)

    assert found.quality["router"].value == found.quality["best_single"].value == 1.0
    assert found.quality["cheapest"].value == 0.5
    assert found.two_model.n_queries == 1
    assert any("1 of the router's 3 choices" in note for note in found.notes)


def test_where_the_strong_model_is_not_better_there_is_no_gap_to_recover():
    found = measured(QUALITY, weak="max", strong="mini")

    assert found.two_model is None
    assert any("no gap to recover" in note for note in found.notes)


def test_half_a_pair_or_an_unknown_one_is_refused():
    with pytest.raises(ConfigError, match="Name both models"):
        measured(QUALITY, weak="mini")
    with pytest.raises(UnknownModel, match="Did you mean 'mini'"):
        measured(QUALITY, weak="mimi", strong="max")
    with pytest.raises(ConfigError, match="twice"):
        measured(QUALITY, weak="mini", strong="mini")


def test_a_router_that_does_not_know_a_model_of_the_test_is_refused():
    with pytest.raises(DataError, match="knows nothing of max"):
        evaluate(MeanQuality(["mini"], np.array([0.5])), TEST, router="toy", train=TRAIN)


def test_scores_that_are_no_probabilities_are_not_judged_as_such():
    assert measured(QUALITY, probabilities=False).ece is None


def test_near_duplicates_widen_the_intervals_and_the_report_counts_the_groups():
    test = make_outcomes(QUALITY * 20, COST, models=["mini", "max"])
    mean = [[0.5, 0.4], [0.4, 0.5]] * 60

    alone = measured(mean, test=test, train=test)
    grouped = measured(mean, test=test, train=test, groups=np.tile(np.arange(6), 20))

    assert (alone.n_groups, grouped.n_groups) == (None, 6)
    assert grouped.quality["router"].value == alone.quality["router"].value
    wide, narrow = grouped.gain_over_best_single, alone.gain_over_best_single
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert "by group (6 groups)" in next(grouped.sheets()).caption


def test_group_ids_must_fit_the_queries():
    with pytest.raises(DataError, match="2 group ids do not fit 6 queries"):
        measured(QUALITY, groups=np.array([0, 1]))


def test_the_robustness_of_decisions_stands_beside_what_it_costs():
    found = measured(QUALITY, shake=True)

    # The toy estimator knows queries by their ids and does not read them.
    assert {(each.kept.value, each.regret.value) for each in found.robustness} == {(1.0, 0.0)}
    assert any("quality lost" in sheet.columns for sheet in found.sheets())


def test_reliability_explains_the_calibration_error():
    found = measured([[0.5, 0.5]] * 6)

    off = sum(b.n_queries * abs(b.predicted - b.observed.value) for b in found.reliability)
    assert off / 12 == pytest.approx(found.ece)


def test_a_long_table_of_bins_shows_where_the_router_errs_and_the_json_holds_them_all():
    right = np.ones((60, 40))
    test = make_outcomes(right)

    found = measured(np.full(right.shape, 0.3), test=test, train=test)
    sheet = next(sheet for sheet in found.sheets() if sheet.title == "reliability")

    assert (len(sheet.rows), len(found.to_json()["reliability"])) == (30, 40)
    assert {row[-1] for row in sheet.rows} == {"no"}
    assert sheet.caption.startswith("0 of 40 bins")


def flat(value, place=""):
    """All leaves of a JSON value by their place in it."""
    if not isinstance(value, dict | list | tuple):
        return {place: value}
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return {name: leaf for key, part in parts for name, leaf in flat(part, f"{place}/{key}").items()}


grades = st.sampled_from([0.0, 0.5, 1.0])
tables = st.lists(st.tuples(*[grades] * 6), min_size=2, max_size=8)


@settings(max_examples=25, deadline=None)
@given(tables, st.permutations([0, 1, 2]))
def test_the_order_of_the_models_does_not_change_the_figures(table, order):
    quality, mean = np.array(table)[:, :3], np.array(table)[:, 3:] + [0.0, 0.01, 0.02]
    costs = np.array([1.0, 2.0, 4.0])

    def figures(columns):
        test = make_outcomes(quality[:, columns], costs[columns], models=[f"m{i}" for i in columns])
        report = measured(mean[:, columns], test=test, train=test, weak="m0", strong="m2").to_json()
        return flat([report[name] for name in ("quality", "cost_usd_per_1k", "two_model", "ece", "shares")])

    here, there = figures([0, 1, 2]), figures(list(order))

    assert here == pytest.approx(there)


@settings(max_examples=25, deadline=None)
@given(tables)
def test_no_policy_is_better_than_the_oracle(table):
    quality, mean = np.array(table)[:, :3], np.array(table)[:, 3:]
    test = make_outcomes(quality, [1.0, 2.0, 4.0])

    found = measured(mean, test=test, train=test)

    assert all(found.quality["oracle"].value >= q.value - 1e-12 for q in found.quality.values())


def test_the_tables_for_people_show_every_baseline_and_never_a_number_that_is_not_known():
    test = make_outcomes(QUALITY, models=["mini", "max"])

    sheets = list(measured(QUALITY, test=test, train=test).sheets())

    assert [row[0] for row in sheets[0].rows] == list(POLICIES)
    assert {row[3] for row in sheets[0].rows} == {None}
    assert "nan" not in str(sheets)
