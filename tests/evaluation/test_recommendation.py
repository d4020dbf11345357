"""The decision table: what is recommended on which evidence, and in which words."""

import numpy as np
import pytest

from switchpoint.evaluation.bootstrap import Interval
from switchpoint.evaluation.evidence import WORTH, Evidence, Mix
from switchpoint.evaluation.family import Costs
from switchpoint.evaluation.recommendation import Action, recommend
from switchpoint.evaluation.two_model import Line, TwoModel

UNKNOWN = Interval(np.nan, np.nan, np.nan)
NO_LINE = Line(x=np.empty(0), y=np.empty(0), low=np.empty(0), high=np.empty(0))


def around(value, half=0.02):
    return Interval(value, value - half, value + half)


def costs(ratio, blind, luck):
    names = ("aiq", "aiq_single_models", "aiq_shuffled", "perf_gain", "cost_save")
    return Costs(
        near_best_ratio=ratio,
        near_best_ratio_single_models=blind,
        near_best_ratio_shuffled=luck,
        pareto_dist=0.0,
        curve=NO_LINE,
        single_curve=NO_LINE,
        **dict.fromkeys(names, UNKNOWN),
    )


def pair(apgr, luck):
    names = ("apgr_length", "apgr_oracle", "gain_over_length")
    return TwoModel(
        weak="mini", strong="max", n_queries=9, apgr=apgr, apgr_random=luck, cpt50=around(0.27), cpt80=around(0.5),
        curve=NO_LINE, length_curve=NO_LINE, **dict.fromkeys(names, UNKNOWN),
    )  # fmt: skip


def mix(share=0.4, quality=0.98, cost=0.6):
    return Mix(low="mini", high="max", share=share, quality_ratio=around(quality), cost_ratio=around(cost))


PROVEN, DOUBTFUL = around(0.05), around(0.01)
SAVING = costs(around(0.5), around(0.8), around(0.75))


def evidence(**given):
    return Evidence(**({"best": "max", "for_quality": "default", "gain": DOUBTFUL, "for_cost": "kinds"} | given))


@pytest.mark.parametrize(
    ("seen", "action", "router", "models"),
    [
        (evidence(gain=PROVEN, costs=SAVING, mix=mix()), Action.QUALITY, "default", ()),
        (evidence(costs=SAVING, mix=mix()), Action.COST, "kinds", ()),
        (evidence(pair=pair(around(0.7), around(0.5))), Action.COST, "kinds", ()),
        (evidence(mix=mix()), Action.MIX, None, ("mini", "max")),
        (evidence(mix=mix(share=0.0)), Action.CONSTANT, None, ("mini",)),
        (evidence(), Action.CONSTANT, None, ("max",)),
        (Evidence(best="max"), Action.CONSTANT, None, ("max",)),
    ],
)
def test_the_first_line_of_the_table_that_holds_is_taken(seen, action, router, models):
    found = recommend(seen)

    assert (found.action, found.router, found.models) == (action, router, models)


def test_a_gain_whose_interval_touches_zero_is_not_proven():
    assert not evidence(gain=Interval(0.05, 0.0, 0.1)).gains
    assert evidence(gain=Interval(0.05, 0.001, 0.1)).gains


def test_an_unknown_gain_proves_nothing():
    assert not evidence(gain=UNKNOWN).gains


@pytest.mark.parametrize(
    ("why", "found"),
    [
        ("the blind mix is as cheap", costs(around(0.5), around(0.51), around(0.75))),
        ("shuffled estimates are as cheap", costs(around(0.5), around(0.8), around(0.51))),
        ("always the best constant is as cheap", costs(around(1.0), around(1.5), around(1.2))),
        ("the quality is not reached", costs(UNKNOWN, around(0.8), around(0.75))),
        ("the luck is not known", costs(around(0.5), around(0.8), UNKNOWN)),
    ],
)
def test_a_saving_is_not_proven_where(why, found):
    assert not evidence(costs=found).saves


def test_a_saving_counts_against_the_best_constant_where_a_blind_mix_does_not_reach_the_quality():
    assert evidence(costs=costs(around(0.5), UNKNOWN, around(0.75))).saves


def test_calls_are_not_counted_where_dollars_are_known():
    dear = costs(around(0.99), around(0.9), around(0.9))

    assert not evidence(costs=dear, pair=pair(around(0.7), around(0.5))).orders


def test_an_order_inside_the_luck_of_a_blind_one_saves_no_calls():
    assert recommend(evidence(pair=pair(around(0.53), around(0.5)))).action is Action.CONSTANT


@pytest.mark.parametrize(
    ("quality", "cost", "saves"),
    [(0.98, 0.6, True), (0.95, 0.6, False), (0.99, 1 - WORTH, False), (np.nan, 0.6, False), (0.98, np.nan, False)],
)
def test_a_mix_saves_where_it_is_cheaper_for_certain_and_not_shown_to_be_worse(quality, cost, saves):
    assert mix(quality=quality, cost=cost).saves is saves


def test_a_manager_is_told_what_to_do_first():
    told = recommend(evidence(gain=PROVEN, usd_per_1k=around(3.0), best_usd_per_1k=around(4.0))).sentence

    assert told == (
        "Route: letting 'default' pick the model raises quality by 5.0 points of 100 over always max "
        "(95 %: +3.0 to +7.0), at 25 % less cost."
    )


def test_a_router_that_pays_with_dollars_says_so():
    told = recommend(evidence(gain=PROVEN, usd_per_1k=around(6.0), best_usd_per_1k=around(4.0))).sentence

    assert "at 50 % more cost" in told


def test_without_dollars_a_saving_is_told_in_calls():
    told = recommend(evidence(pair=pair(around(0.7), around(0.5)))).sentence

    assert told == (
        "Route to save: sending the 27 % of the queries that 'kinds' picks to max brings half of what it adds to mini, "
        "and 50 % bring four fifths; picked blindly, 50 % and 80 % would be needed."
    )


def test_without_any_proof_one_model_is_named():
    assert recommend(evidence(costs=costs(around(0.9), around(0.9), around(0.9)))).sentence == (
        "Use max for everything: no router is proven to answer better, or as well for less."
    )
    assert "costs are not known" in recommend(evidence()).sentence


def test_every_part_of_the_evidence_is_a_reason():
    because = recommend(evidence(gain=PROVEN, costs=SAVING, mix=mix())).because

    assert [line.split(":")[0] for line in because[:2]] == [
        "A gain in quality is proven",
        "A saving by routing is proven",
    ]
    assert because[2].startswith("What needs no router, 40 % max and the rest mini, keeps 98 %")


def test_a_mix_of_the_best_constant_alone_is_no_reason():
    alone = Mix(low="max", high="max", share=0.0, quality_ratio=around(1.0), cost_ratio=around(1.0))

    assert len(recommend(evidence(mix=alone)).because) == 1
