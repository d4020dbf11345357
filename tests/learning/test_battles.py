"""Battles as Chatbot Arena and RouteLLM publish them."""

import json

import pytest

from switchpoint.core.errors import DataError
from switchpoint.learning.datasets import read
from switchpoint.learning.import_battles import battles
from switchpoint.learning.importers import import_dataset
from switchpoint.learning.write import read_preferences

pytest.importorskip("pyarrow")

ARENA = "id,model_a,model_b,prompt,response_a,response_b,winner_model_a,winner_model_b,winner_tie\n"


def jsonl(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def battle(**more):
    return {"model_a": "gpt-4", "model_b": "vicuna", "winner": "model_a", "prompt": "Why is the sky blue?"} | more


def test_the_arena_marks_the_winner_in_one_of_three_columns(tmp_path):
    rows = '1,gpt-4,vicuna,"[""First?"",""Second?""]","[""a""]","[""b""]",1,0,0\n'
    rows += '2,gpt-4,koala,"[""Third?""]","[""a""]","[""b""]",0,1,0\n3,koala,vicuna,"[""First?""]",x,y,0,0,1\n'
    (tmp_path / "train.csv").write_text(ARENA + rows)

    found = battles(tmp_path / "train.csv")

    assert [query.full_text for query in found.queries] == ["First?", "Third?", "First?"]
    assert list(zip(found.a, found.b, found.result, strict=True)) == [
        ("gpt-4", "vicuna", 1.0),
        ("gpt-4", "koala", 0.0),
        ("koala", "vicuna", 0.5),
    ]


def test_a_conversation_is_represented_by_the_first_turn_of_its_user(tmp_path):
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello?"}, {"role": "assistant"}]
    path = jsonl(tmp_path / "b.jsonl", battle(prompt=None, conversation_a=turns, winner="tie (bothbad)"))

    found = battles(path)

    assert (found.queries[0].full_text, found.result.tolist()) == ("Hello?", [0.5])


def test_routellm_pairs_name_their_prompt_by_number(tmp_path):
    (tmp_path / "prompts.json").write_text(json.dumps(["zero?", "one?"]))
    rows = [{"idx": 1, "model_a": "gpt-4", "model_b": "mixtral", "winner": "model_b"}]
    (tmp_path / "pairwise_data.json").write_text(json.dumps(rows))

    found = battles(tmp_path)

    assert (found.queries[0].full_text, found.result.tolist()) == ("one?", [0.0])


def test_a_prompt_that_begins_with_a_bracket_is_a_prompt(tmp_path):
    found = battles(jsonl(tmp_path / "b.jsonl", battle(prompt="[1, 2] is what?"), battle(prompt=["a list"])))

    assert [query.full_text for query in found.queries] == ["[1, 2] is what?", "a list"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"winner": "model_c"}, "row 2, column 'winner': 'model_c' is none of model_a, model_b, tie"),
        ({"winner": None}, "row 2: nobody won"),
        ({"model_b": "gpt-4"}, "row 2, column 'model_b': 'gpt-4' is also model_a"),
        ({"prompt": " "}, "row 2: no text in 'prompt'"),
        ({"model_a": None}, r"row 2: Expected `str`, got `null` - at `\$.model_a`"),
    ],
)
def test_a_faulty_battle_names_its_row(tmp_path, change, message):
    path = jsonl(tmp_path / "b.jsonl", battle(), battle(**change))

    with pytest.raises(DataError, match=message):
        battles(path)


def test_imported_battles_are_preferences(tmp_path):
    path = jsonl(tmp_path / "b.jsonl", battle(), battle(winner="model_b"))

    found = import_dataset("battles", path, tmp_path / "out")

    assert (found.queries, found.rows, found.models) == (1, 2, 2)
    assert read_preferences(tmp_path / "out" / "preferences.jsonl").result.tolist() == [1.0, 0.0]


def test_battles_whose_judge_scored_each_answer_are_outcomes(tmp_path):
    path = jsonl(tmp_path / "b.jsonl", battle(score_a=10, score_b=5.5), battle(prompt="Else?", score_a=1, score_b=None))

    import_dataset("judged", path, tmp_path / "out", score_range=(1, 10))
    outcomes = read(tmp_path / "out")

    assert outcomes.models == ("gpt-4", "vicuna")
    assert outcomes.quality[0].tolist() == [1.0, 0.5]
    assert outcomes.quality[1, 0] == 0
