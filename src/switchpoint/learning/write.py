"""Writing datasets: the inverse of `switchpoint.learning.datasets.read`, as Parquet or JSON lines; and preferences.

Unknown numbers are written as null. What is written reads back the same, but for queries on which nothing was observed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from switchpoint.core.errors import DataError
from switchpoint.core.outcome import MEASURED, Outcomes, Preferences
from switchpoint.core.query import BoolArray, FloatArray, Query
from switchpoint.learning.source import BATCH, rows

if TYPE_CHECKING:
    from switchpoint.learning.observations import Dataset

Format = Literal["parquet", "jsonl"]
Columns = Mapping[str, Any]
"""Lists, arrays or Arrow columns of one length; a masked value is null."""


class Battle(msgspec.Struct):
    """One line of a preferences file."""

    text: str
    a: str
    b: str
    result: float
    query_id: str | None = None


def write(parts: Mapping[str, Outcomes], folder: Path, *, format: Format = "parquet") -> None:
    """Write outcomes to a folder; `parts` is by split, "train" and "test".

    Every known cell is a row. Raises DataError for another split, for parts whose models differ, and for one id in
    both of them.
    """
    _check_parts(parts)
    models = next(iter(parts.values())).models
    queries = [(query, split, domain) for split, part in parts.items() for query, domain in _asked(part)]
    quality = np.concatenate([part.quality for part in parts.values()])
    cost_usd = np.concatenate([part.cost_usd for part in parts.values()])
    measured = {
        name: _stacked(parts.values(), name) for name in MEASURED if any(name in p.measured() for p in parts.values())
    }
    cells = ~np.isnan(np.stack([quality, cost_usd, *measured.values()])).all(axis=0)
    cells[:1] = True  # the first query names every model, so that their order is kept
    row, column = np.nonzero(cells)
    asked: Columns = {
        "query_id": [query.id for query, _, _ in queries],
        "split": [split for _, split, _ in queries],
        "domain": [domain for _, _, domain in queries],
        "text": [query.full_text for query, _, _ in queries],
    }
    outcomes: Columns = {
        "query_id": np.array(asked["query_id"], dtype=object)[row],
        "model": np.array(models, dtype=object)[column],
        "score": np.ma.masked_invalid(quality[cells]),
        "cost_usd": np.ma.masked_invalid(cost_usd[cells]),
        **{name: np.ma.masked_invalid(values[cells]) for name, values in measured.items()},
    }
    _write_tables(folder, asked, outcomes, format)


def write_dataset(dataset: Dataset, folder: Path, *, format: Format = "parquet") -> None:
    """Write an imported dataset to a folder, with every column that it has."""
    tables = (dataset.queries, dataset.outcomes)
    queries, outcomes = ({name: table[name] for name in table.column_names} for table in tables)
    _write_tables(folder, queries, outcomes, format)


def write_preferences(preferences: Preferences, path: Path) -> None:
    """Write one JSON line for each battle: query_id, text, a, b, result (1 where a won, 0 where b, 0.5 for a tie)."""
    columns: Columns = {
        "query_id": [query.id for query in preferences.queries],
        "text": [query.full_text for query in preferences.queries],
        "a": preferences.a,
        "b": preferences.b,
        "result": np.asarray(preferences.result),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _json_lines(path, columns)


def read_preferences(path: Path) -> Preferences:
    """Read what `write_preferences` wrote; raises DataError, which names the row and the column at fault."""
    queries: dict[tuple[str, str | None], Query] = {}
    a, b, result, asked = [], [], [], []
    for number, line in rows(path, Battle):
        _check_battle(path, number, line)
        key = (line.text, line.query_id)
        asked.append(queries.setdefault(key, Query.of(line.text, id=line.query_id)))
        a.append(line.a)
        b.append(line.b)
        result.append(line.result)
    if not asked:
        raise DataError(f"{path}: the file holds no rows.")
    return Preferences(queries=tuple(asked), a=tuple(a), b=tuple(b), result=np.array(result))


def _check_battle(path: Path, number: int, line: Battle) -> None:
    if line.result not in (0.0, 0.5, 1.0):
        raise DataError(f"{path}: row {number}, column 'result': {line.result:g} is none of 1, 0.5 and 0.")
    if line.a == line.b:
        raise DataError(f"{path}: row {number}, column 'b': {line.b!r} is the same model as a.")


def _check_parts(parts: Mapping[str, Outcomes]) -> None:
    if not parts or not set(parts) <= {"train", "test"}:
        raise DataError(f"Outcomes are written by split, 'train' and 'test'; got {', '.join(parts) or 'none'}.")
    if len({part.models for part in parts.values()}) > 1:
        raise DataError("The splits of one dataset have the same models in the same order; use Outcomes.of to align.")
    ids = [query.id for part in parts.values() for query in part.queries]
    if len(set(ids)) < len(ids):
        raise DataError("A query id stands twice; ids are unique within a dataset.")


def _stacked(parts: Iterable[Outcomes], name: str) -> FloatArray:
    """Return what was measured in all parts, rows one after the other; NaN in a part that knows nothing of it."""
    unknown = (np.full(part.quality.shape, np.nan) for part in parts)
    return np.concatenate([part.measured().get(name, none) for part, none in zip(parts, unknown, strict=True)])


def _asked(part: Outcomes) -> Iterator[tuple[Query, str]]:
    return zip(part.queries, part.domains, strict=True)


def _write_tables(folder: Path, queries: Columns, outcomes: Columns, format: Format) -> None:
    if format not in _WRITERS:
        raise DataError(f"Format {format!r} is none of {', '.join(_WRITERS)}.")
    folder.mkdir(parents=True, exist_ok=True)
    for stem, columns in (("queries", queries), ("outcomes", outcomes)):
        for other in set(_WRITERS) - {format}:
            # The reader would take an older table of the other format for this one's.
            (folder / f"{stem}.{other}").unlink(missing_ok=True)
        _WRITERS[format](folder / f"{stem}.{format}", columns)


def _parquet(path: Path, columns: Columns) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: writing Parquet needs pyarrow: pip install 'switchpoint[train]'.") from None
    parquet.write_table(pa.table({name: _arrow(values) for name, values in columns.items()}), path)


def _arrow(values: Any) -> Any:
    import pyarrow as pa

    if not isinstance(values, np.ma.MaskedArray):
        return values
    mask: BoolArray = np.ma.getmaskarray(values)
    return pa.array(values.data, mask=mask)


def _json_lines(path: Path, columns: Columns) -> None:
    with path.open("wb") as file:
        file.writelines(msgspec.json.encode(row) + b"\n" for row in _row_dicts(columns))


def _row_dicts(columns: Columns) -> Iterable[dict[str, Any]]:
    length = len(next(iter(columns.values())))
    for start in range(0, length, BATCH):
        parts = [_plain(values[start : start + BATCH]) for values in columns.values()]
        yield from (dict(zip(columns, row, strict=True)) for row in zip(*parts, strict=True))


def _plain(values: Any) -> Sequence[Any]:
    for way in ("to_pylist", "tolist"):
        if hasattr(values, way):
            found: Sequence[Any] = getattr(values, way)()
            return found
    plain: Sequence[Any] = values
    return plain


_WRITERS: Mapping[str, Callable[[Path, Columns], None]] = {"parquet": _parquet, "jsonl": _json_lines}
