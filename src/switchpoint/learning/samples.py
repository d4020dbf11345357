"""Samples: recorded draws of models under several prompt styles, as outcomes that voting and stopping are tried on.

A folder holds `queries` as every dataset does, and one more table:

samples   query_id, model, style, temperature, sample (0, 1, …), answer (what it comes to), score, response

A model under a style is one way to be asked, so it is a column `model:style`; its further draws, which a strategy may
ask for too, are `model:style#2` and so on. A row is a query and a replicate: the same question on other draws.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import Outcomes
from switchpoint.core.query import IntArray, Query
from switchpoint.learning.datasets import Folder, Split
from switchpoint.learning.tables import Table, read_table

_COLUMNS = ("query_id", "model", "style", "temperature", "sample", "answer", "score", "response")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


class Sample(NamedTuple):
    """One recorded draw: what it comes to, empty where that could not be told; its score; its length."""

    answer: str
    score: float
    chars: int


Draws = dict[tuple[str, str], dict[int, Sample]]
"""Of (query_id, model:style), the samples by number."""


def read_samples(
    folder: Folder,
    split: Split = "all",
    *,
    price_per_char: Mapping[str, float],
    temperature: float | None = None,
    replicates: int = 1,
    draws: int = 1,
) -> Outcomes:
    """Read recorded samples: rows are the queries of a split, each `replicates` times, columns are `model:style`.

    price_per_char : of each model to be read, what one character of a response costs; the result's `cost_usd` is in
        that unit, whatever it is. Models without a price are left out.
    temperature : of the samples; None are those of which none is recorded.
    draws : columns for each style: one, or more for strategies that ask the same style again.

    Replicate r has the samples r * draws, r * draws + 1, …; where a style has fewer, they come round again. `responses`
    is what an answer comes to, empty where it could not be told; None, with unknown quality and cost, where that sample
    is not recorded. Queries without any sample are left out.

    Raises DataError for a missing file or column, an unpriced folder, and where nothing is left to read.
    """
    path = Path(folder)
    texts = _texts(read_table(path, "queries", ("query_id", "split", "domain", "text")), split)
    found, styles = _draws(read_table(path, "samples", _COLUMNS), price_per_char, temperature)
    queries = [query_id for query_id in texts if any((query_id, style) in found for style in styles)]
    if not queries:
        raise DataError(
            f"{path}: no samples of {', '.join(price_per_char) or 'any model'} at temperature {temperature} in split "
            f"{split!r}. Name other models or another temperature."
        )
    rows = [(query_id, replicate) for query_id in queries for replicate in range(replicates)]
    columns = [(style, draw) for style in styles for draw in range(draws)]
    cells = [
        [found.get((query_id, style), {}).get((replicate * draws + draw) % styles[style]) for style, draw in columns]
        for query_id, replicate in rows
    ]
    price = np.array([price_per_char[style.rpartition(":")[0]] for style, _ in columns])
    return Outcomes(
        queries=tuple(Query.of(texts[query_id][0], id=query_id) for query_id, _ in rows),
        models=tuple(style if draw == 0 else f"{style}#{draw + 1}" for style, draw in columns),
        quality=np.array([[np.nan if cell is None else cell.score for cell in row] for row in cells]),
        cost_usd=np.array([[np.nan if cell is None else cell.chars for cell in row] for row in cells]) * price,
        domains=tuple(texts[query_id][1] for query_id, _ in rows),
        name=path.name,
        responses=np.array([[None if cell is None else cell.answer for cell in row] for row in cells], dtype=object),
    )


def contexts(outcomes: Outcomes) -> IntArray:
    """Number the settings that questions share, shape (n_queries,): the text up to its last sentence, the question.

    Questions on one setting, and replicates of one question, have one number: keep it on one side of a split. A text of
    one sentence is its own setting.
    """
    settings = [_setting(query.full_text) for query in outcomes.queries]
    numbers: IntArray = np.unique(settings, return_inverse=True)[1]
    return numbers


def failures_charged(outcomes: Outcomes) -> Outcomes:
    """Count samples that are not recorded as failures: quality 0, no conclusion, at the column's mean cost.

    A program that did not run was paid for; leaving it out would flatter the model that wrote it.
    """
    missing = np.isnan(outcomes.quality)
    assert outcomes.responses is not None
    return replace(
        outcomes,
        quality=np.where(missing, 0.0, outcomes.quality),
        cost_usd=np.where(np.isnan(outcomes.cost_usd), outcomes.mean_cost_usd(), outcomes.cost_usd),
        responses=np.where(missing, "", outcomes.responses),
    )


def _setting(text: str) -> str:
    return " ".join(_SENTENCE_END.split(text.strip())[:-1]) or text


def _texts(table: Table, split: Split) -> dict[str, tuple[str, str]]:
    rows = table.rows("query_id", "split", "domain", "text")
    return {query_id: (text, domain) for _, (query_id, of, domain, text) in rows if split in ("all", of)}


def _draws(table: Table, models: Mapping[str, float], temperature: float | None) -> tuple[Draws, dict[str, int]]:
    """Return the samples, and of each `model:style`, in order of appearance, how many of one query are recorded."""
    found: Draws = {}
    styles: dict[str, int] = {}
    for _, values in table.rows(*_COLUMNS):
        row: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
        if row["model"] not in models or row["temperature"] != temperature:
            continue
        style, number = f"{row['model']}:{row['style']}", int(row["sample"])
        styles[style] = max(styles.get(style, 0), number + 1)
        sample = Sample(row["answer"] or "", float(row["score"]), len(row["response"] or ""))
        found.setdefault((row["query_id"], style), {})[number] = sample
    return {key: _spread(key, samples, styles[key[1]]) for key, samples in found.items()}, styles


def _spread(key: tuple[str, str], samples: dict[int, Sample], most: int) -> dict[int, Sample]:
    """Put back gaps where samples were dropped and the rest numbered anew, at random but always the same.

    Else all failures of a question would fall into its last replicates, together, and be easy to see.
    """
    if len(samples) == most or max(samples) >= len(samples):
        return samples
    numbers = np.random.default_rng(crc32("/".join(key).encode())).permutation(most)[: len(samples)]
    return dict(zip(sorted(numbers.tolist()), (samples[number] for number in sorted(samples)), strict=True))
