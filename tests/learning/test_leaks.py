"""What stands in training is found, exactly or nearly, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import Query
from switchpoint.learning.datasets import read
from switchpoint.learning.leaks import PEERS, groups, leaks, text_groups
from tests.evaluation.toys import recorded

SKY = "Why is the sky blue on a clear day, and red when the sun goes down in the evening?"
TRAIN = "A train leaves the station at noon and drives 80 miles an hour; when does it arrive 240 miles away?"
SEA = "How deep is the ocean at its deepest point, and which animals were seen down there so far?"


def outcomes(*texts):
    return Outcomes(
        queries=tuple(Query.of(text, id=str(i)) for i, text in enumerate(texts)),
        models=("m",),
        quality=np.ones((len(texts), 1)),
        cost_usd=np.ones((len(texts), 1)),
        domains=("d",) * len(texts),
    )


def test_another_template_around_the_same_question_is_an_exact_leak():
    found = leaks(outcomes(SEA, SKY), outcomes(f"Question: {SKY.upper()}\nAnswer:", TRAIN))

    assert (found.rows.tolist(), found.matches.tolist()) == ([0], [1])
    assert (found.exact.tolist(), found.similarity.tolist()) == ([True], [1.0])


def test_a_question_with_a_word_changed_is_a_near_leak():
    found = leaks(outcomes(SEA, TRAIN), outcomes(SKY, TRAIN.replace("noon", "nine")))

    assert (found.rows.tolist(), found.matches.tolist(), found.exact.tolist()) == ([1], [1], [False])
    assert 0.7 <= found.similarity[0] < 1


def test_similarity_is_the_jaccard_index_of_runs_of_eight_characters():
    a, b = "abcdefghijkl", "abcdefghijkm"  # five runs each, four of them shared

    found = leaks(outcomes(a), outcomes(b), near=0.5)

    assert found.similarity[0] == pytest.approx(4 / 6)


def test_the_nearest_row_of_training_is_named():
    nearer, farther = SKY.replace("evening", "evenings"), SKY.replace("clear day", "bright morning")

    found = leaks(outcomes(SEA, farther, nearer), outcomes(SKY), near=0.5)

    assert found.matches.tolist() == [2]


def test_different_questions_do_not_leak():
    assert len(leaks(outcomes(SKY, SEA), outcomes(TRAIN))) == 0


def test_a_prefix_that_all_share_is_no_evidence():
    shots = "Here are worked examples. " + SKY + " Because of the air. " + SEA + " Eleven kilometres. "
    words = [f"{chr(97 + i) * 9} {chr(98 + i) * 8} {i * 7919}" for i in range(24)]

    found = leaks(outcomes(*(shots + word for word in words[:20])), outcomes(*(shots + word for word in words[20:])))

    assert len(found) == 0


def test_short_texts_leak_only_when_they_are_equal():
    found = leaks(outcomes("2 + 2?", "hi"), outcomes("2 + 3?", "Hi!", "hi"))

    assert found.rows.tolist() == [2]


@pytest.mark.parametrize(
    "text",
    [
        "为什么天空在晴天是蓝色的，而在傍晚日落时却是红色的呢？请解释。",
        "لماذا السماء زرقاء في النهار الصافي وحمراء عند الغروب؟",
    ],
)
def test_other_scripts_are_read_like_latin(text):
    found = leaks(outcomes(text, SKY), outcomes(text[:-4] + "谢谢", SEA), near=0.6)

    assert found.rows.tolist() == [0]


def test_every_row_with_the_same_text_is_reported():
    found = leaks(outcomes(SKY, SKY), outcomes(SKY, SEA, SKY))

    assert (found.rows.tolist(), found.matches.tolist()) == ([0, 2], [0, 0])


def test_an_empty_side_has_no_leaks():
    assert len(leaks(outcomes(), outcomes(SKY))) == len(leaks(outcomes(SKY), outcomes())) == 0


def test_groups_join_twins_and_the_twins_of_twins():
    first = SKY + TRAIN
    second = first.replace("clear day", "bright day")
    third = second.replace("an hour", "each hour").replace("the evening", "the end")
    assert len(leaks(outcomes(first), outcomes(third))) == 0

    assert groups(outcomes(first, SEA, second, TRAIN, third, SEA)).tolist() == [0, 1, 0, 2, 0, 1]


def test_a_family_with_more_members_than_are_compared_is_one_group():
    family = [SKY + TRAIN + f" Reply in {i} words." for i in range(PEERS + 4)]

    assert set(text_groups([SEA, *family]).tolist()) == {0, 1}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([SKY, SEA, TRAIN, SKY + "!", SEA + " Say it."]), min_size=1, max_size=12), st.randoms())
def test_groups_do_not_depend_on_the_order(texts, random):
    order = list(range(len(texts)))
    random.shuffle(order)

    ours, theirs = text_groups(texts), text_groups([texts[i] for i in order])

    same = ours[:, None] == ours[None, :]
    np.testing.assert_array_equal(same[np.ix_(order, order)], theirs[:, None] == theirs[None, :])


@settings(max_examples=30, deadline=None)
@given(st.text(min_size=40, max_size=200), st.integers(0, 39))
def test_what_is_reported_is_always_near(text, cut):
    other = text[:cut] + text[cut + 2 :]

    found = leaks(outcomes(text), outcomes(other))

    assert all(value >= 0.7 for value in found.similarity.tolist())


@pytest.mark.data
def test_the_two_sets_of_mmlu_share_most_of_their_questions():
    found = leaks(read(recorded("mmlu-gpt4-mixtral")), read(recorded("open7b-mmlu")))

    assert found.exact.sum() == 3065
    assert len(found) > 3065
