import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import DataError, UnknownModel
from switchpoint.learning.datasets import (
    Response,
    normalised_text,
    overlap,
    read,
    read_many,
    responses,
    without_overlap,
)

QUERIES = [
    {"query_id": "q1", "split": "train", "domain": "sums", "text": "What is 2 + 2?"},
    {"query_id": "q2", "split": "test", "domain": "sums", "text": "What is 2 - 2?"},
    {"query_id": "q3", "split": "train", "domain": "facts", "text": "Capital of France?"},
]
OUTCOMES = [
    {"query_id": "q1", "model": "mini", "score": 1, "cost_usd": 0.001, "response": "4"},
    {"query_id": "q1", "model": "max", "score": 1.0, "cost_usd": 0.01, "response": None},
    {"query_id": "q2", "model": "mini", "score": 0.25, "cost_usd": None, "response": "zero"},
    {"query_id": "q2", "model": "max", "score": None, "cost_usd": 0.02, "response": "0"},
    {"query_id": "q3", "model": "max", "score": 0.5, "cost_usd": 0.03, "response": "Paris"},
]


@pytest.fixture
def folder(tmp_path):
    """Write a dataset as JSON lines; `queries` and `outcomes` replace the rows of the toy one."""

    def write(queries=QUERIES, outcomes=OUTCOMES, name="toy"):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        for stem, rows in (("queries", queries), ("outcomes", outcomes)):
            if rows is not None:
                (path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def changed(rows, number, **values):
    return [{**row, **values} if i == number else row for i, row in enumerate(rows, start=1)]


def outcome(query_id="q1", model="mini", score=1.0, cost_usd=None):
    return {"query_id": query_id, "model": model, "score": score, "cost_usd": cost_usd}


def test_a_folder_is_read_as_it_was_written(folder):
    outcomes = read(folder())

    assert outcomes.name == "toy"
    assert [query.id for query in outcomes.queries] == ["q1", "q2", "q3"]
    assert [query.full_text for query in outcomes.queries] == [row["text"] for row in QUERIES]
    assert outcomes.models == ("mini", "max")
    assert outcomes.domains == ("sums", "sums", "facts")


def test_what_is_null_or_absent_is_not_observed(folder):
    outcomes = read(folder())

    np.testing.assert_array_equal(outcomes.quality, [[1, 1], [0.25, np.nan], [np.nan, 0.5]])
    np.testing.assert_array_equal(outcomes.cost_usd, [[0.001, 0.01], [np.nan, 0.02], [np.nan, 0.03]])


@pytest.mark.parametrize(("split", "ids"), [("train", ["q1", "q3"]), ("test", ["q2"]), ("all", ["q1", "q2", "q3"])])
def test_a_split_has_its_own_queries(folder, split, ids):
    assert [query.id for query in read(folder(), split).queries] == ids


def test_chosen_models_come_in_the_order_asked_and_only_with_queries_they_were_observed_on(folder):
    outcomes = read(folder(), models=["max", "mini"])
    only = read(folder(), models=["mini"])

    assert outcomes.models == ("max", "mini")
    assert [query.id for query in only.queries] == ["q1", "q2"]


def test_an_unknown_model_names_the_nearest(folder):
    with pytest.raises(UnknownModel, match="Did you mean 'mini'"):
        read(folder(), models=["minj"])


def test_an_unknown_split_names_the_nearest(folder):
    with pytest.raises(DataError, match=r"'tset' is none of train, test, all. Did you mean 'test'"):
        read(folder(), "tset")


def test_parquet_and_json_lines_say_the_same(folder, tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    (tmp_path / "other").mkdir()
    for stem, rows in (("queries", QUERIES), ("outcomes", OUTCOMES)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "other" / f"{stem}.parquet")

    lines, parquet = read(folder()), read(tmp_path / "other")

    assert (lines.queries, lines.models, lines.domains) == (parquet.queries, parquet.models, parquet.domains)
    np.testing.assert_array_equal(lines.quality, parquet.quality)
    np.testing.assert_array_equal(lines.cost_usd, parquet.cost_usd)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"score": 1.5}, "row 2, column 'score': 1.5 is outside"),
        ({"score": -0.1}, "row 2, column 'score': -0.1 is negative"),
        ({"score": math.nan}, "row 2, column 'score': nan is not a value; write null"),
        ({"score": math.inf}, "row 2, column 'score': inf is not a value"),
        ({"score": "1"}, "row 2, column 'score': '1' is not a number"),
        ({"score": True}, "row 2, column 'score': True is not a number"),
        ({"cost_usd": -1}, "row 2, column 'cost_usd': -1 is negative"),
        ({"cost_usd": math.nan}, "row 2, column 'cost_usd': nan is not a value; write null"),
        ({"query_id": "q9"}, "row 2, column 'query_id': 'q9' stands in no row of the queries"),
        ({"query_id": None}, "row 2, column 'query_id': null is not text"),
        ({"model": 7}, "row 2, column 'model': 7 is not text"),
        ({"model": "mini"}, "row 2, column 'model': a second outcome of 'mini' on query 'q1'"),
    ],
)
def test_a_wrong_outcome_names_its_row_and_column(folder, values, message):
    with pytest.raises(DataError, match=f"outcomes.jsonl: {message}"):
        read(folder(outcomes=changed(OUTCOMES, 2, **values)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"split": "dev"}, "row 2, column 'split': 'dev' is neither 'train' nor 'test'"),
        ({"text": "  "}, "row 2, column 'text': is empty"),
        ({"text": None}, "row 2, column 'text': null is not text"),
        ({"query_id": "q1"}, "row 2, column 'query_id': 'q1' stood above with another text"),
        (QUERIES[0] | {"split": "test"}, "row 2, column 'split': 'q1' stands in 'train' and in 'test'"),
    ],
)
def test_a_wrong_query_names_its_row_and_column(folder, values, message):
    with pytest.raises(DataError, match=f"queries.jsonl: {message}"):
        read(folder(queries=changed(QUERIES, 2, **values)))


