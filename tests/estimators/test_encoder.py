"""A fine-tuned encoder at serving time: without torch, from a tiny graph."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.errors import ArtifactError, ConfigError, DataError, NotFittedError
from switchpoint.core.query import Query
from switchpoint.estimators import artifact
from switchpoint.estimators.bert import BertFiles
from switchpoint.estimators.encoder import GRAPH, Encoder, Scorer, Tokens
from tests.estimators.conftest import make_outcomes
from tests.estimators.tiny_encoder import PLACES, VOCABULARY, tiny_encoder, tiny_graph, tiny_weights, write_folder

TEXTS = ("", "compute 2 + 2", "who is it?", "a" * 90, "法", "what is the capital of france and why is that so?")
LINES = VOCABULARY.decode().split("\n")


def words(ids: list[int]) -> list[str]:
    return [LINES[i] for i in ids]


def test_a_text_stands_between_its_marks() -> None:
    [ids] = Tokens(VOCABULARY).ids(["Solve 2!"])

    assert words(ids) == ["[CLS]", "solve", "2", "[UNK]", "[SEP]"]


def test_of_a_long_text_head_and_tail_are_read() -> None:
    [ids] = Tokens(VOCABULARY, max_tokens=6).ids(["a b c d e f g"])

    assert words(ids) == ["[CLS]", "a", "b", "f", "g", "[SEP]"]


@given(text=st.text(), max_tokens=st.integers(4, 40))
def test_no_text_is_longer_than_it_may_be(text: str, max_tokens: int) -> None:
    [ids] = Tokens(VOCABULARY, max_tokens).ids([text])

    assert 2 <= len(ids) <= max_tokens


def test_too_few_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 4"):
        Tokens(VOCABULARY, max_tokens=3)


@pytest.mark.parametrize("int8", [True, False])
def test_a_texts_logits_do_not_depend_on_its_neighbours(int8: bool) -> None:
    scorer = Scorer(tiny_graph(int8), VOCABULARY, PLACES)

    together, alone = scorer.logits(TEXTS), [scorer.logits([text]) for text in TEXTS]

    assert together.shape == (len(TEXTS), 2)
    assert np.allclose(together, np.concatenate(alone), atol=1e-5)


def test_int8_is_close_to_float32_and_smaller() -> None:
    exact, small = (Scorer(tiny_graph(int8), VOCABULARY, PLACES) for int8 in (False, True))

    apart = np.abs(exact.logits(TEXTS) - small.logits(TEXTS)).max()

    assert 0 < apart < 0.15
    assert len(small.graph) < len(exact.graph)


def test_the_calibration_is_fitted_on_the_rows_that_the_graph_has_not_seen() -> None:
    outcomes = make_outcomes(200)
    unseen = np.arange(200) < 100
    # What the graph has seen says the opposite; it must not matter to the calibration.
    quality = np.where(unseen[:, None], outcomes.quality, 1 - outcomes.quality)
    scorer = Scorer(tiny_graph(), VOCABULARY, PLACES)

    encoder = Encoder(scorer, outcomes.models).fit(replace(outcomes, quality=quality), unseen)

    predicted, observed = encoder.predict(outcomes.queries).mean[unseen, 1], outcomes.quality[unseen, 1]
    assert predicted.mean() == pytest.approx(observed.mean(), abs=0.1)


def test_far_from_the_training_it_goes_back_to_the_means() -> None:
    encoder = tiny_encoder()

    found = encoder.predict([Query.of("def f(x):\n    return {'a': [x]}  # 法国的首都是什么")])

    assert found.novelty[0] > 0.9
    assert found.mean[0] == pytest.approx(encoder._fitted().prior, abs=0.1)


def test_before_fitting_it_says_so() -> None:
    encoder = Encoder(Scorer(tiny_graph(), VOCABULARY, PLACES), ("small", "large"))

    with pytest.raises(NotFittedError, match="Call fit first"):
        encoder.predict([])


def test_outcomes_of_other_models_are_refused() -> None:
    with pytest.raises(DataError, match="trained for small, large"):
        tiny_encoder().fit(make_outcomes(20, ("large", "small")))


def test_a_graph_for_another_number_of_models_is_refused() -> None:
    with pytest.raises(ArtifactError, match="gives 2 logits for 3 models"):
        Encoder(Scorer(tiny_graph(), VOCABULARY, PLACES), ("a", "b", "c"))


def test_a_vocabulary_or_a_length_that_does_not_fit_the_graph_is_refused() -> None:
    with pytest.raises(ArtifactError, match=r"does not fit vocab\.txt and 64 tokens"):
        Scorer(tiny_graph(), VOCABULARY + b"more\n", PLACES)
    with pytest.raises(ArtifactError, match="and 65 tokens"):
        Scorer(tiny_graph(), VOCABULARY, PLACES + 1)


def test_what_is_not_a_graph_is_refused() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    with pytest.raises(ArtifactError, match="onnxruntime cannot load it"):
        Scorer(b"no graph", VOCABULARY)


def test_a_damaged_graph_is_named_with_its_digests(tmp_path: Path) -> None:
    artifact.write(tiny_encoder(), tmp_path, created="2026-01-01")
    (tmp_path / GRAPH).write_bytes(b"x")

    with pytest.raises(ArtifactError, match=r"encoder\.onnx: damaged \(SHA-256"):
        Encoder.load(tmp_path)


def test_serving_does_not_import_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact.write(tiny_encoder(), tmp_path, created="2026-01-01")
    for name in ("torch", "onnx", "tokenizers"):
        monkeypatch.setitem(sys.modules, name, None)

    assert Encoder.load(tmp_path).predict([Query.of("compute 2")]).mean.shape == (1, 2)


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = tiny_graph()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ConfigError, match=r"pip install 'switchpoint\[encoder\]'"):
        Scorer(graph, VOCABULARY)


def test_a_pretrained_folder_is_read_without_a_head_or_a_pooler(tmp_path: Path) -> None:
    weights = tiny_weights() | {"pooler.dense.weight": np.zeros((2, 2), dtype=np.float32)}

    found = BertFiles.read(write_folder(tmp_path, weights))

    assert found.heads == 4
    assert set(found.weights) == {name for name in tiny_weights() if not name.startswith("head.")}


def test_a_folder_that_lacks_something_is_refused_by_name(tmp_path: Path) -> None:
    weights = tiny_weights()
    del weights["encoder.layer.1.output.dense.bias"]

    with pytest.raises(ConfigError, match=r"encoder\.layer\.1\.output\.dense\.bias is missing"):
        BertFiles.read(write_folder(tmp_path, weights))
    with pytest.raises(ConfigError, match=r"not a BERT with config\.json"):
        BertFiles.read(tmp_path / "nowhere")
