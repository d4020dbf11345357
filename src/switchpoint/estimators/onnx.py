"""OnnxEncoder: any sentence encoder that was exported to ONNX, from a local folder or a model hub.

The folder is read as sentence-transformers writes it: `tokenizer.json`, the graph (`model.onnx` or `onnx/model.onnx`),
and, where they are there, `modules.json`, `1_Pooling/config.json` and `sentence_bert_config.json`, which say how the
hidden states become one vector. What they leave open is assumed, and `assumed` says so. No code of the folder runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np

from switchpoint.core.errors import ArtifactError, ConfigError
from switchpoint.core.query import FloatArray, IntArray

GRAPHS = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")
TOKENIZER = "tokenizer.json"
MODES = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MAX_TOKENS = 256
"""Assumed where the folder states no length."""
BATCH_TOKENS = 4_096
"""Tokens of a batch, padding included: bounds the memory of the hidden states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a folder wants its encoder used.

    pooling : "mean" over tokens or the first token, "cls".
    max_tokens : of a text, special tokens included; of a longer one the first and the last half are read.
    lower : whether texts are put in lower case first; prompt : what is put before each.
    assumed : the settings that no file of the folder states.
    """

    pooling: str = "mean"
    max_tokens: int = MAX_TOKENS
    lower: bool = False
    prompt: str = ""
    assumed: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a folder; raises ConfigError for a pooling or a module that this encoder does not know."""
        modules = _json(folder / "modules.json") or []
        pooling = _pooling(folder, modules)
        sentence = _json(folder / "sentence_bert_config.json") or {}
        prompts = _json(folder / "config_sentence_transformers.json") or {}
        max_tokens = sentence.get("max_seq_length")
        found = {"pooling": pooling, "max_tokens": max_tokens}
        return cls(
            pooling=pooling or "mean",
            max_tokens=MAX_TOKENS if max_tokens is None else max_tokens,
            lower=bool(sentence.get("do_lower_case")),
            prompt=(prompts.get("prompts") or {}).get(prompts.get("default_prompt_name"), ""),
            assumed=tuple(name for name, value in found.items() if value is None),
        )


class OnnxEncoder:
    """Embeds with a graph that takes token ids and gives hidden states, or vectors already pooled.

    Rows are normalised whether or not the folder asks for it, because everything here compares by cosine. One thread.
    Raises ConfigError where onnxruntime or tokenizers is missing, ArtifactError for a folder that cannot be used.
    """

    def __init__(self, folder: Path | str) -> None:
        folder = Path(folder)
        graph = _graph(folder)
        self.settings = Settings.of(folder)
        self._tokenizer = _tokenizer(folder / TOKENIZER)
        self._prefix, self._suffix = _special_tokens(self._tokenizer)
        self._session = _session(graph)
        self._inputs = _inputs(graph, self._session)
        self._output = _output(self._session)
        # Such a graph takes its scale from the whole batch, so that a text's vector would depend on its neighbours.
        self._alone = b"DynamicQuantize" in graph.read_bytes()
        self.dim = int(self._embed([""]).shape[1])
        self.name = f"onnx-{self.dim}-{_digest(folder, graph, self.settings)}"

    @classmethod
    def load(cls, source: str) -> Self:
        """Load a local folder, or a model hub id such as `owner/name` or `owner/name@revision`.

        An id is looked up in the local cache of huggingface_hub, and downloaded only where it is not there.
        """
        return cls(source if Path(source).is_dir() else _from_hub(source))

    @property
    def assumed(self) -> tuple[str, ...]:
        """Settings that no file of the folder states, and which were therefore assumed; see `Settings`."""
        return self.settings.assumed

    def __repr__(self) -> str:
        return f"OnnxEncoder(name={self.name!r}, settings={self.settings})"

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Return shape (n_texts, dim), rows of norm 1."""
        return self._embed(texts) if texts else np.empty((0, self.dim), dtype=np.float32)

    def _embed(self, texts: Sequence[str]) -> FloatArray:
        ids = self._encode(texts)
        parts = [(rows, self._forward([ids[row] for row in rows])) for rows in self._batches(ids)]
        vectors = np.concatenate([vectors for _, vectors in parts])
        result = np.empty_like(vectors)
        result[np.concatenate([rows for rows, _ in parts])] = vectors
        norms: FloatArray = np.linalg.norm(result, axis=1, keepdims=True)
        return result / np.maximum(norms, 1e-12)

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, special tokens included, at most `max_tokens` of them."""
        # Half of a surrogate pair is not text to a tokenizer; it becomes a question mark.
        clean = [(self.settings.prompt + text).encode("utf-8", "replace").decode("utf-8") for text in texts]
        if self.settings.lower:
            clean = [text.lower() for text in clean]
        room = self.settings.max_tokens - len(self._prefix) - len(self._suffix)
        encoded = self._tokenizer.encode_batch(clean, add_special_tokens=False)
        return [[*self._prefix, *head_and_tail(each.ids, room), *self._suffix] for each in encoded]

    def _batches(self, ids: Sequence[Sequence[int]]) -> Iterator[IntArray]:
        """Yield rows whose texts are of similar length, so that little is padded."""
        lengths = np.array([len(each) for each in ids])
        order = np.argsort(lengths, kind="stable")
        start = 0
        while start < len(order):
            # Ascending lengths: the last row of a batch is the longest, and every row is padded to it.
            longest = np.maximum(lengths[order[start : start + BATCH_TOKENS]], 1)
            fitting = int(np.searchsorted(longest * np.arange(1, len(longest) + 1), BATCH_TOKENS, side="right"))
            size = 1 if self._alone else max(1, fitting)
            yield order[start : start + size]
            start += size

    def _forward(self, ids: Sequence[Sequence[int]]) -> FloatArray:
        """Return the vectors of a batch, shape (n_rows, dim), not normalised."""
        width = max(1, max(len(each) for each in ids))
        feed = {name: np.zeros((len(ids), width), dtype=np.int64) for name in INPUTS}
        for row, each in enumerate(ids):
            feed["input_ids"][row, : len(each)] = each
            feed["attention_mask"][row, : len(each)] = 1
        hidden: FloatArray = self._session.run([self._output], {name: feed[name] for name in self._inputs})[0]
        vectors = self._pool(hidden, feed["attention_mask"]) if hidden.ndim == 3 else hidden
        return vectors.astype(np.float32, copy=False)

    def _pool(self, hidden: FloatArray, mask: IntArray) -> FloatArray:
        if self.settings.pooling == "cls":
            return hidden[:, 0]
        weights = mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)
        means: FloatArray = np.einsum("rtd,rt->rd", hidden, weights.astype(np.float32))
        return means


