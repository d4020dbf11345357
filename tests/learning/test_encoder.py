"""Fine-tuning an encoder: on a tiny one, made at random."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from switchpoint.cli.train import app
from switchpoint.core.errors import ConfigError, DataError
from switchpoint.core.query import Query
from switchpoint.estimators.artifact import load_estimator, read
from switchpoint.estimators.bert import BertFiles
from switchpoint.estimators.encoder import Scorer, Tokens
from switchpoint.estimators.teacher import Teacher
from switchpoint.learning.bert import Bert
from switchpoint.learning.encoder import Settings, _batches, _masked_loss, _rate, fine_tune
from switchpoint.learning.encoder_graph import graph_of, quantize
from tests.estimators.conftest import make_outcomes
from tests.estimators.tiny_encoder import HEADS, PLACES, VOCABULARY, tiny_graph, tiny_weights, write_folder

FAST = Settings(epochs=6, batch=16, learning_rate=3e-3, max_tokens=PLACES, frozen=0, patience=3)
TEXTS = ("compute 2 + 2", "who is it?", "a", "what is the capital city of france?")


@pytest.fixture
def torch() -> object:
    return pytest.importorskip("torch", reason="fine-tuning needs torch")


@pytest.fixture
def base(tmp_path: Path, torch: object) -> BertFiles:
    pytest.importorskip("onnxruntime", reason="fine-tuning needs onnxruntime")
    (tmp_path / "base").mkdir()
    return BertFiles.read(write_folder(tmp_path / "base"))


def bert(frozen: int = 0) -> Bert:
    return Bert(tiny_weights(), HEADS, frozen)


def test_the_graph_computes_what_torch_does(torch: object) -> None:
    scorer = Scorer(tiny_graph(int8=False), VOCABULARY, PLACES)

    logits = bert().logits(Tokens(VOCABULARY, PLACES).ids(TEXTS)).numpy()

    assert np.allclose(scorer.logits(TEXTS), logits, atol=1e-4)


def test_the_installed_encoder_in_torch_agrees_with_the_numpy_teacher(torch: object) -> None:
    try:
        teacher, files = Teacher.installed(), BertFiles.installed()
    except ConfigError as error:
        pytest.skip(str(error))
    [(_, expected)] = teacher.embed(["That is a happy person"])

    vectors = Bert(files.weights, files.heads, 6).vectors(Tokens(files.vocabulary).ids(["That is a happy person"]))

    assert np.allclose(vectors.numpy(), expected, atol=1e-5)


def test_the_same_weights_give_the_same_bytes() -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    one, two = (quantize(graph_of(tiny_weights(), HEADS)) for _ in range(2))

    assert one == two


def test_it_learns_what_the_weak_model_cannot_do(base: BertFiles) -> None:
    tuned = fine_tune(make_outcomes(240), base, FAST)

    easy, hard = tuned.encoder.predict(
        [Query.of("Who wrote the novel about 7?"), Query.of("Compute 7 * 17 + 3^2.")]
    ).mean
    assert tuned.report.after < tuned.report.constant
    assert tuned.report.after <= tuned.report.head
    assert easy[0] > 0.7 > 0.3 > hard[0]


def test_the_difference_of_the_served_graph_is_reported(base: BertFiles) -> None:
    report = fine_tune(make_outcomes(60), base, replace(FAST, epochs=1)).report

    assert 0 < report.int8_mean <= report.int8_max < 0.1
    assert (report.rows, report.held_out) == (54, 6)


def test_the_same_seed_gives_the_same_artifact(base: BertFiles) -> None:
    one, two = (fine_tune(make_outcomes(60), base, replace(FAST, epochs=2)) for _ in range(2))

    assert one.encoder.scorer.graph == two.encoder.scorer.graph
    assert one.report == two.report


def test_layers_that_are_frozen_stay_as_they_are(torch: object) -> None:
    model = bert(frozen=1)

    marked = {id(tensor) for tensor in model.trained()}

    changed = {name for name, tensor in model.weights.items() if id(tensor) in marked}
    assert all(name.startswith(("encoder.layer.1.", "head.")) for name in changed)
    assert len(changed) == 18


def test_more_frozen_layers_than_there_are_are_refused(torch: object) -> None:
    with pytest.raises(ConfigError, match="from 0 to 2"):
        bert(frozen=3)


def test_a_cell_that_was_not_observed_does_not_change_the_loss(torch: object) -> None:
    logits = torch.tensor([[0.3, 7.0], [-1.0, 0.5]])

    masked = _masked_loss(logits, np.array([[1.0, np.nan], [0.25, 1.0]]))

    q, z = np.array([1.0, 0.25, 1.0]), np.array([0.3, -1.0, 0.5])
    assert float(masked) == pytest.approx(np.mean(np.logaddexp(0, z) - q * z))


@given(st.lists(st.integers(1, 50), min_size=1), st.integers(1, 8))
def test_every_row_is_in_one_batch(lengths: list[int], size: int) -> None:
    batches = list(_batches([[0] * n for n in lengths], size, np.random.default_rng(0)))

    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert max(map(len, batches)) <= size


@given(st.integers(1, 1000))
def test_the_rate_warms_up_and_falls_and_is_never_zero(steps: int) -> None:
    rates = np.array([_rate(step, steps) for step in range(steps)])

    assert (rates > 0).all()
    assert (rates <= 1).all()
    assert (np.diff(rates[rates.argmax() :]) <= 0).all()


def test_a_model_without_outcomes_and_rows_without_any_do_no_harm(base: BertFiles) -> None:
    outcomes = make_outcomes(80)
    outcomes.quality[:, 1] = np.nan
    outcomes.quality[:20] = np.nan

    tuned = fine_tune(outcomes, base, replace(FAST, epochs=1))

    assert tuned.report.rows + tuned.report.held_out == 60
    assert tuned.encoder.predict(outcomes.queries[:3]).mean[:, 1] == pytest.approx(0.5, abs=0.05)


def test_too_few_rows_and_settings_out_of_range_are_refused(base: BertFiles) -> None:
    with pytest.raises(DataError, match="19 rows with an outcome; fine-tuning needs at least 20"):
        fine_tune(make_outcomes(19), base, FAST)
    with pytest.raises(ConfigError, match=r"held_out must be between 0 and 1\. Got 1"):
        fine_tune(make_outcomes(40), base, replace(FAST, held_out=1.0))
    with pytest.raises(ConfigError, match=r"max_tokens must be at most 64, as the encoder\. Got 65"):
        fine_tune(make_outcomes(40), base, replace(FAST, max_tokens=65))


def test_without_torch_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    with pytest.raises(ConfigError, match=r"needs torch\. Run: pip install 'switchpoint\[torch\]'"):
        fine_tune(make_outcomes(40), BertFiles.read(write_folder(tmp_path)), FAST)


def test_the_command_line_leaves_an_artifact_that_is_served(base: BertFiles, tmp_path: Path) -> None:
    made = make_outcomes(40)
    queries = [
        {"query_id": q.id, "split": "train", "domain": "d", "text": f"{q.full_text} {q.id}"} for q in made.queries
    ]
    cells = [
        {"query_id": str(i), "model": model, "score": made.quality[i, j], "cost_usd": None}
        for i in range(40)
        for j, model in enumerate(made.models)
    ]
    for table, rows in {"queries": queries, "outcomes": cells}.items():
        (tmp_path / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = ["--data", tmp_path, "--base", tmp_path / "base", "--out", tmp_path / "out"]
    numbers = ["--epochs", "1", "--max-tokens", PLACES, "--frozen", "1", "--json"]

    result = CliRunner().invoke(app, ["encoder", *map(str, paths), *map(str, numbers)])

    assert json.loads(result.stdout)["rows"] == 36
    assert load_estimator(tmp_path / "out").models_ == made.models
    assert read(tmp_path / "out").manifest.metrics["training"]["frozen"] == 1
