"""Observations: what a source says of (query, model), as columns; and the dataset that they make.

Whatever a source looks like, its importer yields chunks of one long table. This file alone decides what a text is, what
a missing cell is, how scores are scaled, and what becomes of duplicates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.query import FloatArray, IntArray, text_id
from switchpoint.learning.source import BATCH
from switchpoint.learning.tables import Problems

if TYPE_CHECKING:
    import pyarrow as pa

NUMBERS = ("score", "cost_usd", "input_tokens", "output_tokens", "latency_s", "propensity")
MOST = float(np.finfo(float).max)
"""An infinity is outside every range."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Some observations of one file.

    table : columns `text` and `model`, and any of `domain`, `split`, `response` and NUMBERS; what is missing is null.
    path, names : where they stand, and what the file calls a column, for messages.
    row : the number of each in the file; None where they are all its rows in order.
    """

    path: Path
    table: pa.Table
    names: Mapping[str, str] = field(default_factory=dict)
    row: IntArray | None = None

    def numbers(self, name: str, low: float = 0.0, high: float = MOST) -> FloatArray:
        """Return a column as floats, shape (n_rows,), NaN where null; raises DataError for a value out of range.

        NaN is how pandas writes null, so it counts as null.
        """
        if name not in self.table.column_names:
            return np.full(self.table.num_rows, np.nan)
        called = self.names.get(name, name)
        values = _floats(self.table[name], f"{self.path}, column {called!r}")
        wrong = np.flatnonzero((values < low) | (values > high))
        problems = Problems(self.path)
        for i in wrong.tolist():
            problems.add(self._number(i), called, f"{values[i]:g} is outside {_range(low, high)}{_way(name)}")
        problems.check()
        return values

    def models(self) -> pa.ChunkedArray:
        """Return who answered, as text; raises DataError where nobody is named."""
        column = _words(self.table, "model")
        problems = Problems(self.path)
        for i in np.flatnonzero(_mask(column, None)).tolist():
            problems.add(self._number(i), self.names.get("model", "model"), "names no model")
        problems.check()
        return column

    def _number(self, i: int) -> int:
        return i + 1 if self.row is None else int(self.row[i])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The two tables of a dataset folder (see `switchpoint.learning.datasets`), and what was done to make them.

    notes : one sentence for each thing that a reader of the data should know.
    """

    queries: pa.Table
    outcomes: pa.Table
    notes: tuple[str, ...] = ()


def of_rows(path: Path, rows: Iterable[tuple[int, Row]], names: Mapping[str, str]) -> Iterator[Chunk]:
    """Turn rows into chunks of at most `BATCH`, so that no more stand as Python objects at one time."""
    import pyarrow as pa

    numbers: list[int] = []
    batch: list[Row] = []
    for number, row in rows:
        numbers.append(number)
        batch.append(row)
        if len(batch) == BATCH:
            yield Chunk(path=path, table=pa.Table.from_pylist(batch), names=names, row=np.array(numbers))
            numbers, batch = [], []
    if batch:
        yield Chunk(path=path, table=pa.Table.from_pylist(batch), names=names, row=np.array(numbers))


def dataset_of(
    chunks: Iterable[Chunk], *, score_range: tuple[float, float] = (0.0, 1.0), split: str = "train"
) -> Dataset:
    """Make a dataset of all chunks.

    score_range : the lowest and the highest score of the source; scores are scaled to [0, 1].
    split : of the queries whose source names none.

    A text is one query. One that stands in train and in test is test, so that nothing is trained on it. Observations
    of one (text, model) are averaged: repeated samples become a fraction. Rows without text are left out, and cells of
    which nothing is known.

    Raises DataError, naming file, row and column, for a score outside its range, a negative cost or count, and text
    where a number belongs; and when nothing is left.
    """
    if score_range[0] >= score_range[1]:
        raise DataError(f"The score range {score_range[0]:g} to {score_range[1]:g} is empty; give the lowest first.")
    queries = _Queries(split)
    models: dict[str, int] = {}
    columns: dict[str, list[Any]] = {name: [] for name in ("query", "model", "response", *NUMBERS)}
    for chunk in chunks:
        _append(columns, chunk, queries, models, score_range)
    return _dataset(columns, queries, tuple(models))


class _Queries:
    """The texts met so far, each with its first domain, and the split it ended in."""

    def __init__(self, split: str) -> None:
        self.default = split
        self.place: dict[str, int] = {}
        self.domains: list[str] = []
        self.splits: list[str] = []
        self.blank, self.moved = 0, set[int]()

    def places(self, texts: pa.ChunkedArray, domains: pa.ChunkedArray, splits: pa.ChunkedArray) -> IntArray:
        """Return the number of each text, shape (n_rows,), -1 for a blank one."""
        import pyarrow.compute as pc

        codes = texts.dictionary_encode().combine_chunks()
        first = _first_rows(codes.indices, len(codes.dictionary))
        place = np.full(len(codes.dictionary) + 1, -1, dtype=np.int64)  # the last stands for null
        seen = zip(codes.dictionary.to_pylist(), pc.take(domains, first).to_pylist(), strict=True)
        for code, (text, domain) in enumerate(seen):
            if text.strip():
                place[code] = self._add(text, domain)
        found: IntArray = place[codes.indices.fill_null(len(place) - 1).to_numpy()]
        self.blank += int((found < 0).sum())
        self._split(found, splits)
        return found

    def _add(self, text: str, domain: str | None) -> int:
        place = self.place.setdefault(text, len(self.place))
        if place == len(self.domains):
            self.domains.append(domain or "unknown")
            self.splits.append("")
        return place

    def _split(self, found: IntArray, splits: pa.ChunkedArray) -> None:
        for split in splits.unique().to_pylist():
            name = split or self.default
            rows = _mask(splits, split) & (found >= 0)
            for place in np.unique(found[rows]).tolist():
                if self.splits[place] not in ("", name):
                    self.moved.add(place)
                if self.splits[place] != "test":
                    self.splits[place] = name


