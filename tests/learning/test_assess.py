import json
import tomllib

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError, DataError, UnknownModel
from switchpoint.core.estimate import Prediction
from switchpoint.evaluation.operating import Target
from switchpoint.learning import routers
from switchpoint.learning import tune as tuning
from switchpoint.learning.assess import assess
from switchpoint.learning.datasets import read
from switchpoint.learning.routers import ROUTERS, Recipe, make_router, options
from switchpoint.learning.tune import FOLDS, folds, tune

N = 40
FITTED = []
"""Ids of the queries of every fit of the toy router."""


class Means:
    """A stand-in for a trained router: the mean quality of each model at each prompt length."""

    def __init__(self, train):
        self.models_, self.train = train.models, train
        FITTED.append({query.id for query in train.queries})

    def predict(self, queries):
        easy = np.array([[len(query.full_text) < 20] for query in queries], dtype=float)
        return Prediction(mean=self.train.mean_quality() + 0.3 * easy * np.array([1.0, -1.0, 0.0])[: len(self.models_)])


@pytest.fixture(autouse=True)
def a_trained_router(monkeypatch):
    """`toy` learns; it takes the place of the real one, whose own tests are elsewhere."""
    FITTED.clear()
    recipe = Recipe(
        make=lambda train, models: Means(train), learns=True, probabilities=True, tunable=True, summary="toy"
    )
    monkeypatch.setattr(routers, "ROUTERS", {**ROUTERS, "toy": recipe})


@pytest.fixture
def folder(tmp_path):
    """Short prompts are answered by both models, long ones by `max` alone."""

    def write(name="toy", models=("mini", "max"), shared=0):
        path = tmp_path / name
        path.mkdir()
        texts = [f"{name} {i} " + "long " * 5 * (i % 2) for i in range(N - shared)]
        texts += [f"the same in all {i}" for i in range(shared)]
        queries = [
            {"query_id": f"{name}{i}", "split": ("train", "test")[i % 4 // 2], "domain": "d", "text": text}
            for i, text in enumerate(texts)
        ]
        outcomes = [
            {"query_id": f"{name}{i}", "model": model, "score": int(model != "mini" or i % 2 == 0), "cost_usd": cost}
            for i in range(N)
            for model, cost in zip(models, (0.001, 0.01, 0.02), strict=False)
        ]
        for stem, rows in (("queries", queries), ("outcomes", outcomes)):
            (path / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


def test_a_router_is_trained_on_one_split_and_measured_on_the_other(folder):
    path = folder()

    found = assess("toy", test=path, train=[path])

    assert [{f"toy{i}" for i in range(N) if i % 4 < 2}] == FITTED
    assert found.n_queries == N // 2
    assert found.train_s >= 0
    assert found.best_single_model == "max"
    assert found.two_model.apgr.value > 0.5


def test_training_rows_that_stand_in_the_test_are_removed_and_told(folder):
    told = []

    found = assess("toy", test=folder("a", shared=8), train=[folder("b", shared=8)], train_split="all", say=told.append)

    assert found.n_train_removed == 4
    assert any(text.startswith("4 training rows") for text in told)
    assert not FITTED[0] & {"b34", "b35", "b38", "b39"}


def test_a_model_without_training_outcomes_is_not_evaluated_and_it_is_said(folder):
    told = []

    found = assess("toy", test=folder("a", models=("mini", "max", "new")), train=[folder("b")], say=told.append)

    assert found.models == ("mini", "max")
    assert any("no outcome of them: new" in text for text in told)


def test_without_a_common_model_there_is_nothing_to_measure(folder):
    with pytest.raises(DataError, match="No model stands in"):
        assess("toy", test=folder("a", models=("x", "y")), train=[folder("b")])


def test_a_router_that_learns_cannot_do_without_training_data(folder):
    with pytest.raises(ConfigError, match="learns from outcomes"):
        assess("toy", test=folder())


def test_without_training_data_only_the_named_pair_is_compared(folder):
    found = assess("length", test=folder(models=("mini", "max", "other")), weak="mini", strong="max")

    assert found.models == ("mini", "max")
    assert found.best_single_model == "max"
    assert found.train_s is None
    assert found.two_model.apgr == found.two_model.apgr_length


@pytest.mark.parametrize("name", ["length", "random", "cheapest", "best"])
def test_every_baseline_is_a_router_with_and_without_training_data(folder, name):
    path = folder()

    for given in ({"train": [path]}, {"weak": "mini", "strong": "max"}):
        found = assess(name, test=path, **given)
        assert 0 <= found.quality["router"].value <= 1


def test_the_router_named_best_is_the_best_single_model(folder):
    path = folder()

    found = assess("best", test=path, train=[path])

    assert found.quality["router"] == found.quality["best_single"]
    assert found.two_model.apgr.value == pytest.approx(0.5)


def test_an_unknown_router_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'length'"):
        make_router("lenght", None, options(["a", "b"]))


def test_which_model_is_cheapest_must_be_known():
    with pytest.raises(ConfigError, match="cheapest is unknown"):
        make_router("cheapest", None, options(["a", "b"]))


def test_a_router_that_learns_is_tuned_out_of_fold(folder):
    path = folder()

    found = tune([path], Target(share=0.5), router="toy", split="all")

    assert found.out_of_fold
    assert [len(ids) for ids in FITTED] == [N * (FOLDS - 1) // FOLDS] * FOLDS
    assert found.point.share == pytest.approx(0.5)
    assert found.point.quality.value == 1.0


def test_the_setting_found_can_be_pasted(folder):
    found = tune([folder()], Target(share=0.5), router="bundled")
    section = tomllib.loads(found.toml)["routers"]["bundled"]

    assert section == {"kind": "utility", "threshold": found.point.value, "weak": "mini", "strong": "max"}
    assert found.to_json()["toml"] == found.toml
    assert not found.out_of_fold


def test_more_models_are_tuned_by_willingness_and_infinity_can_be_pasted_too(folder):
    found = tune([folder(models=("mini", "max", "other"))], Target(usd_per_1k=1e6), router="toy")

    assert tomllib.loads(found.toml)["routers"]["toy"].keys() == {"kind", "willingness_usd"}
    assert 'engine.default_model = "max"' in found.toml


def test_an_artifact_is_tuned_as_it_is_and_named_in_what_is_pasted(folder, tmp_path, monkeypatch):
    path = folder()
    monkeypatch.setattr(tuning, "_artifact", lambda folder: Means(read(path, "test")))

    found = tune([path], Target(quality=1.0), artifact=tmp_path / "mine")

    section = tomllib.loads(found.toml)["routers"]["mine"]
    assert section["artifact"] == str(tmp_path / "mine")
    assert len(FITTED) == 1


def test_a_baseline_cannot_be_tuned(folder):
    with pytest.raises(ConfigError, match="'length' cannot be tuned"):
        tune([folder()], Target(share=0.5), router="length")


def test_tuning_on_an_unknown_model_names_the_nearest(folder):
    with pytest.raises(UnknownModel, match="Did you mean 'mini'"):
        tune([folder()], Target(share=0.5), router="bundled", models=["minj", "max"])


def test_folds_hold_every_row_once(folder):
    outcomes = read(folder())

    parts = folds(outcomes)

    assert sorted(np.concatenate(parts).tolist()) == list(range(N))
    assert {len(part) for part in parts} == {N // FOLDS}
    with pytest.raises(ConfigError, match="at least 5 queries"):
        folds(outcomes.take([0, 1]))
