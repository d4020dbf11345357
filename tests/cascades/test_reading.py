"""Reading: when answers are options of a list, and when anything may be said."""

from __future__ import annotations

import numpy as np

from switchpoint.cascades.belief import NOT_CALLED, SAYS_NOTHING
from switchpoint.cascades.latent import OPEN
from switchpoint.cascades.reading import Reading


def responses(*texts: str | None, times: int = 20) -> np.ndarray:
    return np.array([[text] for text in texts] * times, dtype=object)


def of(*texts: str | None) -> Reading:
    recorded = responses(*texts)
    return Reading.of(recorded, np.ones(recorded.shape, dtype=bool))


def test_few_things_that_right_answers_come_to_are_options() -> None:
    assert of("A", "The answer is (B).", "c").options == ("a", "b", "c")
    assert of("yes", "No.").n_options == 2


def test_many_things_are_open() -> None:
    found = Reading.of(np.array([[str(n)] for n in range(100)], dtype=object), np.ones((100, 1), dtype=bool))

    assert found.options == () and found.n_options == OPEN


def test_what_is_always_right_is_no_choice() -> None:
    assert of("A").options == ()


def test_only_right_answers_make_options() -> None:
    recorded = responses("A", "B", "C")
    right = np.array([[True], [True], [False]] * 20)

    assert Reading.of(recorded, right).options == ("a", "b")


def test_a_rare_wording_of_a_right_answer_is_no_option() -> None:
    recorded = np.array([["A"], ["B"]] * 60 + [["It must be whatever"]], dtype=object)

    assert Reading.of(recorded, np.ones(recorded.shape, dtype=bool)).options == ("a", "b")


def test_options_have_the_same_number_for_every_query_and_open_answers_only_say_who_agrees() -> None:
    texts = np.array([["B", "A"], ["A", None], ["no idea", "A"]], dtype=object)

    listed, anything = (Reading(options=options).evidence(texts).conclusion for options in (("a", "b"), ()))

    assert listed.tolist() == [[1, 0], [0, NOT_CALLED], [SAYS_NOTHING, 0]]
    assert anything.tolist() == [[0, 1], [0, NOT_CALLED], [0, 1]]


def test_an_answer_without_a_conclusion_agrees_with_none() -> None:
    assert Reading().read(["", "", "7"]) == [SAYS_NOTHING, SAYS_NOTHING, 0]


def test_scores_are_passed_on_and_unknown_without_any() -> None:
    texts = responses("A", "B", times=1)

    assert np.isnan(Reading().evidence(texts).score).all()
    assert Reading().evidence(texts, np.array([[0.2], [0.3]])).score.tolist() == [[0.2], [0.3]]
