"""Fitting the thresholds of semantic routes: exact, judged on unseen texts, every misrouted text named."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.semantic import accuracy
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.learning.semantic import Labelled, fit, labelled
from switchpoint.learning.thresholds import best_thresholds
from switchpoint.routers.semantic import NONE, Matcher, choose
from switchpoint.routers.utterances import parse
from tests.evaluation.toys import recorded

COLOURS = {
    "routes": {
        "red": {"utterances": ["red rose", "red wine", "red car", "red rose wine", "red wine car"]},
        "blue": {"utterances": ["blue sky", "blue sea", "blue ink", "blue sky sea", "blue ink sea"]},
    },
    "others": ["green leaf", "yellow sun", "green sun", "yellow leaf", "leaf"],
    "alpha": 0,
}


def total(scores: np.ndarray, worth: np.ndarray, thresholds: np.ndarray) -> float:
    return float(worth[np.arange(len(scores)), choose(scores, thresholds)].sum())


def problem(seed: int, n_texts: int, n_routes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    label = random.integers(-1, n_routes, n_texts)
    scores = random.uniform(0, 1, (n_texts, n_routes)) + 0.4 * (label[:, None] == np.arange(n_routes))
    worth = np.full((n_texts, n_routes + 1), -1.0)
    worth[:, NONE] = 0.0
    worth[np.arange(n_texts), label] = 1.0
    return np.minimum(scores / 1.4, 1.0), worth


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_for_one_route_the_threshold_is_the_best_there_is(seed: int, n_texts: int) -> None:
    scores, worth = problem(seed, n_texts, 1)

    found = total(scores, worth, best_thresholds(scores, worth))

    assert found >= max(total(scores, worth, np.array([t])) for t in np.linspace(0.001, 1, 500))


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 3))
def test_no_single_threshold_can_be_changed_for_the_better(seed: int, n_texts: int, n_routes: int) -> None:
    scores, worth = problem(seed, n_texts, n_routes)
    thresholds = best_thresholds(scores, worth)
    found = total(scores, worth, thresholds)

    for route, other in itertools.product(range(n_routes), np.linspace(0.001, 1, 60)):
        changed = np.where(np.arange(n_routes) == route, other, thresholds)
        assert total(scores, worth, changed) <= found


def test_a_threshold_lies_in_the_middle_of_the_gap_it_opens() -> None:
    scores = np.array([[0.9], [0.7], [0.3], [0.1]])
    worth = np.array([[1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [-1.0, 1.0]])

    assert best_thresholds(scores, worth) == pytest.approx([0.5])


def test_the_dearer_a_wrong_match_the_fewer_there_are() -> None:
    raw = {**COLOURS, "others": ["red leaf", "red sun", "green leaf", "blue leaf", "sun"]}
    cheap, dear = (fit(parse(raw), None, wrong=wrong) for wrong in (0.0, 20.0))

    wrong = [sum(found is not None for *_, found, _, _ in report.misrouted) for report in (cheap, dear)]
    assert wrong[1] <= wrong[0]
    assert all(a.threshold <= d.threshold for a, d in zip(cheap.figures, dear.figures, strict=True))


def test_topics_that_differ_are_told_apart_and_the_rest_is_left_alone() -> None:
    found = fit(parse(COLOURS), None)

    assert found.accuracy.value == 1.0 and found.misrouted == ()
    assert [(f.name, f.n, f.precision, f.recall, f.f1) for f in found.figures] == [
        ("red", 5, 1.0, 1.0, 1.0),
        ("blue", 5, 1.0, 1.0, 1.0),
    ]
    assert Matcher(found.routes, None)("blue ocean").name == "blue"


def test_every_misrouted_text_is_named_with_what_is_right() -> None:
    raw = {**COLOURS, "others": [*COLOURS["others"], "blue sky ink"]}

    found = fit(parse(raw), None)

    assert [(m.text, m.expected, m.found) for m in found.misrouted] == [("blue sky ink", "no route", "blue")]
    assert found.accuracy.value == pytest.approx(15 / 16)
    assert [f.precision for f in found.figures] == [1.0, pytest.approx(5 / 6)]


def test_an_utterance_is_judged_without_itself() -> None:
    stranger = {"utterances": ["purple haze", "deep forest", "old stone", "thin ice", "far star"]}

    found = fit(parse({**COLOURS, "routes": {**COLOURS["routes"], "odd": stranger}}), None)

    assert next(f for f in found.figures if f.name == "odd").recall == 0.0


def test_a_negative_is_wrong_only_in_its_own_route() -> None:
    routes = parse({"routes": {"a": {"utterances": ["x", "y"], "negatives": ["z", "w"]}, "b": {"utterances": ["w"]}}})

    assert labelled(routes) == [Labelled("x", "a"), Labelled("y", "a"), Labelled("z", None, "a")]


def test_a_route_nothing_belongs_to_has_unknown_recall_and_takes_nothing() -> None:
    raw = {**COLOURS, "routes": {**COLOURS["routes"], "lone": {"utterances": ["leaf green yellow sun"]}}}

    lone = fit(parse(raw), None).figures[-1]

    assert (lone.n, lone.taken) == (0, 0)
    assert np.isnan([lone.precision, lone.recall, lone.f1]).all()


def test_too_little_to_judge_is_said() -> None:
    few = {"routes": {"a": {"utterances": ["one"]}}, "alpha": 0}

    with pytest.raises(DataError, match="0 texts can be judged; 5 at least are needed"):
        fit(parse(few), None)
    with pytest.raises(ConfigError, match="wrong must be a number from 0. Got -1"):
        fit(parse(COLOURS), None, wrong=-1)


def test_what_the_figures_rest_on_is_noted() -> None:
    notes = fit(parse({**COLOURS, "others": [], "alpha": 0}), None).notes

    assert notes == ("No `others` are given: nothing says how texts that belong to no route score.",)


def test_fitting_is_the_same_every_time_and_can_be_repeated_on_its_result() -> None:
    first = fit(parse(COLOURS), None)

    again = fit(first.routes, None)

    assert [r.threshold for r in again.routes.routes] == [r.threshold for r in first.routes.routes]
    assert again.before == 1.0


@pytest.mark.data
def test_on_examinations_never_seen_fitting_helps_and_cross_validation_does_not_flatter() -> None:
    recorded("mmlu-gpt4-mixtral")

    shares = accuracy(0)

    assert shares["hybrid, fitted"] > shares["hybrid, thresholds not fitted"]
    assert shares["hybrid, as cross-validation said"] < shares["hybrid, fitted"] + 0.05
