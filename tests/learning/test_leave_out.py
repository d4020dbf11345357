import json

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError
from switchpoint.core.estimate import Prediction
from switchpoint.learning import routers
from switchpoint.learning.leave_out import leave_one_out
from switchpoint.learning.routers import ROUTERS, Recipe

N = 40
FITTED = []
"""Ids of the queries of every fit of the toy router."""


class Reader:
    """Reads off the text which model is right, and so is right on any dataset."""

    def __init__(self, train):
        self.models_ = train.models
        FITTED.append({query.id for query in train.queries})

    def predict(self, queries):
        first = np.array(["first" in query.text for query in queries], dtype=float)
        return Prediction(mean=np.stack([first, 1 - first], axis=1))


@pytest.fixture(autouse=True)
def a_router_that_learns(monkeypatch):
    FITTED.clear()
    recipe = Recipe(make=lambda train, models: Reader(train), learns=True, probabilities=True, summary="toy")
    monkeypatch.setattr(routers, "ROUTERS", {**ROUTERS, "toy": recipe})


@pytest.fixture
def folder(tmp_path):
    """Of two models the first is right in `share` of the queries, and the text says so; the other in the rest."""

    def write(name, share, domains=("one", "two")):
        path = tmp_path / name
        path.mkdir()
        firsts = [i % 10 < 10 * share for i in range(N)]
        queries = [
            {
                "query_id": f"{name}{i}",
                "split": ("train", "test")[i // 10 % 2],
                "domain": domains[i % len(domains)],
                "text": f"{name} {i} {'first' if first else 'second'}",
            }
            for i, first in enumerate(firsts)
        ]
        outcomes = [
            {"query_id": f"{name}{i}", "model": model, "score": int(first == (model == "a")), "cost_usd": None}
            for i, first in enumerate(firsts)
            for model in ("a", "b")
        ]
        for stem, rows in (("queries", queries), ("outcomes", outcomes)):
            (path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_every_dataset_is_measured_by_a_router_that_never_saw_it(folder):
    folders = [folder("x", 0.8), folder("y", 0.8), folder("z", 0.2)]

    found = leave_one_out("toy", folders, resamples=50)

    assert [row.left_out for row in found.rows] == ["x", "y", "z"]
    assert [{query[0] for query in ids} for ids in FITTED] == [{"y", "z"}, {"x", "z"}, {"x", "y"}]
    assert {(row.n_train, row.n_queries) for row in found.rows} == {(N, N // 2)}


def test_the_best_single_model_is_chosen_on_the_training_part(folder):
    found = leave_one_out("toy", [folder("x", 0.8), folder("y", 0.2)], resamples=50)

    assert [row.best_single_model for row in found.rows] == ["b", "a"]
    assert [row.gain.value for row in found.rows] == pytest.approx([0.8, 0.8])


def test_the_worst_row_and_the_mean_weigh_every_dataset_alike(folder):
    found = leave_one_out("toy", [folder("x", 0.8), folder("y", 0.8), folder("z", 0.6)], resamples=50)

    assert found.worst.left_out == "x"
    assert found.mean_gain.value == pytest.approx((0.2 + 0.2 + 0.4) / 3)
    assert found.mean_gain.low < found.mean_gain.value < found.mean_gain.high


def test_a_router_that_always_takes_the_best_constant_gains_nothing(folder):
    found = leave_one_out("best", [folder("x", 0.8), folder("y", 0.6)], resamples=50)

    assert [tuple(row.gain) for row in found.rows] == [(0.0, 0.0, 0.0)] * 2


def test_every_domain_of_one_dataset_can_be_left_out(folder):
    found = leave_one_out("toy", [folder("x", 0.6, ("one", "two", "three"))], unit="domain", resamples=50)

    assert [row.left_out for row in found.rows] == ["two", "three", "one"]
    assert sum(row.n_queries for row in found.rows) == N // 2
    assert not FITTED[0] & FITTED[1] & FITTED[2]


def test_intervals_may_be_drawn_by_group(folder):
    found = leave_one_out("toy", [folder("x", 0.8), folder("y", 0.6)], by_group=True, resamples=50)

    assert all(row.gain.low <= row.gain.value <= row.gain.high for row in found.rows)


def test_the_report_is_json_and_names_the_worst(folder):
    found = leave_one_out("toy", [folder("x", 0.8), folder("y", 0.6)], resamples=50)

    report = json.loads(json.dumps(found.to_json()))

    assert report["worst"] == report["rows"][0]
    assert len(report["mean_gain"]) == len(report["rows"][0]["gain_over_best_single"]) == 3
    assert report["rows"][0]["quality"]["best_single_model"] == "a"


def test_the_table_ends_with_the_worst_and_the_mean(folder):
    sheet = leave_one_out("toy", [folder("x", 0.8), folder("y", 0.6)], resamples=50).sheet()

    assert [row[0] for row in sheet.rows] == ["x", "y", "worst: x", "mean"]
    assert {len(row) for row in sheet.rows} == {len(sheet.columns)}


@pytest.mark.parametrize("unit", ["dataset", "domain"])
def test_one_alone_cannot_be_left_out(folder, unit):
    with pytest.raises(ConfigError, match=f"Leaving one {unit} out needs at least two. Got 0"):
        leave_one_out("toy", [folder("x", 0.8, ("one",))], unit=unit)


def test_a_dataset_is_named_once(folder):
    path = folder("x", 0.8)

    with pytest.raises(ConfigError, match="named twice"):
        leave_one_out("toy", [path, str(path)])
