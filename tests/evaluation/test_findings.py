"""Findings: what is chosen, on which rows, and what a reader is warned of."""

import json
from dataclasses import replace

import numpy as np
import pytest

from switchpoint.evaluation.evaluate import evaluate
from switchpoint.evaluation.findings import class_columns, routability
from switchpoint.evaluation.recommendation import Action
from switchpoint.evaluation.routability import Ground, LeakCount, Trial
from tests.evaluation.toys import Table, make_outcomes

NONE = LeakCount(exact=0, near=0, removed=0)


@pytest.fixture
def outcomes():
    """Two kinds of queries; each model is good at one of them, `max` a little oftener. The costs are known."""
    random = np.random.default_rng(0)
    easy = np.arange(120) % 2 == 0
    quality = random.random((120, 2)) < np.where(easy[:, None], [0.9, 0.3], [0.2, 0.9])
    made = make_outcomes(quality, cost_usd=[0.001, 0.01], models=["mini", "max"])
    return replace(made, domains=tuple(np.where(easy, "easy", "hard").tolist()))


def trial(name, outcomes, predicted, rehearsed=None, candidate=True):
    def measured(table):
        return evaluate(Table(outcomes, table), outcomes, router=name, train=outcomes, resamples=100)

    evaluation = measured(predicted)
    rehearsal = evaluation if rehearsed is None else measured(rehearsed)
    return Trial(router=name, summary=name, candidate=candidate, rehearsal=rehearsal, evaluation=evaluation)


def found_of(outcomes, *trials, **given):
    ground = {
        "train": outcomes,
        "test": outcomes,
        "class_columns": class_columns(outcomes, outcomes.domains),
        "out_of_fold": False,
        "leaks": NONE,
        "command": "switchpoint report toy",
        "skipped": {},
    }
    return routability(Ground(**(ground | given)), trials)


def knowing(outcomes):
    return np.where(np.array(outcomes.domains)[:, None] == "easy", [0.9, 0.3], [0.2, 0.9])


def ignorant(outcomes):
    return np.tile(outcomes.mean_quality(), (len(outcomes), 1))


def test_a_router_that_knows_what_each_model_is_good_at_is_recommended(outcomes):
    found = found_of(outcomes, trial("wise", outcomes, knowing(outcomes)))

    assert (found.recommendation.action, found.recommendation.router) == (Action.QUALITY, "wise")
    assert found.class_gain.low > 0


def test_a_router_that_knows_nothing_is_not(outcomes):
    found = found_of(outcomes, trial("dull", outcomes, ignorant(outcomes)))

    assert found.recommendation.router is None


def test_the_router_is_chosen_by_its_rehearsal_and_not_by_what_it_does_on_the_test(outcomes):
    lucky = trial("lucky", outcomes, knowing(outcomes), rehearsed=ignorant(outcomes))
    sound = trial("sound", outcomes, ignorant(outcomes), rehearsed=knowing(outcomes))

    found = found_of(outcomes, lucky, sound)

    assert found.for_quality is sound
    assert found.recommendation.router is None


def test_what_no_configuration_can_name_is_measured_but_not_recommended(outcomes):
    found = found_of(outcomes, trial("baseline", outcomes, knowing(outcomes), candidate=False))

    assert found.for_quality is None
    assert [each.router for each in found.trials] == ["baseline"]
    assert found.shown.router == "baseline"


def test_without_a_test_split_the_first_router_is_judged_not_the_best(outcomes):
    first = trial("first", outcomes, ignorant(outcomes))
    better = trial("better", outcomes, knowing(outcomes))

    found = found_of(outcomes, first, better, out_of_fold=True)

    assert found.for_quality is first
    assert "There is one split only" in found.warnings[0]


def test_fewer_than_fifty_queries_are_warned_of(outcomes):
    few = outcomes.take(range(49))

    found = found_of(few, trial("wise", few, knowing(few)))

    assert found.warnings == ("Only 49 queries to measure on: intervals are too narrow below 50. Record more.",)


def test_near_duplicates_across_the_splits_are_warned_of(outcomes):
    found = found_of(outcomes, trial("wise", outcomes, knowing(outcomes)), leaks=NONE._replace(near=3))

    assert found.warnings[0].startswith("3 test queries are nearly the same as a training one")
    assert found_of(outcomes, *found.trials, leaks=NONE._replace(near=1)).warnings == ()


def test_what_was_not_observed_is_said_and_counts_nowhere(outcomes):
    quality = outcomes.quality.copy()
    quality[:30, 0] = np.nan
    patchy = replace(outcomes, quality=quality, cost_usd=np.where(np.isnan(quality), np.nan, outcomes.cost_usd))

    found = found_of(patchy, trial("wise", patchy, knowing(patchy)))

    assert found.unknown[0].startswith("30 of 240 outcomes were not observed")
    assert (found.models[0].n_observed, found.models[1].n_observed) == (90, 120)
    assert found.models[0].quality.value == pytest.approx(np.nanmean(quality[:, 0]))


def test_without_costs_nothing_is_said_of_dollars(outcomes):
    free = replace(outcomes, cost_usd=np.full(outcomes.quality.shape, np.nan))

    found = found_of(free, trial("wise", free, knowing(free)))

    assert found.mix is None
    assert found.models[0].cost_usd_per_1k is None
    assert any("Costs are not on record" in line for line in found.unknown)


def test_one_class_leaves_no_class_to_know(outcomes):
    plain = replace(outcomes, domains=("all",) * len(outcomes))

    found = found_of(plain, trial("dull", plain, ignorant(plain)))

    assert [each.name for each in found.classes] == ["all"]
    assert found.class_gain.value == 0
    assert any("one class" in line for line in found.unknown)


def test_each_class_has_its_own_best_model_and_what_that_gains(outcomes):
    found = found_of(outcomes, trial("wise", outcomes, knowing(outcomes)))

    assert {each.name: each.model for each in found.classes} == {"easy": "mini", "hard": "max"}
    gains = {each.name: each.gain.value for each in found.classes}
    assert gains["hard" if found.best == "max" else "easy"] == 0
    assert max(gains.values()) > 0.3


def test_a_small_class_gets_no_interval(outcomes):
    rare = replace(outcomes, domains=("rare",) * 9 + ("rest",) * 111)

    found = found_of(rare, trial("dull", rare, ignorant(rare)))

    small = next(each for each in found.classes if each.name == "rare")
    assert np.isnan([small.quality.low, small.gain.high]).all()
    assert 0 <= small.quality.value <= 1


def test_a_class_of_few_training_rows_keeps_the_overall_best_model(outcomes):
    train = make_outcomes([[0.0, 1.0]] * 50 + [[1.0, 0.0]] * 2)
    train = replace(train, domains=("common",) * 50 + ("rare",) * 2)

    assert class_columns(train, ["common", "rare", "new"]).tolist() == [1, 1, 1]


def test_the_json_holds_every_finding_and_no_nan(outcomes):
    found = found_of(outcomes, trial("wise", outcomes, knowing(outcomes)), skipped={"odd": "reason"})

    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))

    assert plain["recommendation"]["action"] == "route for quality"
    assert (
        plain["routers"]["wise"]["evaluation"]["gain_over_best_single"]
        == plain["routers"]["wise"]["rehearsal"]["gain_over_best_single"]
    )
    assert len(plain["curves"]["cost"]["x"]) == len(plain["curves"]["cost"]["low"])
    assert plain["classes"]["easy"]["n_queries"] == 60
    assert plain["skipped"] == {"odd": "reason"}
