"""Building the bundled router, on small copies of the four sets and with the embedder that ships."""

import json
from pathlib import Path

import pytest

from switchpoint.estimators.bundled import Bundled
from switchpoint.learning.bundled import STRONG, WEAK, build
from tests.estimators.conftest import make_outcomes


def write_set(folder: Path, name: str, models: tuple[str, ...], prefix: str, domain: str) -> None:
    made = make_outcomes(60, models)
    (folder / name).mkdir(parents=True)
    queries, outcomes = [], []
    for i, query in enumerate(made.queries):
        split = "test" if i >= 50 else "train"
        row = {"query_id": f"{prefix}{i}", "split": split, "domain": domain, "text": f"{prefix} {i} {query.full_text}"}
        queries.append(row)
        for j, model in enumerate(models):
            score = {"query_id": row["query_id"], "model": model, "score": made.quality[i, j], "cost_usd": None}
            outcomes.append(score)
    for table, rows in (("queries", queries), ("outcomes", outcomes)):
        (folder / name / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_set(tmp_path / "data", "mmlu-gpt4-mixtral", (WEAK, STRONG), "choose", "law")
    write_set(tmp_path / "data", "gsm8k-gpt4-mixtral", (STRONG, WEAK), "add", "gsm8k")
    write_set(tmp_path / "data", "gsm8k-openai2021", ("6b", "175b"), "sum", "gsm8k")
    write_set(tmp_path / "data", "llmrouter-9models", ("a", "b", "c"), "code", "mbpp")
    return tmp_path / "data"


def build_with_shipped_embedder(data: Path, out: Path) -> object:
    return build(data, out, created="2026-01-01", embedder=lambda texts, progress: Bundled.load().knowledge.embedder)


def test_the_artifact_knows_its_anchors_its_kinds_and_its_data(data: Path, tmp_path: Path) -> None:
    built = build_with_shipped_embedder(data, tmp_path / "out")

    made = Bundled.load(tmp_path / "out")
    assert made.digest == built.digest
    assert made.models_ == (WEAK, STRONG)
    assert made.knowledge.kinds.names == ("gsm8k", "mbpp", "mmlu")
    assert [line["rows"] for line in built.trained_on] == [50, 50, 50, 50]


def test_two_builds_of_the_same_data_are_the_same(data: Path, tmp_path: Path) -> None:
    one, two = (build_with_shipped_embedder(data, tmp_path / name) for name in ("one", "two"))

    assert one.digest == two.digest


def test_a_training_row_that_stands_in_a_test_split_is_left_out(data: Path, tmp_path: Path) -> None:
    tested = (data / "gsm8k-gpt4-mixtral" / "queries.jsonl").read_text().splitlines()[55]
    leaked = json.loads(tested) | {"query_id": "leak", "split": "train", "text": json.loads(tested)["text"].upper()}
    outcome = {"query_id": "leak", "model": "6b", "score": 1.0, "cost_usd": None}
    for table, row in (("queries", leaked), ("outcomes", outcome)):
        with (data / "gsm8k-openai2021" / f"{table}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    built = build_with_shipped_embedder(data, tmp_path / "out")

    assert [line["removed_as_tested"] for line in built.trained_on] == [0, 0, 1, 0]


def test_figures_are_out_of_fold_and_by_kind(data: Path, tmp_path: Path) -> None:
    built = build_with_shipped_embedder(data, tmp_path / "out")

    assert built.metrics["out_of_fold"]["mmlu"]["rows"] == 50
    assert set(built.metrics["out_of_fold"]) == {"mmlu", "gsm8k"}
