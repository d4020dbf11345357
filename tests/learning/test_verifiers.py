"""Training a verifier: from folders of recorded answers to an artifact, with honest figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchpoint.cli.train import app
from switchpoint.core.errors import DataError, UnknownModel
from switchpoint.learning.datasets import read
from switchpoint.learning.verifiers import Rows, auroc_of, figures, train_verifier
from switchpoint.verifiers import encoder
from switchpoint.verifiers.learned import Learned

DATA = Path(__file__).parents[3] / "shared" / "data"
GSM = DATA / "gsm8k-gpt4-mixtral"
MIXTRAL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
SCORES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sums by a cheap model that is often wrong and a strong one that seldom is; 80 to train on, 60 to test."""
    random = np.random.default_rng(0)
    queries, outcomes = [], []
    for number, (a, b) in enumerate(random.integers(10, 99, (140, 2)).tolist()):
        text = f"What do {a} and {b} come to, in row {number} of the list?"
        split = "train" if number < 80 else "test"
        queries.append({"query_id": str(number), "split": split, "domain": "sums", "text": text})
        for model, share in (("cheap", 0.6), ("strong", 0.95)):
            right = bool(random.random() < share)
            answer = f"{a} + {b} = {a + b if right else a + b + 7}"
            row = {"query_id": str(number), "model": model, "score": float(right), "cost_usd": None}
            outcomes.append({**row, "response": answer})
    made = tmp_path / "sums"
    made.mkdir()
    for name, rows in (("queries", queries), ("outcomes", outcomes)):
        (made / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return made


def test_what_was_trained_can_be_loaded_and_says_how_good_it_is(folder: Path, tmp_path: Path) -> None:
    trained = train_verifier([folder], tmp_path / "out", created="2026-01-01", model="cheap", test=folder)

    assert trained.judged == "cheap" and trained.strong == "strong"
    assert trained.auroc.value > 0.95
    assert trained.test["verifier"].auroc.low > trained.test["question only"].auroc.value
    assert trained.test["verifier"].half.value > trained.test["question only"].half.value
    assert isinstance(encoder.load(tmp_path / "out"), Learned)


def test_the_command_prints_the_figures_and_writes_the_artifact(folder: Path, tmp_path: Path) -> None:
    arguments = ["verifier", "--data", str(folder), "--out", str(tmp_path / "out"), "--test", str(folder)]

    shown, as_json = (CliRunner().invoke(app, [*arguments, *more]) for more in ([], ["--json"]))

    assert shown.exit_code == 0 and "bag of words" in shown.output and "AUROC" in shown.output
    found = json.loads(as_json.stdout)
    assert found["rows"] == 160 and found["test"]["verifier"]["auroc"]["value"] > 0.9
    assert (tmp_path / "out" / "manifest.json").exists()


def test_questions_that_stand_in_the_test_are_left_out_of_training(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []

    trained = train_verifier(
        [folder], tmp_path / "out", created="2026-01-01", split="all", test=folder, say=said.append
    )

    assert trained.rows == 160
    assert any("60 questions" in line for line in said)


def test_a_folder_without_answers_or_without_the_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        train_verifier([folder], tmp_path / "out", created="2026-01-01", model="nobody")
    with pytest.raises(DataError, match="response"):
        Rows.of(read(folder))


@given(SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    score, right = np.array([float(s) for s, _ in rows]), np.array([float(r) for _, r in rows])
    gaps = score[right == 1][:, None] - score[right == 0]

    [found] = auroc_of(score, right)(np.ones((1, len(rows))))

    expected = ((gaps > 0) + (gaps == 0) / 2).mean() if gaps.size else np.nan
    assert np.isclose(found, expected, equal_nan=True)


def test_a_perfect_order_defers_the_wrong_half_first() -> None:
    right = np.array([1.0, 0.0, 1.0, 0.0])

    found = figures(right, right, np.ones(4))

    assert found.auroc.value == 1 and found.half.value == 1 and found.apgr.value > 0.7
    assert np.isnan(figures(right, right).half.value)


@pytest.mark.data
@pytest.mark.skipif(not GSM.exists(), reason=f"{GSM} is not there")
def test_a_verifier_of_recorded_answers_orders_them_well(tmp_path: Path) -> None:
    trained = train_verifier([GSM], tmp_path, created="2026-01-01", model=MIXTRAL, test=GSM)

    found = trained.test["verifier"]
    assert found.auroc.value > 0.78
    assert found.half.value > 0.83
    assert found.apgr.value > 0.71
