"""ONNX encoders: a real one against the numpy teacher, and tiny ones for what a folder can say."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.estimators import onnx as module
from switchpoint.estimators.embedders import MiniLm, embedder_of
from switchpoint.estimators.onnx import OnnxEncoder, head_and_tail
from switchpoint.estimators.teacher import PACKAGE, Teacher

missing = [name for name in ("onnx", "onnxruntime", "tokenizers") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
needs_weights = pytest.mark.skipif(importlib.util.find_spec(PACKAGE) is None, reason="the weights are not installed")

WORDS = ("[CLS]", "[SEP]", "[UNK]", "a", "b", "c", "d")
TEXTS = (
    "That is a happy person",
    "What is the integral of x^2 from 0 to 1?",
    "法国的首都是什么？",
    "",
    "word " * 150,
    "🙂",
)
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.estimators.minilm_onnx import export

    return export(Teacher.installed().folder, tmp_path_factory.mktemp("encoders") / "minilm")


@pytest.fixture(scope="module")
def minilm(folder: Path) -> OnnxEncoder:
    return OnnxEncoder(folder)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a tiny encoder whose hidden states are its embeddings: row i of a table is i and i squared."""

    def write(output: str = "last_hidden_state", inputs: tuple[str, ...] = ("input_ids",), **files: object) -> Path:
        write_graph(tmp_path / "model.onnx", output, inputs)
        write_tokenizer(tmp_path / "tokenizer.json")
        for name, content in files.items():
            path = tmp_path / {"pooling": "1_Pooling/config.json"}.get(name, f"{name}.json")
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
        return tmp_path

    return write


def write_graph(path: Path, output: str, inputs: tuple[str, ...]) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    ids = np.arange(len(WORDS), dtype=np.float32)
    table = numpy_helper.from_array(np.stack([ids, ids**2], axis=1), "table")
    taken = [helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"]) for name in inputs]
    given = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    hidden = output if output == "last_hidden_state" else "hidden"
    nodes = [helper.make_node("Gather", ["table", inputs[0]], [hidden])]
    if hidden != output:
        nodes.append(helper.make_node("ReduceMax", [hidden], [output], axes=[1], keepdims=0))
    graph = helper.make_graph(nodes, "tiny", taken, [given], initializer=[table])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def write_tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 0), ("[SEP]", 1)])
    tokenizer.enable_truncation(3)
    tokenizer.save(str(path))


def direction(*ids: int) -> np.ndarray:
    """Return the normalised mean of the tiny encoder's hidden states of these tokens."""
    mean = np.array([np.mean(ids), np.mean(np.square(ids))])
    return mean / np.linalg.norm(mean)


@needs_weights
def test_a_real_encoder_gives_the_vectors_of_the_numpy_one(minilm: OnnxEncoder) -> None:
    cosines = (minilm.embed(TEXTS) * MiniLm().embed(TEXTS)).sum(axis=1)

    assert cosines == pytest.approx(np.ones(len(TEXTS)), abs=1e-4)


@needs_weights
def test_other_texts_in_the_batch_do_not_matter(minilm: OnnxEncoder) -> None:
    together = minilm.embed(TEXTS)

    assert together == pytest.approx(np.concatenate([minilm.embed([text]) for text in TEXTS]), abs=1e-5)


@needs_weights
def test_a_folder_is_read_by_name_with_the_bundled_surface(minilm: OnnxEncoder, folder: Path) -> None:
    reader = embedder_of(f"onnx:{folder}")

    assert reader.name.startswith(minilm.name)
    assert (reader.read(TEXTS)[:, :384] == minilm.embed(TEXTS)).all()
    assert (reader.read(TEXTS)[:, 384:] == embedder_of("static").read(TEXTS)[:, 64:]).all()


@needs_weights
def test_any_text_has_a_vector_of_norm_one(minilm: OnnxEncoder) -> None:
    vectors = minilm.embed(["", "\x00", "\ud800", "A" * 100_000])

    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_what_no_file_says_is_assumed_and_said(make: Make) -> None:
    encoder = OnnxEncoder(make())

    assert encoder.assumed == ("pooling", "max_tokens")
    assert "assumed=('pooling', 'max_tokens')" in repr(encoder)
    assert encoder.embed(["a b"])[0] == pytest.approx(direction(0, 3, 4, 1))


