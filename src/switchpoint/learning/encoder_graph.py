"""The ONNX graph of a fine-tuned encoder, written node by node, and the same in int8.

No exporter traces anything, so the graph depends on the weights alone, and what it holds can be read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from switchpoint.core.query import FloatArray
from switchpoint.estimators.encoder import INPUTS, OUTPUT
from switchpoint.learning.bert import EPSILON, library, n_layers

OPSET, IR = 20, 10
WORDS, PLACES, TYPES = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type"))


def graph_of(weights: Mapping[str, FloatArray], heads: int) -> bytes:
    """Return an ONNX file that computes what `Bert.logits` does; weights : as `Bert.arrays` gives them."""
    nodes = _Nodes(weights, heads)
    logits = nodes.logits()
    onnx = library("onnx")
    info = onnx.helper.make_tensor_value_info
    taken = [info(name, onnx.TensorProto.INT64, ["rows", "tokens"]) for name in INPUTS]
    given = [info(logits, onnx.TensorProto.FLOAT, ["rows", len(weights["head.bias"])])]
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in nodes.tensors.items()]
    graph = onnx.helper.make_graph(nodes.nodes, "encoder", taken, given, initializer=tensors)
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    data: bytes = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR).SerializeToString()
    return data


def quantize(graph: bytes) -> bytes:
    """Return the same graph with int8 weights, one scale per column; activations get theirs as they come.

    The head stays in float32: it is small, and every error in it would be one of the logits.
    """
    onnx, quantization = library("onnx"), library("onnxruntime.quantization")
    model = onnx.load_from_string(graph)
    # A graph written like this holds nothing that pre-processing would fuse; unsaid, a warning is printed.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        quantization.quantize_dynamic(
            model,
            target,
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=["head"],
        )
        return target.read_bytes()


class _Nodes:
    """Collects the nodes of a graph; each method adds some and returns the name of their output."""

    def __init__(self, weights: Mapping[str, FloatArray], heads: int) -> None:
        self._make = library("onnx").helper.make_node
        self.weights, self.heads = weights, heads
        self.width = int(weights[WORDS].shape[1])
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def logits(self) -> str:
        seen = self._add("Cast", "attention_mask", to=1)
        missing = self._add("Unsqueeze", self._add("Sub", self._constant(1.0), seen), self._constant([1, 2]))
        x, bias = self._embeddings(), self._add("Mul", missing, self._constant(-1e9))
        for layer in range(n_layers(self.weights)):
            x = self._layer(x, f"encoder.layer.{layer}.", bias)
        self._dense(self._pool(x, seen), "head", OUTPUT)
        return OUTPUT

    def _embeddings(self) -> str:
        # Every token is of the first type, so its row goes into the places once and for all.
        self.tensors["places"] = self.weights[PLACES] + self.weights[TYPES][0]
        length = self._add("Slice", self._add("Shape", "input_ids"), *map(self._constant, ([1], [2])))
        places = self._add("Slice", "places", self._constant([0]), length, self._constant([0]))
        return self._norm(
            self._add("Add", self._add("Gather", self._tensor(WORDS), "input_ids"), places), "embeddings."
        )

    def _layer(self, x: str, at: str, bias: str) -> str:
        attended = self._dense(self._attention(x, at + "attention.self.", bias), at + "attention.output.dense")
        x = self._norm(self._add("Add", x, attended), at + "attention.output.")
        narrow = self._dense(self._add("Gelu", self._dense(x, at + "intermediate.dense")), at + "output.dense")
        return self._norm(self._add("Add", x, narrow), at + "output.")

    def _attention(self, x: str, at: str, bias: str) -> str:
        per_head = self.width // self.heads
        shape = self._constant([0, 0, self.heads, per_head])
        query, key, value = (
            self._add("Transpose", self._add("Reshape", self._dense(x, at + name), shape), perm=[0, 2, 1, 3])
            for name in ("query", "key", "value")
        )
        products = self._add("MatMul", query, self._add("Transpose", key, perm=[0, 1, 3, 2]))
        scores = self._add("Add", self._add("Mul", products, self._constant(per_head**-0.5)), bias)
        mixed = self._add("MatMul", self._add("Softmax", scores, axis=-1), value)
        straight = self._add("Transpose", mixed, perm=[0, 2, 1, 3])
        return self._add("Reshape", straight, self._constant([0, 0, self.width]))

    def _pool(self, x: str, seen: str) -> str:
        """The mean over tokens is, up to its length, their sum; and that is divided by its length."""
        kept = self._add("Mul", x, self._add("Unsqueeze", seen, self._constant([2])))
        return self._add("LpNormalization", self._add("ReduceSum", kept, self._constant([1]), keepdims=0), axis=-1, p=2)

    def _dense(self, x: str, name: str, output: str | None = None) -> str:
        self.tensors[name + ".weight"] = np.ascontiguousarray(self.weights[name + ".weight"].T)
        product = self._add("MatMul", x, name + ".weight", name=name)
        return self._add("Add", product, self._tensor(name + ".bias"), output=output)

    def _norm(self, x: str, at: str) -> str:
        scale, shift = (self._tensor(f"{at}LayerNorm.{part}") for part in ("weight", "bias"))
        return self._add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)

    def _add(self, operator: str, *inputs: str, output: str | None = None, name: str = "", **attributes: object) -> str:
        output = output or f"{operator}_{len(self.nodes)}"
        self.nodes.append(self._make(operator, list(inputs), [output], name=name or output, **attributes))
        return output

    def _tensor(self, name: str) -> str:
        self.tensors[name] = self.weights[name]
        return name

    def _constant(self, value: object) -> str:
        array = np.array(value)
        name = f"constant_{len(self.tensors)}"
        self.tensors[name] = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        return name
