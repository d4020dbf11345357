import json

import numpy as np
import pytest

from switchpoint.core.errors import DataError
from switchpoint.learning.samples import contexts, failures_charged, read_samples
from tests.evaluation.toys import recorded

QUERIES = [
    {"query_id": "q1", "split": "train", "domain": "date", "text": "Today is May 1. What is tomorrow?"},
    {"query_id": "q2", "split": "test", "domain": "date", "text": "Today is May 1. What was yesterday?"},
    {"query_id": "q3", "split": "test", "domain": "date", "text": "What is a leap year?"},
]
PRICES = {"mini": 1.0, "max": 30.0}


def sample(query_id, number, answer="x", model="mini", style="cot", temperature=None, response="four", score=1.0):
    return {
        "query_id": query_id,
        "model": model,
        "style": style,
        "temperature": temperature,
        "sample": number,
        "answer": answer,
        "score": score,
        "response": response,
    }


SAMPLES = [
    *(sample("q1", n, f"{n}") for n in range(4)),
    sample("q1", 0, "big", model="max", response="12"),
    sample("q1", 0, "warm", temperature=0.8),
    sample("q2", 0, None, score=0.0),
    sample("q2", 3, "late"),
    sample("q2", 0, "big", model="max"),
]


@pytest.fixture
def folder(tmp_path):
    for stem, rows in (("queries", QUERIES), ("samples", SAMPLES)):
        (tmp_path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_a_column_is_a_model_under_a_style_and_a_row_a_query(folder):
    outcomes = read_samples(folder, price_per_char=PRICES)

    assert outcomes.models == ("mini:cot", "max:cot")
    assert [query.id for query in outcomes.queries] == ["q1", "q2"]
    assert outcomes.responses.tolist() == [["0", "big"], ["", "big"]]


def test_the_cost_is_the_length_of_the_response_times_the_price(folder):
    outcomes = read_samples(folder, price_per_char=PRICES)

    np.testing.assert_array_equal(outcomes.cost_usd, [[4, 60], [4, 120]])


def test_replicates_hold_other_samples_and_come_round_where_a_style_has_fewer(folder):
    outcomes = read_samples(folder, "train", price_per_char=PRICES, replicates=3)

    assert outcomes.responses.tolist() == [["0", "big"], ["1", "big"], ["2", "big"]]
    assert {query.id for query in outcomes.queries} == {"q1"}


def test_further_draws_are_columns_and_no_replicate_shares_one(folder):
    outcomes = read_samples(folder, "train", price_per_char={"mini": 1.0}, replicates=2, draws=2)

    assert outcomes.models == ("mini:cot", "mini:cot#2")
    assert outcomes.responses.tolist() == [["0", "1"], ["2", "3"]]


def test_a_sample_that_was_not_recorded_is_unknown(folder):
    outcomes = read_samples(folder, "test", price_per_char={"mini": 1.0}, replicates=4)

    assert outcomes.responses[:, 0].tolist() == ["", None, None, "late"]
    np.testing.assert_array_equal(outcomes.quality[:, 0], [0, np.nan, np.nan, 1])


def test_a_missing_sample_can_be_charged_as_a_failure_at_the_mean_cost(folder):
    outcomes = failures_charged(read_samples(folder, "test", price_per_char={"mini": 1.0}, replicates=4))

    assert outcomes.responses[:, 0].tolist() == ["", "", "", "late"]
    np.testing.assert_array_equal(outcomes.quality[:, 0], [0, 0, 0, 1])
    np.testing.assert_array_equal(outcomes.cost_usd[:, 0], [4, 4, 4, 4])


def test_only_samples_of_the_temperature_asked_for_are_read(folder):
    outcomes = read_samples(folder, price_per_char=PRICES, temperature=0.8)

    assert outcomes.responses.tolist() == [["warm"]]


def test_gaps_closed_by_numbering_anew_are_spread_over_the_numbers(tmp_path):
    rows = [*(sample("q1", n) for n in range(24)), *(sample("q2", n, f"{n}") for n in range(12))]
    for stem, each in (("queries", QUERIES), ("samples", rows)):
        (tmp_path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each))

    found = read_samples(tmp_path, "test", price_per_char={"mini": 1.0}, replicates=24).responses[:, 0].tolist()

    assert [text for text in found if text is not None] == [f"{n}" for n in range(12)]
    assert None in found[:12]


@pytest.mark.parametrize("more", [{"temperature": 0.1}, {"price_per_char": {}}, {"split": "nowhere"}])
def test_a_folder_without_samples_of_that_kind_is_refused(folder, more):
    with pytest.raises(DataError, match="no samples"):
        read_samples(folder, **{"price_per_char": PRICES, **more})


def test_questions_on_one_setting_have_one_context(folder):
    outcomes = read_samples(folder, price_per_char=PRICES, replicates=2)

    assert len(set(contexts(outcomes).tolist())) == 1


@pytest.mark.data
def test_the_recorded_date_questions_stand_on_forty_one_settings_in_both_splits():
    folder = recorded("samples-date")
    both = [read_samples(folder, split, price_per_char={"gpt-4": 1.0}) for split in ("train", "test")]

    assert [len(set(contexts(each).tolist())) for each in both] == [41, 41]
