"""The sequence of a report: which rows are learned from, which are measured, and what is refused."""

import json

import numpy as np
import pytest

from switchpoint.core.errors import ConfigError, DataError, UnknownModel
from switchpoint.evaluation.recommendation import Action
from switchpoint.learning.routability import report
from switchpoint.learning.routers import ROUTERS
from tests.evaluation.toys import recorded

PLAIN = ("length", "cheapest", "best")
HARD_FROM = 30
"""Words from which the small model fails."""


def write(folder, n=80, models=("mini", "max"), splits=("train", "test"), costs=(0.001, 0.01), observed=1.0, domains=1):
    """`max` is right nine times of ten, `mini` on short prompts only; a row goes to each split in turn."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    queries, outcomes = [], []
    for i in range(n):
        split = splits[i % len(splits)]
        words = int(random.integers(2, 60))
        text = " ".join(f"w{random.integers(10_000)}" for _ in range(words))
        queries.append({"query_id": f"q{i}", "split": split, "domain": f"d{i % domains}", "text": text})
        for model, cost in zip(models, costs, strict=False):
            right = words < HARD_FROM if model == "mini" else random.random() < 0.9
            score = int(right) if random.random() < observed else None
            outcomes.append({"query_id": f"q{i}", "model": model, "score": score, "cost_usd": cost})
    for stem, rows in (("queries", queries), ("outcomes", outcomes)):
        (folder / f"{stem}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_routers_learn_from_train_and_are_measured_on_test(tmp_path):
    found = report(write(tmp_path / "toy"), routers=PLAIN)

    assert (found.dataset, found.n_train, found.n_queries, found.out_of_fold) == ("toy", 40, 40, False)
    assert [trial.router for trial in found.trials] == list(PLAIN)
    assert {(trial.rehearsal.n_queries, trial.evaluation.n_queries) for trial in found.trials} == {(40, 40)}


def test_the_rehearsal_is_on_training_rows_that_the_router_had_not_seen(tmp_path):
    folder = write(tmp_path / "toy", n=60)
    rows = [json.loads(line) for line in (folder / "outcomes.jsonl").read_text().splitlines()]
    for row in rows:  # always the other one is right: whoever has seen the rest of the rows is misled
        row["score"] = int((row["model"] == "mini") == (int(row["query_id"][1:]) % 4 < 2))
    (folder / "outcomes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    best = report(folder, routers=["best"]).trials[0]

    assert best.rehearsal.gain_over_best_single.value <= 0
    assert best.evaluation.gain_over_best_single.value == 0


def test_a_learned_router_is_fitted_rehearsed_and_may_be_recommended(tmp_path):
    found = report(write(tmp_path / "toy", n=240), routers=["length", "knn"])

    assert found.for_quality.router == "knn"
    assert found.trials[1].evaluation.train_s > 0
    assert found.trials[1].rehearsal.ece is not None


def test_with_one_split_every_row_is_judged_out_of_fold_and_it_is_said(tmp_path):
    found = report(write(tmp_path / "toy", splits=("train",)), routers=PLAIN)

    assert (found.n_train, found.n_queries, found.out_of_fold) == (80, 80, True)
    assert any("There is one split only" in line for line in found.warnings)


def test_training_rows_whose_text_stands_in_the_test_are_removed_and_counted(tmp_path):
    folder = write(tmp_path / "toy")
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    rows[0]["text"] = rows[1]["text"].upper()
    (folder / "queries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    found = report(folder, routers=["best"])

    assert (found.leaks.exact, found.leaks.removed, found.n_train) == (1, 1, 39)


def test_a_router_that_cannot_be_made_is_named_with_the_reason(tmp_path):
    found = report(write(tmp_path / "toy", costs=(None, None)), routers=PLAIN)

    assert list(found.skipped) == ["cheapest"]
    assert "give training data with costs" in found.skipped["cheapest"]
    assert found.recommendation.action is Action.CONSTANT


def test_if_no_router_can_be_made_the_reasons_are_the_error(tmp_path):
    with pytest.raises(ConfigError, match="cheapest: Which model is the cheapest is unknown"):
        report(write(tmp_path / "toy", costs=(None, None)), routers=["cheapest"])


def test_cells_that_were_not_observed_are_left_out(tmp_path):
    found = report(write(tmp_path / "toy", observed=0.7), routers=PLAIN)

    assert all(each.n_observed < found.n_queries for each in found.models)
    assert any("were not observed" in line for line in found.unknown)


def test_one_model_leaves_nothing_to_route_between(tmp_path):
    folder = write(tmp_path / "toy", models=("mini",))

    with pytest.raises(DataError, match="there is one model, mini, and nothing to route between"):
        report(folder, routers=PLAIN)


def test_too_few_rows_to_hold_any_out_are_refused(tmp_path):
    with pytest.raises(DataError, match="4 rows to learn from; at least 5 are needed"):
        report(write(tmp_path / "toy", n=8), routers=PLAIN)


def test_names_are_checked_before_anything_is_read(tmp_path):
    with pytest.raises(ConfigError, match="Unknown router 'lenght'. Did you mean 'length'"):
        report(tmp_path / "nowhere", routers=["lenght"])
    with pytest.raises(UnknownModel):
        report(write(tmp_path / "toy"), routers=PLAIN, models=["mini", "maxi"])


def test_the_command_that_makes_the_report_again_names_the_dataset_not_its_place(tmp_path):
    found = report(write(tmp_path / "toy"), routers=["best"], weak="mini", strong="max")

    assert found.command == "switchpoint report toy --routers best --weak mini --strong max"


def test_the_per_class_constant_is_chosen_on_other_rows_than_it_is_measured_on(tmp_path):
    folder = write(tmp_path / "toy", n=50, splits=("train",), domains=50)

    found = report(folder, routers=["best"])

    assert {each.model for each in found.classes} == {found.best}


def test_by_default_every_router_of_the_table_is_tried(tmp_path, monkeypatch):
    table = {name: ROUTERS[name] for name in ("best", "length", "ridge")}
    monkeypatch.setattr("switchpoint.learning.routability.ROUTERS", table)

    found = report(write(tmp_path / "toy"))

    assert [trial.router for trial in found.trials] == list(table)
    assert found.command == "switchpoint report toy"
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.data
def test_on_routerbench_arc_a_saving_inside_the_luck_of_shuffled_estimates_is_not_claimed():
    found = report(recorded("routerbench-arc"), routers=["linear"])

    costs = found.for_cost.evaluation.costs
    assert costs.near_best_ratio.value < costs.near_best_ratio_single_models.value
    assert costs.near_best_ratio.high > costs.near_best_ratio_shuffled.low
    assert found.recommendation.action is Action.MIX
    assert found.mix.quality_ratio.low > 0.95
