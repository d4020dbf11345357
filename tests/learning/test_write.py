"""What is written reads back the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes, Preferences
from switchpoint.core.query import Query
from switchpoint.learning.datasets import read
from switchpoint.learning.write import read_preferences, write, write_preferences

FORMATS = ["parquet", "jsonl"]


def outcomes(quality, cost_usd=None, name="d"):
    quality = np.array(quality, dtype=float)
    texts = [f"{name} question {i}?" for i in range(len(quality))]
    return Outcomes(
        queries=tuple(Query.of(text) for text in texts),
        models=tuple(f"m{i}" for i in range(quality.shape[1])),
        quality=quality,
        cost_usd=np.full(quality.shape, np.nan) if cost_usd is None else np.array(cost_usd, dtype=float),
        domains=tuple(f"domain {i % 2}" for i in range(len(quality))),
        name=name,
    )


def same(a, b):
    assert (a.queries, a.models, a.domains) == (b.queries, b.models, b.domains)
    np.testing.assert_array_equal(a.quality, b.quality)
    np.testing.assert_array_equal(a.cost_usd, b.cost_usd)


@pytest.mark.parametrize("format", FORMATS)
def test_both_splits_read_back_as_they_were(tmp_path, format):
    pytest.importorskip("pyarrow")
    train = outcomes([[np.nan, 1, 0.25], [0.5, np.nan, np.nan]], [[np.nan, 0.1, np.nan], [0.2, np.nan, 0.3]], "train")
    test = outcomes([[0, 0, 1]], name="test")

    write({"train": train, "test": test}, tmp_path / "d", format=format)

    same(read(tmp_path / "d", "train"), train)
    same(read(tmp_path / "d", "test"), test)


cell = st.none() | st.floats(0, 1, width=32)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.tuples(cell, cell).filter(lambda row: row != (None, None)), min_size=1, max_size=8))
def test_whatever_is_observed_survives(tmp_path, rows):
    written = outcomes([[np.nan if value is None else value for value in row] for row in rows])

    write({"train": written}, tmp_path / "d", format="jsonl")

    same(read(tmp_path / "d", "train"), written)


@pytest.mark.parametrize("format", FORMATS)
def test_tokens_and_latencies_are_kept_also_where_nothing_else_is_known(tmp_path, format):
    pytest.importorskip("pyarrow")
    nan = np.nan
    train = replace(outcomes([[1.0, nan]], name="train"), output_tokens=np.array([[7, 30.0]]))
    test = replace(outcomes([[1.0, 0.0]], name="test"), latency_s=np.array([[0.5, nan]]))

    write({"train": train, "test": test}, tmp_path / "d", format=format)

    first, second = (read(tmp_path / "d", split) for split in ("train", "test"))
    np.testing.assert_array_equal(first.output_tokens, [[7, 30]])
    np.testing.assert_array_equal(second.latency_s, [[0.5, nan]])
    assert np.isnan(second.output_tokens).all() and first.input_tokens is None


def test_a_table_of_the_other_format_is_replaced(tmp_path):
    pytest.importorskip("pyarrow")
    write({"train": outcomes([[1.0, 0.0]])}, tmp_path / "d", format="parquet")
    write({"train": outcomes([[0.0, 1.0]])}, tmp_path / "d", format="jsonl")

    assert read(tmp_path / "d").quality.tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"dev": outcomes([[1.0]])}, "by split, 'train' and 'test'; got dev"),
        ({}, "got none"),
        ({"train": outcomes([[1.0]]), "test": outcomes([[1.0, 0.0]], name="t")}, "same models"),
        ({"train": outcomes([[1.0]]), "test": outcomes([[1.0]])}, "stands twice"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, parts, message):
    with pytest.raises(DataError, match=message):
        write(parts, tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(DataError, match="'csv' is none of parquet, jsonl"):
        write({"train": outcomes([[1.0]])}, tmp_path / "d", format="csv")


def test_preferences_read_back_as_they_were(tmp_path):
    queries = tuple(Query.of(text, id=id) for text, id in (("Why?", "one"), ("为什么?", "two"), ("Why?", "one")))
    preferences = Preferences(queries=queries, a=("m", "m", "n"), b=("n", "o", "o"), result=np.array([1.0, 0.5, 0.0]))

    write_preferences(preferences, tmp_path / "new" / "p.jsonl")
    found = read_preferences(tmp_path / "new" / "p.jsonl")

    assert (found.queries, found.a, found.b) == (queries, preferences.a, preferences.b)
    np.testing.assert_array_equal(found.result, preferences.result)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "Why?", "a": "m", "b": "n", "result": 0.7}', "row 1, column 'result': 0.7 is none of 1, 0.5 and 0"),
        ('{"text": "Why?", "a": "m", "b": "m", "result": 1}', "row 1, column 'b': 'm' is the same model as a"),
        ('{"text": "Why?", "a": "m", "result": 1}', "row 1: Object missing required field `b`"),
        ("{", "row 1: Input data was truncated"),
        ("", "holds no rows"),
    ],
)
def test_a_faulty_preference_names_row_and_column(tmp_path, line, message):
    (tmp_path / "p.jsonl").write_text(line + "\n")

    with pytest.raises(DataError, match=message):
        read_preferences(tmp_path / "p.jsonl")