def test_ten_problems_are_told_at_once_and_the_rest_counted(folder):
    wrong = [outcome(model=f"m{i}", score=2) for i in range(13)]

    with pytest.raises(DataError, match="and 3 more") as caught:
        read(folder(outcomes=wrong))

    assert str(caught.value).count("row ") == 10


def test_no_message_quotes_a_prompt(folder):
    prompt = "my secret question " * 5

    with pytest.raises(DataError) as caught:
        read(folder(queries=changed(QUERIES, 2, text=[prompt])))

    assert "secret" not in str(caught.value)


def test_a_missing_column_names_the_nearest(folder):
    rows = [{"query_id": "q1", "model": "mini", "scores": 1, "cost_usd": None}]

    with pytest.raises(DataError, match=r"outcomes.jsonl: column 'score' is missing. Did you mean 'scores'"):
        read(folder(outcomes=rows))


def test_a_column_that_one_row_lacks_names_the_row(folder):
    rows = [*OUTCOMES[:2], {"query_id": "q2", "model": "mini", "cost_usd": 1}]

    with pytest.raises(DataError, match="row 3, column 'score': is not there; write null"):
        read(folder(outcomes=rows))


def test_a_line_that_is_no_json_object_names_its_row(folder):
    path = folder()
    (path / "outcomes.jsonl").write_text('{"query_id": "q1"}\n[1]\nnonsense\n')

    with pytest.raises(DataError, match="row 2: not a JSON object; row 3: not a JSON object"):
        read(path)


def test_an_empty_line_at_the_end_is_no_row(folder):
    path = folder()
    with (path / "outcomes.jsonl").open("a") as file:
        file.write("\n\n")

    assert len(read(path)) == 3


