"""A BERT of two layers and width 32 with random weights, to test with; its graph is made without torch."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from switchpoint.estimators.encoder import Encoder, Scorer
from switchpoint.learning.encoder_graph import graph_of, quantize
from tests.estimators.conftest import make_outcomes

LAYERS, WIDTH, HEADS, PLACES = 2, 32, 4, 64
LETTERS = [*"abcdefghijklmnopqrstuvwxyz0123456789?*+^=-.:"]
WORDS = ["compute", "solve", "integral", "capital", "city", "novel", "kind", "who", "what"]
LINES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *WORDS]
VOCABULARY = "\n".join(LINES).encode() + b"\n"


def tiny_weights(n_models: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights by the names of Hugging Face's BertModel, and a head."""
    random = np.random.default_rng(seed)
    dense = {"head": (n_models, WIDTH)}
    norms = ["embeddings.LayerNorm"]
    for at in (f"encoder.layer.{layer}." for layer in range(LAYERS)):
        dense |= {f"{at}attention.self.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")}
        dense |= {f"{at}attention.output.dense": (WIDTH, WIDTH)}
        dense |= {f"{at}intermediate.dense": (2 * WIDTH, WIDTH), f"{at}output.dense": (WIDTH, 2 * WIDTH)}
        norms += [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
    found = {
        f"embeddings.{name}_embeddings.weight": random.standard_normal((rows, WIDTH))
        for name, rows in (("word", len(LINES)), ("position", PLACES), ("token_type", 2))
    }
    for name, shape in dense.items():
        found[f"{name}.weight"] = random.standard_normal(shape) / np.sqrt(shape[1])
        found[f"{name}.bias"] = random.standard_normal(shape[0]) / 10
    for name in norms:
        found |= {f"{name}.weight": random.uniform(0.5, 1.5, WIDTH), f"{name}.bias": random.standard_normal(WIDTH) / 10}
    return {name: array.astype(np.float32) for name, array in found.items()}


@cache
def tiny_graph(int8: bool = True, n_models: int = 2) -> bytes:
    """Skips where what writes graphs is not installed."""
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    graph = graph_of(tiny_weights(n_models), HEADS)
    return quantize(graph) if int8 else graph


def tiny_encoder(int8: bool = True) -> Encoder:
    """An estimator for the models "small" and "large", whose graph has learned nothing, but is calibrated."""
    return Encoder(Scorer(tiny_graph(int8), VOCABULARY, PLACES), ("small", "large")).fit(make_outcomes())


def write_folder(folder: Path, weights: dict[str, np.ndarray] | None = None) -> Path:
    """Write the folder of a pretrained encoder: no head."""
    weights = tiny_weights() if weights is None else weights
    save_file({name: w for name, w in weights.items() if not name.startswith("head.")}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": HEADS, "num_hidden_layers": LAYERS}))
    (folder / "vocab.txt").write_bytes(VOCABULARY)
    return folder
