"""How the bundled router is made: recorded outcomes in, the artifact that ships with the package out.

Read four permissively licensed sets → teach the token table → fit the anchors → measure out of fold → write. Rows whose
text stands in the test split of any of the four are left out; nothing is chosen by looking at a test split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import FloatArray, IntArray, window
from switchpoint.estimators import artifact
from switchpoint.estimators.bundled import Bundled
from switchpoint.estimators.calibration import expected_calibration_error
from switchpoint.estimators.knowledge import Knowledge
from switchpoint.estimators.logistic import sigmoid
from switchpoint.estimators.static import StaticEmbedder
from switchpoint.estimators.teacher import Teacher
from switchpoint.evaluation.curve import two_model_curve
from switchpoint.evaluation.metrics import apgr
from switchpoint.learning.datasets import normalised_text, read

WEAK = "mistralai/Mixtral-8x7B-Instruct-v0.1"
STRONG = "gpt-4-1106-preview"
ANCHORS: Mapping[str, str] = {"mmlu-gpt4-mixtral": "mmlu", "gsm8k-gpt4-mixtral": "gsm8k"}
"""Sets with outcomes of the anchors, and the kind that each is."""
TEXTS = ("gsm8k-openai2021", "llmrouter-9models")
"""Sets whose texts teach the table; the kinds of the last are what novelty takes for new."""
KNOWN_TASKS = frozenset({"mmlu", "gsm8k", "agentverse-mgsm"})
"""Tasks of the last set that are of a known kind."""
DIM = 64

Progress = Callable[[str, int, int], None]
"""Told the step, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The artifact's hash, what it was trained on, and what was measured out of fold."""

    digest: str
    trained_on: tuple[Mapping[str, Any], ...]
    metrics: Mapping[str, Any]


def teach(texts: Sequence[str], progress: Progress) -> StaticEmbedder:
    """Fit the token table to what the teacher says of the texts, and of every token; some minutes."""
    teacher = Teacher.installed()
    vectors = _collect("teacher reads prompts", len(texts), teacher.embed([window(t) for t in texts]), progress)
    size = teacher.tokenizer.size
    words = _collect("teacher reads the vocabulary", size, teacher.embed_vocabulary(), progress)
    return StaticEmbedder.fit(teacher.tokenizer, texts, vectors, words, DIM)


def build(
    data: Path,
    out: Path,
    *,
    created: str,
    progress: Progress = lambda step, done, total: None,
    embedder: Callable[[Sequence[str], Progress], StaticEmbedder] = teach,
) -> Built:
    """Build the bundled artifact from the datasets in `data` and write it to `out`.

    embedder : makes the embedder from the training texts.

    Raises DataError for a dataset that cannot be read, ConfigError where the teacher's weights are not installed.
    """
    sets, removed = _training_sets(data)
    reader = embedder(_texts(sets.values()), progress)
    pooled = _pool({kind: sets[name] for name, kind in ANCHORS.items()})
    knowledge = Knowledge.fit(reader, pooled, _other_kinds(sets[TEXTS[-1]]))
    trained_on = tuple(_line(name, sets[name], removed[name]) for name in sets)
    metrics = {
        "out_of_fold": {kind: _measure(knowledge.reference, pooled, kind) for kind in ANCHORS.values()},
        "test_rows_of_other_sets_in_training": _seen(data, sets),
    }
    digest = artifact.write(Bundled(knowledge), out, created=created, trained_on=trained_on, metrics=metrics)
    return Built(digest=digest, trained_on=trained_on, metrics=metrics)


def _training_sets(data: Path) -> tuple[dict[str, Outcomes], dict[str, int]]:
    """Read the training rows of the four sets, without those that stand in a test split of any of them."""
    names = (*ANCHORS, *TEXTS)
    tested = {key for name in names for key in _keys(read(data / name, "test"))}
    sets, removed = {}, {}
    for name in names:
        train = read(data / name, "train")
        rows = [row for row, key in enumerate(_keys(train)) if key not in tested]
        sets[name], removed[name] = train.take(rows), len(train) - len(rows)
    return sets, removed


def _texts(sets: Iterable[Outcomes]) -> list[str]:
    """Every text once, however it is written."""
    first = {key: query.text for part in sets for key, query in zip(_keys(part), part.queries, strict=True)}
    return list(first.values())


def _collect(step: str, n_rows: int, batches: Iterator[tuple[IntArray, FloatArray]], progress: Progress) -> FloatArray:
    parts, done = [], 0
    for rows, vectors in batches:
        parts.append((rows, vectors))
        done += len(rows)
        progress(step, done, n_rows)
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))
    collected: FloatArray = np.concatenate([vectors for _, vectors in parts])[order]
    return collected


def _pool(kinds: Mapping[str, Outcomes]) -> Outcomes:
    """Put the anchors' outcomes below each other, the weak model first; the domain of a row is its kind."""
    parts = [part.of([WEAK, STRONG]) for part in kinds.values()]
    return replace(
        parts[0],
        queries=tuple(query for part in parts for query in part.queries),
        quality=np.concatenate([part.quality for part in parts]),
        cost_usd=np.concatenate([part.cost_usd for part in parts]),
        domains=tuple(kind for kind, part in zip(kinds, parts, strict=True) for _ in part.queries),
        name="anchors",
    )


def _other_kinds(part: Outcomes) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for query, task in zip(part.queries, part.domains, strict=True):
        if task not in KNOWN_TASKS:
            kinds.setdefault(task, []).append(query.text)
    return kinds


def _measure(logits: FloatArray, outcomes: Outcomes, kind: str) -> dict[str, float]:
    """Figures of one kind from logits of rows that the anchors were not fitted on."""
    rows = np.array([domain == kind for domain in outcomes.domains])
    predicted, observed = sigmoid(logits[rows]), outcomes.quality[rows]
    curve = two_model_curve(predicted[:, 1] - predicted[:, 0], observed[:, 0], observed[:, 1])
    return {
        "rows": int(rows.sum()),
        "apgr": round(float(apgr(curve)), 4),
        "calibration_error_weak": round(expected_calibration_error(predicted[:, 0], observed[:, 0]), 4),
        "calibration_error_strong": round(expected_calibration_error(predicted[:, 1], observed[:, 1]), 4),
    }


def _line(name: str, part: Outcomes, removed: int) -> dict[str, Any]:
    fitted = ["token table", "anchors"] if name in ANCHORS else ["token table"]
    return {"dataset": name, "split": "train", "rows": len(part), "removed_as_tested": removed, "fitted": fitted}


def _seen(data: Path, sets: Mapping[str, Outcomes]) -> dict[str, int]:
    """How many test rows of the other datasets in the folder stand in training: no figure on those is blind."""
    trained = {key for part in sets.values() for key in _keys(part)}
    others = sorted(path for path in data.iterdir() if path.name not in sets and (path / "outcomes.parquet").exists())
    found = {path.name: sum(key in trained for key in _keys(read(path, "test"))) for path in others}
    return {name: count for name, count in found.items() if count}


def _keys(part: Outcomes) -> list[str]:
    if not len(part):
        raise DataError(f"{part.name}: no rows.")
    return [normalised_text(query.full_text) for query in part.queries]