def test_a_file_that_is_no_text_is_named(folder):
    path = folder()
    (path / "outcomes.jsonl").write_bytes(b"\xff\xfe")

    with pytest.raises(DataError, match=r"outcomes.jsonl: cannot be read"):
        read(path)


def test_a_missing_column_of_parquet_is_named(folder, tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    path = folder(outcomes=None)
    pq.write_table(pa.table({"query_id": ["q1"], "model": ["mini"], "score": [1.0]}), path / "outcomes.parquet")

    with pytest.raises(DataError, match=r"outcomes.parquet: column 'cost_usd' is missing"):
        read(path)


def test_a_file_that_is_no_parquet_is_named(folder):
    pytest.importorskip("pyarrow")
    path = folder(outcomes=None)
    (path / "outcomes.parquet").write_bytes(b"not this")

    with pytest.raises(DataError, match=r"outcomes.parquet: not readable as Parquet"):
        read(path)


def test_a_missing_folder_or_table_is_named(folder, tmp_path):
    path = folder(outcomes=None)

    with pytest.raises(DataError, match=r"toys: no such folder. Did you mean 'toy'"):
        read(tmp_path / "toys")
    with pytest.raises(DataError, match=r"neither outcomes.parquet nor outcomes.jsonl"):
        read(path)


@pytest.mark.parametrize("table", ["queries", "outcomes"])
def test_an_empty_table_is_refused(folder, table):
    with pytest.raises(DataError, match=f"{table}.jsonl: the file holds no rows"):
        read(folder(**{table: []}))


def test_a_split_in_which_nothing_was_observed_is_refused(folder):
    with pytest.raises(DataError, match=r"nothing is observed of max in split 'test'; it holds 1 of 3 queries"):
        read(folder(), "test", ["max"])


def test_recorded_answers_are_read_in_the_order_of_the_file(folder):
    found = list(responses(folder()))

    assert found[0] == Response(query_id="q1", model="mini", text="4")
    assert [answer.text for answer in found] == ["4", "zero", "0", "Paris"]


def test_folders_are_pooled_with_the_union_of_their_models(folder):
    other = folder(
        queries=[{"query_id": "x", "split": "train", "domain": "facts", "text": "Capital of Peru?"}],
        outcomes=[outcome("x", "other", 0.7)],
        name="more",
    )

    pooled = read_many([folder(), other])

    assert pooled.name == "toy+more"
    assert pooled.models == ("mini", "max", "other")
    np.testing.assert_array_equal(pooled.quality[-1], [np.nan, np.nan, 0.7])
    assert np.isnan(pooled.quality[:3, 2]).all()


def test_a_text_of_two_folders_becomes_one_row_and_the_earlier_folder_stands(folder):
    same = [{"query_id": "x", "split": "train", "domain": "d", "text": "Question: what is 2 + 2? Answer:"}]
    told = []
    other = folder(queries=same, outcomes=[outcome("x", "mini", 0.0, 9.0), outcome("x", "other", 0.7)], name="more")

    pooled = read_many([folder(), other], say=told.append)

    assert len(pooled) == 3
    np.testing.assert_array_equal(pooled.quality[0], [1.0, 1.0, 0.7])
    assert pooled.cost_usd[0, 0] == 0.001
    assert told == ["1 texts stand in several of toy, more: each became one row."]


def test_an_id_that_two_folders_use_for_different_texts_is_made_unique(folder):
    other = folder(queries=[{**QUERIES[0], "text": "Another one"}], outcomes=[outcome("q1")], name="more")

    assert [query.id for query in read_many([folder(), other]).queries] == ["q1", "q2", "q3", "more/q1"]


def test_pooled_models_can_be_chosen_and_no_folder_is_an_error(folder):
    assert read_many([folder()], "train", ["mini"]).quality.tolist() == [[1.0]]
    with pytest.raises(UnknownModel):
        read_many([folder()], models=["nobody"])
    with pytest.raises(DataError, match="No dataset folder"):
        read_many([])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Question: What is  it?\nAnswer:", "what is it"),
        ("Pick one.\nA. yes\nB. no\nAnswer:", "Pick one. A) yes B) no"),
        ("“Quoted” ＡＢＣ", '"quoted" abc'),
    ],
)
def test_one_question_in_two_templates_is_one_text(a, b):
    assert normalised_text(a) == normalised_text(b)