def _append(
    columns: dict[str, list[Any]],
    chunk: Chunk,
    queries: _Queries,
    models: dict[str, int],
    score_range: tuple[float, float],
) -> None:
    import pyarrow as pa

    low, high = score_range
    text, domain, split = (_words(chunk.table, name) for name in ("text", "domain", "split"))
    place = queries.places(text, domain, split)
    codes = chunk.models().dictionary_encode().combine_chunks()
    number = np.array([models.setdefault(name, len(models)) for name in codes.dictionary.to_pylist()])
    numbers = {name: chunk.numbers(name) for name in NUMBERS[1:]}
    numbers["score"] = (chunk.numbers("score", low, high) - low) / (high - low)
    response = _words(chunk.table, "response")
    known = ~np.isnan(np.stack(list(numbers.values()))).all(axis=0) | ~_mask(response, None)
    keep = np.flatnonzero((place >= 0) & known)
    columns["query"].append(place[keep])
    columns["model"].append(number[codes.indices.to_numpy()][keep])
    for name, values in numbers.items():
        columns[name].append(values[keep])
    columns["response"].append(response.take(pa.array(keep)))


def _dataset(columns: Mapping[str, list[Any]], queries: _Queries, models: Sequence[str]) -> Dataset:
    import pyarrow as pa

    if not columns["query"] or not sum(map(len, columns["query"])):
        raise DataError("The source holds no observation of a model on a text.")
    joined = {name: np.concatenate(columns[name]) for name in ("query", "model", *NUMBERS)}
    response = pa.chunked_array([chunk for part in columns["response"] for chunk in part.chunks], pa.large_string())
    first, merged = _merge(joined, len(models))
    ids = [text_id(text) for text in queries.place]
    outcomes = {
        "query_id": pa.DictionaryArray.from_arrays(merged["query"], ids).cast(pa.large_string()),
        "model": pa.DictionaryArray.from_arrays(merged["model"], list(models)).cast(pa.string()),
        "score": _nullable(merged["score"]),
        "cost_usd": _nullable(merged["cost_usd"]),
        "input_tokens": _nullable(np.round(merged["input_tokens"])).cast(pa.int64()),
        "output_tokens": _nullable(np.round(merged["output_tokens"])).cast(pa.int64()),
        "response": response if first is None else response.take(pa.array(first)),
    }
    for name in ("latency_s", "propensity"):
        if not np.isnan(merged[name]).all():
            outcomes[name] = _nullable(merged[name])
    asked = {"query_id": ids, "split": queries.splits, "domain": queries.domains, "text": list(queries.place)}
    n_merged = 0 if first is None else len(joined["query"]) - len(first)
    return Dataset(queries=pa.table(asked), outcomes=pa.table(outcomes), notes=_notes(queries, n_merged))


def _merge(joined: Mapping[str, Any], n_models: int) -> tuple[IntArray | None, Mapping[str, Any]]:
    """Average what is said twice of one (query, model); None where nothing is."""
    key = joined["query"] * n_models + joined["model"]
    unique, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if len(unique) == len(key):
        return None, joined
    merged: dict[str, Any] = {"query": unique // n_models, "model": unique % n_models}
    for name in NUMBERS:
        known = ~np.isnan(joined[name])
        counts = np.bincount(inverse[known], minlength=len(unique))
        sums = np.bincount(inverse[known], joined[name][known], minlength=len(unique))
        merged[name] = np.divide(sums, counts, out=np.full(len(unique), np.nan), where=counts > 0)
    return first, merged


def _notes(queries: _Queries, merged: int) -> tuple[str, ...]:
    told = (
        (queries.blank, "rows without a text were left out"),
        (merged, "further observations of the same text and model were averaged into one"),
        (len(queries.moved), "texts stand in train and in test at the source; they are test here"),
    )
    return tuple(f"{count} {what}." for count, what in told if count)


def _words(table: pa.Table, name: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    if name not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.large_string())])
    column = table[name]
    if pa.types.is_list(column.type):
        return pc.binary_join(column.cast(pa.list_(pa.large_string())), "\n")
    return column.cast(pa.large_string())


def _floats(column: pa.ChunkedArray, place: str) -> FloatArray:
    import pyarrow as pa

    try:
        values: FloatArray = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException as error:
        raise DataError(f"{place}: not numbers: {str(error).splitlines()[0]}") from None
    return values


def _first_rows(indices: pa.Array, n_codes: int) -> pa.Array:
    """Return the first row of each code of a dictionary: codes are given in order of appearance."""
    import pyarrow as pa

    codes = indices.fill_null(n_codes).to_numpy()
    _, first = np.unique(codes, return_index=True)
    return pa.array(first[:n_codes])


def _mask(column: pa.ChunkedArray, value: str | None) -> Any:
    import pyarrow.compute as pc

    found = pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)
    return found.to_numpy(zero_copy_only=False)


def _nullable(values: FloatArray) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, mask=np.isnan(values))


def _range(low: float, high: float) -> str:
    return f"[{low:g}, {high:g}]" if high < MOST else f"[{low:g}, infinity)"


def _way(name: str) -> str:
    return "; give the source's range, such as --score-range 1 10" if name == "score" else ""
