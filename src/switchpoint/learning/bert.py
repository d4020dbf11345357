"""Bert: an encoder with one logit for every model, in plain torch, to be fine-tuned; never used to serve.

Architecture: BERT (Devlin et al. 2019) as all-MiniLM-L6-v2 has it; the mean over tokens, of norm 1 (Reimers & Gurevych
2019), meets one line of weights per model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from switchpoint.core.errors import ConfigError
from switchpoint.core.query import FloatArray

EPSILON = 1e-12
HEAD = ("head.weight", "head.bias")
Ids = Sequence[Sequence[int]]


class Bert:
    """Weights as tensors, by their names; embeddings and the first `frozen` layers are never changed.

    Raises ConfigError where torch is missing, and for more frozen layers than there are.
    """

    def __init__(self, weights: Mapping[str, FloatArray], heads: int, frozen: int) -> None:
        self._torch = library("torch")
        self.weights = {name: self._torch.tensor(array) for name, array in weights.items()}
        self.layers = n_layers(weights)
        if not 0 <= frozen <= self.layers:
            raise ConfigError(f"frozen must be from 0 to {self.layers}, the layers of the encoder. Got {frozen}.")
        self.heads, self.frozen = heads, frozen

    def set_head(self, weight: FloatArray, bias: FloatArray) -> None:
        """Take these as the head; weight : shape (n_models, width), bias : shape (n_models,)."""
        tensor = self._torch.tensor
        self.weights |= {name: tensor(np.float32(array)) for name, array in zip(HEAD, (weight, bias), strict=True)}

    def trained(self) -> list[Any]:
        """Return the tensors that training changes, marked as such."""
        names = [f"encoder.layer.{layer}." for layer in range(self.frozen, self.layers)]
        chosen = [tensor for name, tensor in self.weights.items() if name.startswith((*names, "head."))]
        return [tensor.requires_grad_() for tensor in chosen]

    def arrays(self) -> dict[str, FloatArray]:
        """Return a copy of every weight as numpy."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self.weights.items()}

    def logits(self, ids: Ids, dropout: float = 0.0) -> Any:
        """Return a tensor of shape (n_rows, n_models)."""
        return self._dense(self.vectors(ids, dropout), "head")

    def vectors(self, ids: Ids, dropout: float = 0.0) -> Any:
        """Return a tensor of shape (n_rows, width), rows of norm 1; ids include the special tokens."""
        torch, w = self._torch, self.weights
        longest = max(map(len, ids))
        padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
        seen = torch.arange(longest) < torch.tensor([[len(row)] for row in ids])
        x = w["embeddings.word_embeddings.weight"][padded] + w["embeddings.position_embeddings.weight"][:longest]
        x = self._norm(x + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(self.layers):
            # Below, nothing is learned, so that there is nothing to be disturbed either.
            x = self._layer(x, f"encoder.layer.{layer}.", seen, dropout if layer >= self.frozen else 0.0)
        mean = (x * seen[:, :, None]).sum(dim=1) / seen.sum(dim=1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=-1)

    def _layer(self, x: Any, at: str, seen: Any, dropout: float) -> Any:
        functional = self._torch.nn.functional
        attended = self._dense(self._attention(x, at + "attention.self.", seen), at + "attention.output.dense")
        x = self._norm(x + functional.dropout(attended, dropout), at + "attention.output.LayerNorm")
        wide = functional.gelu(self._dense(x, at + "intermediate.dense"))
        narrow = self._dense(wide, at + "output.dense")
        return self._norm(x + functional.dropout(narrow, dropout), at + "output.LayerNorm")

    def _attention(self, x: Any, at: str, seen: Any) -> Any:
        n_rows, n_tokens, width = x.shape
        parts = [
            self._dense(x, at + name).view(n_rows, n_tokens, self.heads, width // self.heads).transpose(1, 2)
            for name in ("query", "key", "value")
        ]
        attend = self._torch.nn.functional.scaled_dot_product_attention
        mixed = attend(*parts, attn_mask=seen[:, None, None, :])
        return mixed.transpose(1, 2).reshape(n_rows, n_tokens, width)

    def _dense(self, x: Any, name: str) -> Any:
        return self._torch.nn.functional.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])

    def _norm(self, x: Any, name: str) -> Any:
        weight, bias = self.weights[name + ".weight"], self.weights[name + ".bias"]
        return self._torch.nn.functional.layer_norm(x, weight.shape, weight, bias, EPSILON)


def n_layers(weights: Mapping[str, FloatArray]) -> int:
    """Return how many layers the names of the weights tell of."""
    return 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))


def library(name: str) -> Any:
    """Import what the torch extra brings; raises ConfigError, which says what to install."""
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(
            f"Fine-tuning an encoder needs {name.partition('.')[0]}. Run: pip install 'switchpoint[torch]'"
        ) from None