@pytest.mark.parametrize(
    ("a", "b"), [("2 + 2", "2 - 2"), ("3.5", "35"), ("a < b", "a > b"), ("2 * 3", "2 / 3"), ("今天", "明天")]
)
def test_what_changes_the_meaning_stays(a, b):
    assert normalised_text(a) != normalised_text(b)


@given(st.text(max_size=40))
def test_normalising_ignores_case_and_white_space_around(text):
    assert normalised_text(f"  {text}\n ") == normalised_text(text)


def test_training_rows_that_stand_in_the_test_are_taken_out_and_counted(folder):
    train = read(folder(), "all")
    test = read(folder(), "test")

    left, removed = without_overlap(train, test)

    assert overlap(train, test).tolist() == [1]
    assert removed == 1
    assert [query.id for query in left.queries] == ["q1", "q3"]


def test_when_every_training_row_stands_in_the_test_nothing_can_be_learnt(folder):
    with pytest.raises(DataError, match="every row to train on stands in toy too"):
        without_overlap(read(folder(), "test"), read(folder(), "all"))


def test_tokens_and_latency_are_read_where_the_file_has_them(folder):
    outcomes = read(folder(outcomes=changed(OUTCOMES, 2, output_tokens=80, latency_s=1.5)))

    np.testing.assert_array_equal(outcomes.output_tokens, [[np.nan, 80], [np.nan, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(outcomes.latency_s[0], [np.nan, 1.5])
    assert outcomes.input_tokens is None


def test_a_column_of_nulls_says_nothing(folder):
    assert read(folder(outcomes=[{**row, "output_tokens": None} for row in OUTCOMES])).output_tokens is None


def test_a_negative_latency_is_named(folder):
    with pytest.raises(DataError, match="row 3, column 'latency_s': -1 is negative"):
        read(folder(outcomes=changed(OUTCOMES, 3, latency_s=-1)))


def test_pooled_tokens_come_from_the_folder_that_the_score_comes_from(folder):
    first = folder(outcomes=changed(OUTCOMES, 1, output_tokens=10), name="first")
    second = folder(outcomes=changed(OUTCOMES, 4, score=1, output_tokens=20, latency_s=2.0), name="second")

    pooled = read_many([first, second])

    np.testing.assert_array_equal(pooled.output_tokens, [[10, np.nan], [np.nan, 20], [np.nan, np.nan]])
    assert pooled.latency_s[1, 1] == 2.0
    assert pooled.input_tokens is None


def test_an_answer_without_a_score_is_read_where_it_is_asked_for(folder):
    unscored = changed(changed(OUTCOMES, 1, score=None, output_tokens=10), 2, score=None)
    first, second = folder(outcomes=unscored, name="first"), folder(name="second")

    alone, pooled = read(first, scored=False), read_many([first, second], scored=False)

    assert len(alone) == len(read(first)) + 1
    assert alone.output_tokens[0, 0] == 10
    # What the second folder says of that cell has a score, so all of it is taken from there.
    assert pooled.quality[0, 0] == read(second).quality[0, 0]
    assert np.isnan(pooled.output_tokens[0, 0])


def test_tokens_are_read_from_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist(QUERIES), tmp_path / "queries.parquet")
    pq.write_table(
        pa.Table.from_pylist([{**row, "input_tokens": 7} for row in OUTCOMES]), tmp_path / "outcomes.parquet"
    )

    np.testing.assert_array_equal(read(tmp_path).input_tokens, [[7, 7], [7, 7], [np.nan, 7]])