def head_and_tail(ids: Sequence[int], room: int) -> list[int]:
    """Return at most `room` ids: all, or the first and the last half; the middle is rarely the question."""
    if len(ids) <= room:
        return list(ids)
    tail = room // 2
    return [*ids[: room - tail], *ids[len(ids) - tail :]]


def _pooling(folder: Path, modules: Sequence[dict[str, Any]]) -> str | None:
    """Return the pooling that the folder states, None if it states none."""
    for module in modules:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind not in ("Transformer", "Pooling", "Normalize"):
            raise ConfigError(
                f"{folder / 'modules.json'}: module {kind!r} is not applied here; Transformer, Pooling and Normalize "
                "are. Export the encoder with this module inside its graph, and remove it from modules.json."
            )
    places = [module.get("path", "") for module in modules if str(module.get("type", "")).endswith("Pooling")]
    config = _json(folder / (places[0] if places else "1_Pooling") / "config.json")
    if config is None:
        return None
    asked = [name for name, value in config.items() if name.startswith("pooling_mode_") and value is True]
    if len(asked) != 1 or asked[0] not in MODES:
        allowed = " or ".join(MODES)
        raise ConfigError(
            f"{folder}: its pooling is {', '.join(asked) or 'not stated'}; exactly {allowed} is known here."
        )
    return MODES[asked[0]]


def _json(path: Path) -> Any:
    """Return the content of a file, None where there is none."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{path}: not JSON ({error}). Take a fresh copy of the folder.") from None


def _graph(folder: Path) -> Path:
    found = next((folder / name for name in GRAPHS if (folder / name).is_file()), None)
    if found is None:
        raise ArtifactError(f"{folder}: holds no ONNX graph. One of {', '.join(GRAPHS)} is needed.")
    return found


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(f"An ONNX encoder needs {name}. Run: pip install 'switchpoint[encoder]'") from None


def _tokenizer(path: Path) -> Any:
    if not path.is_file():
        raise ArtifactError(f"{path}: missing. Save the encoder with its fast tokenizer, which is this one file.")
    try:
        tokenizer = _library("tokenizers").Tokenizer.from_file(str(path))
    except ConfigError:
        raise
    except Exception as error:  # the library raises nothing narrower
        raise ArtifactError(f"{path}: not a tokenizer ({error}). Take a fresh copy of the folder.") from None
    # Folders often fix both at 128 tokens; here every text is cut once, at head and tail, and padded to its batch.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _special_tokens(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that stand before and after every text."""
    whole, bare = (tokenizer.encode("a", add_special_tokens=special).ids for special in (True, False))
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def _session(graph: Path) -> Any:
    runtime = _library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library raises a class of its own for every status
        said = " ".join(str(error).split())[:300]
        raise ArtifactError(f"{graph}: onnxruntime cannot load it ({said}). Export it again.") from None


def _inputs(graph: Path, session: Any) -> tuple[str, ...]:
    names = tuple(each.name for each in session.get_inputs())
    if not {"input_ids"} <= set(names) <= set(INPUTS):
        raise ArtifactError(f"{graph}: takes {', '.join(names)}; a sentence encoder takes {', '.join(INPUTS)}.")
    return names


def _output(session: Any) -> str:
    """Prefer what the graph has pooled itself; the first output is the last hidden state by convention."""
    names: list[str] = [each.name for each in session.get_outputs()]
    return "sentence_embedding" if "sentence_embedding" in names else names[0]


def _digest(folder: Path, graph: Path, settings: Settings) -> str:
    digest = hashlib.sha256(msgspec.json.encode(settings))
    # Weights too large for the graph's own file lie beside it, under its name and an ending.
    for path in (folder / TOKENIZER, *sorted(graph.parent.glob(f"{graph.name}*"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _from_hub(source: str) -> Path:
    repository, _, revision = source.partition("@")
    if repository.count("/") != 1 or source.startswith((".", "/", "~")):
        raise ConfigError(f"embedder 'onnx:{source}': no such folder, and not a model hub id, which is owner/name.")
    download = _library("huggingface_hub").snapshot_download
    patterns = ["*.json", "1_Pooling/*", *GRAPHS[:2], *(f"{name}_data" for name in GRAPHS[:2])]
    for offline in (True, False):
        try:
            folder = Path(
                download(repository, revision=revision or None, allow_patterns=patterns, local_files_only=offline)
            )
            _graph(folder)  # a cache may hold the other files of this model only
        except Exception as error:  # anything from no cache to no network; what was said is passed on
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            continue
        return folder
    raise ConfigError(
        f"embedder 'onnx:{source}': neither in the local cache of the model hub nor to be downloaded ({said}). "
        "Check the id, or copy the model's folder here and name its path."
    )
