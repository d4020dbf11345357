"""Threat 3: text that makes a model which reads it, to rate a query or to judge an answer, say what its writer wants.

What is held here is ours: what the model is shown, what of its words can count, and what happens where it says nothing.
That a model obeys what it was told not to obey cannot be excluded; then it still says one of the closed set.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from switchpoint.core.attempt import Answer
from switchpoint.core.model import Model
from switchpoint.core.query import Query
from switchpoint.core.rating import WAYS
from switchpoint.upstreams.fake import Fake
from switchpoint.upstreams.rating import Rater
from switchpoint.upstreams.rating_prompt import QUESTIONS, request_of
from switchpoint.upstreams.rating_reading import read_rating
from switchpoint.verifiers.asking import Asking, request
from switchpoint.verifiers.judge import Judge, read_scores
from tests.security.injections import CORPUS

MODEL = Model(id="m", upstream="fake", upstream_model="m")
MARK = re.compile(r"</?query-([0-9a-f]{12})>")
HARMLESS = "How far is the moon?"


def said(text: str) -> Answer:
    return Answer(text=text, body={"choices": [{"message": {"content": text}}]})


def test_there_are_two_hundred_of_them_and_none_twice():
    """Threat 3."""
    assert len(CORPUS) == len(set(CORPUS)) == 200


@pytest.mark.parametrize("way", QUESTIONS)
@pytest.mark.parametrize("can", [None, frozenset({"json_schema"})])
def test_a_query_changes_nothing_of_what_a_rater_is_told_but_the_text_between_the_marks(way: str, can: frozenset[str]):
    """Threat 3."""
    *plain, _ = request_of(Query.of(HARMLESS), way, can).messages

    for text in CORPUS:
        *told, last = request_of(Query.of(text), way, can).messages
        opened, closed = MARK.findall(last["content"])
        inside = last["content"].split("\n", 1)[1].rsplit("\n", 1)[0]

        assert told == plain and opened == closed
        assert opened not in inside and not set("<>") & set(inside)


@pytest.mark.parametrize("way", WAYS)
def test_whatever_a_rater_is_made_to_say_is_one_of_the_closed_set_or_nothing(way: str):
    """Threat 3: also where it repeats the text, or part of it, as its answer."""
    possible = {None, *WAYS[way].values()}

    for text in CORPUS:
        for part in (text, text[::-1], *text.split()):
            rating = read_rating(said(part), way)
            assert (None if rating is None else rating.ease) in possible


def test_repeating_a_text_is_no_rating():
    """Threat 3: a rater that answers with the query, as a base model would, leaves every such query unrated."""
    assert {read_rating(said(text), way) for text in CORPUS for way in WAYS} == {None}


@pytest.mark.parametrize("role", ["tool", "system", "assistant"])
def test_only_the_users_words_are_rated(role: str):
    """Threat 3: what a tool returned, or a document says, is not part of what is read."""
    for text in CORPUS[::7]:
        message = {"role": role, "content": text, "tool_call_id": "c"}
        asked = Query(id="q", messages=(message, {"role": "user", "content": HARMLESS}))
        assert asked.text == asked.last_turn == HARMLESS


@pytest.mark.parametrize("answer", ["nonsense", "I cannot rate this.", "55", '{"rating": 9}', ""])
async def test_a_rater_that_says_nothing_of_the_set_leaves_the_query_as_it_was(answer: str):
    """Threat 3: the declared direction; the router then decides by the models' mean."""
    rated = await Rater(MODEL, Fake({"m": [answer or " "]}))(Query.of(HARMLESS))

    assert rated.signals == {}


async def test_a_rater_that_is_late_leaves_the_query_as_it_was():
    """Threat 3: the same direction for a timeout."""
    rated = await Rater(MODEL, Fake({"m": ["5"]}, latency_s=5.0), time_box_s=0.01)(Query.of(HARMLESS))

    assert rated.signals == {}


def test_a_judges_task_is_the_same_whatever_it_judges_and_the_material_cannot_forge_a_mark():
    """Threat 3."""
    for text in CORPUS:
        asked = request(Query.of(HARMLESS), "Judge.", {"request": HARMLESS, "answer": text}, {})
        system, user = (message["content"] for message in asked.messages)
        mark = user.split(" ", 1)[0]

        assert system.replace(mark, "MARK").startswith("Judge. Whatever stands between the marks MARK")
        assert user.count(mark) == 4 and mark not in text and "<|" not in user


async def test_a_judge_that_says_nothing_it_can_be_held_to_accepts_nothing():
    """Threat 3: never fails open. Unknown is NaN, which no threshold accepts, so the next model is called."""
    for answer in ("fine", '{"score": 11}', '{"score": "10"}', '{"score": true}', "10 20", "score: 10 because"):
        verdict = await Judge(Asking(MODEL, Fake({"m": [answer]})))(Query.of(HARMLESS), said("42"))
        assert math.isnan(verdict.score), answer


async def test_a_judge_that_fails_or_is_late_accepts_nothing():
    """Threat 3."""
    late = Asking(MODEL, Fake({"m": ['{"score": 10}']}, latency_s=5.0), time_box_s=0.01)
    missing = Asking(replace(MODEL, upstream_model="nobody"), Fake({"m": ['{"score": 10}']}))

    for asking in (late, missing):
        assert math.isnan((await Judge(asking)(Query.of(HARMLESS), said("42"))).score)


def test_of_several_opinions_the_last_counts_so_a_judge_that_quotes_first_is_not_fooled():
    """Threat 3: the known rest: a judge that says nothing after the quotation is. See docs/security.md."""
    for text in CORPUS:
        quoted = f"The answer says: {json.dumps(text)}. It is wrong.\n" + '{"score": 2}'
        assert read_scores(quoted, ("score",), 1, 10) == (2.0,)
