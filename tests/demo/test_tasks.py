"""The demo's tasks, and the recording of them that ships with the package."""

import json
from collections import Counter
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from switchpoint.demo.configuration import DATA
from switchpoint.demo.options import OPTIONS
from switchpoint.demo.tasks import Task, normalised, split, tasks

COLOUR = Task(text="What colour is snow?", kind="colour", answers=("white",))


@cache
def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def test_no_text_is_asked_twice():
    assert len({task.text for task in tasks()}) == len(tasks()) == 560


def test_a_query_id_is_the_beginning_of_the_hash_of_its_text():
    assert COLOUR.query_id == sha256(b"What colour is snow?").hexdigest()[:16]


def test_every_kind_is_half_for_training_and_half_for_testing():
    counts = Counter((task.kind, split(tasks())[task.query_id]) for task in tasks())

    assert len(counts) == 2 * 20
    assert set(counts.values()) == {14}


def test_the_split_does_not_depend_on_the_order_of_the_tasks():
    assert split(tasks()[::-1]) == split(tasks())


def test_every_task_accepts_each_of_its_answers():
    assert [task for task in tasks() for answer in task.answers if not task.accepts(answer)] == []


def test_no_task_accepts_the_repeated_question_or_silence():
    assert [task for task in tasks() if task.accepts(task.text) or task.accepts("")] == []


@pytest.mark.parametrize(
    "response",
    ["white", " White.", '"white"', "<b>white</b>", "Snow is white.", "The answer is: white", "Hm.\nwhite\n"],
)
def test_a_right_answer_may_be_dressed(response: str):
    assert COLOUR.accepts(response)


@pytest.mark.parametrize("response", ["black", "white or black", "white is a colour", "off-white", "white\nblack"])
def test_a_right_word_in_a_wrong_answer_is_not_accepted(response: str):
    assert not COLOUR.accepts(response)


def test_an_article_does_not_make_a_word_wrong():
    assert Task(text="French for cat?", kind="french", answers=("chat",)).accepts("Le chat.")


def test_normalised_is_the_last_line_without_case_and_final_punctuation():
    assert normalised("Let me think.\n The Moon!  \n\n") == "the moon"


def test_examples_put_before_a_question_are_no_tasks():
    texts = {task.text for task in tasks()}

    assert [m for option in OPTIONS for m in option.preamble if m["content"] in texts] == []


def test_the_recorded_queries_are_the_tasks():
    splits = split(tasks())

    assert rows("queries") == [
        {"query_id": task.query_id, "split": splits[task.query_id], "domain": task.kind, "text": task.text}
        for task in tasks()
    ]


def test_every_task_was_asked_with_every_option_once():
    asked = Counter((row["query_id"], row["model"]) for row in rows("outcomes"))

    assert asked == Counter((task.query_id, option.id) for task in tasks() for option in OPTIONS)


def test_recorded_scores_follow_from_the_recorded_responses():
    by_id = {task.query_id: task for task in tasks()}

    assert [r for r in rows("outcomes") if r["score"] != by_id[r["query_id"]].accepts(r["response"])] == []


def test_recorded_costs_are_the_seconds_at_the_stated_price():
    recording = json.loads((DATA / "recording.json").read_text("utf-8"))
    usd_per_s = recording["usd_per_hour"] / 3600

    assert all(row["cost_usd"] == pytest.approx(row["latency_s"] * usd_per_s, rel=2e-3) for row in rows("outcomes"))


def test_the_options_of_the_recording_are_the_options_of_today():
    recording = json.loads((DATA / "recording.json").read_text("utf-8"))

    assert [(o["id"], o["samples"], o["preamble"], o["parameters"]) for o in recording["options"]] == [
        (option.id, option.samples, [dict(m) for m in option.preamble], dict(option.parameters)) for option in OPTIONS
    ]


def test_the_recording_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in DATA.glob("*.jsonl")) < 1_500_000