def test_pooling_length_case_and_prompt_are_what_the_folder_says(make: Make) -> None:
    folder = make(
        pooling={"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        sentence_bert_config={"max_seq_length": 4, "do_lower_case": True},
        config_sentence_transformers={"prompts": {"query": "c "}, "default_prompt_name": "query"},
    )

    encoder = OnnxEncoder(folder)

    settings = encoder.settings
    assert (settings.pooling, settings.max_tokens, settings.lower, settings.prompt) == ("cls", 4, True, "c ")
    assert encoder.assumed == ()
    assert encoder._encode(["A D"]) == [[0, 5, 6, 1]]


def test_padding_does_not_enter_the_mean(make: Make) -> None:
    vectors = OnnxEncoder(make()).embed(["a", "a b c d d d"])

    assert vectors == pytest.approx(np.stack([direction(0, 3, 1), direction(0, 3, 4, 5, 6, 6, 6, 1)]))


def test_a_graph_that_pools_is_taken_at_its_word(make: Make) -> None:
    vectors = OnnxEncoder(make(output="sentence_embedding")).embed(["a d b"])

    assert vectors[0] == pytest.approx(direction(6))


def test_of_a_long_text_head_and_tail_are_read(make: Make) -> None:
    encoder = OnnxEncoder(make(sentence_bert_config={"max_seq_length": 6}))

    assert encoder._encode(["a b " + "c " * 50 + "d"]) == [[0, 3, 4, 5, 6, 1]]
    assert head_and_tail(range(9), 3) == [0, 1, 8]
    assert head_and_tail(range(9), 1) == [0]
    assert head_and_tail(range(3), 3) == [0, 1, 2]


def test_no_texts_have_no_vectors(make: Make) -> None:
    assert OnnxEncoder(make()).embed([]).shape == (0, 2)


def test_many_texts_come_back_in_their_order(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = OnnxEncoder(make())
    texts = [" ".join("abcd"[i % 4] for _ in range(1 + i % 7)) for i in range(50)]
    one_by_one = np.concatenate([encoder.embed([text]) for text in texts])

    monkeypatch.setattr(module, "BATCH_TOKENS", 30)

    assert encoder.embed(texts) == pytest.approx(one_by_one)


def test_a_dynamically_quantised_graph_reads_one_text_at_a_time(make: Make) -> None:
    encoder = OnnxEncoder(make())

    encoder._alone = True

    assert [len(rows) for rows in encoder._batches([[1], [1, 2], [1]])] == [1, 1, 1]


def test_other_weights_make_another_name(make: Make) -> None:
    before = OnnxEncoder(make()).name

    assert OnnxEncoder(make()).name == before
    assert OnnxEncoder(make(sentence_bert_config={"max_seq_length": 9})).name != before
    assert OnnxEncoder(make(output="sentence_embedding")).name != before


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"modules": [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]}, "module 'Dense'"),
        ({"pooling": {"pooling_mode_max_tokens": True}}, "pooling is pooling_mode_max_tokens"),
        ({"pooling": {}}, "pooling is not stated"),
    ],
)
def test_what_would_be_done_wrong_is_refused(make: Make, files: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OnnxEncoder(make(**files))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", None, "holds no ONNX graph"),
        ("model.onnx", b"something else", "onnxruntime cannot load it"),
        ("tokenizer.json", None, "missing"),
        ("tokenizer.json", b"{}", "not a tokenizer"),
        ("modules.json", b"[", "not JSON"),
    ],
)
def test_a_damaged_folder_is_refused(make: Make, name: str, content: bytes | None, message: str) -> None:
    folder = make()
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_bytes(content)

    with pytest.raises(ArtifactError, match=message):
        OnnxEncoder(folder)


def test_a_graph_with_other_inputs_is_refused(make: Make) -> None:
    with pytest.raises(ArtifactError, match="takes input_ids, pixels"):
        OnnxEncoder(make(inputs=("input_ids", "pixels")))


class Hub:
    """Stands in for the download of huggingface_hub: a cache, a network, or neither."""

    def __init__(self, cached: Path | None = None, online: Path | None = None) -> None:
        self.places = {True: cached, False: online}
        self.asked: list[tuple[str, str | None, bool]] = []

    def snapshot_download(
        self, repository: str, *, revision: str | None, allow_patterns: object, local_files_only: bool
    ) -> str:
        self.asked.append((repository, revision, local_files_only))
        if (place := self.places[local_files_only]) is None:
            raise OSError("no route to host")
        return str(place)


def use(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    library = module._library
    monkeypatch.setattr(module, "_library", lambda name: hub if name == "huggingface_hub" else library(name))


def test_a_cached_hub_id_needs_no_network(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(cached=make())
    use(hub, monkeypatch)

    encoder = OnnxEncoder.load("owner/name@v1")

    assert encoder.dim == 2
    assert hub.asked == [("owner/name", "v1", True)]


def test_a_cache_without_the_graph_is_completed(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    hub = Hub(cached=tmp_path / "empty", online=make())
    use(hub, monkeypatch)

    OnnxEncoder.load("owner/name")

    assert [offline for _, _, offline in hub.asked] == [True, False]


def test_neither_cache_nor_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    use(Hub(), monkeypatch)

    with pytest.raises(ConfigError, match=r"neither in the local cache .*OSError: no route to host"):
        OnnxEncoder.load("owner/name")


@pytest.mark.parametrize("source", ["nowhere", "./a/b", "/no/such"])
def test_what_is_neither_folder_nor_id_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="no such folder, and not a model hub id"):
        OnnxEncoder.load(source)


def test_a_missing_library_says_what_to_install(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    folder = make()
    monkeypatch.setattr(module, "import_module", absent)

    with pytest.raises(ConfigError, match=r"pip install 'switchpoint\[encoder\]'"):
        OnnxEncoder(folder)
