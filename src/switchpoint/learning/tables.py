"""The two tables of a dataset folder, as columns: Parquet, or the same columns as JSON lines.

It knows files and rows, not what the columns mean; `switchpoint.learning.datasets` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from switchpoint.core.errors import DataError, nearest

SHOWN = 10
"""So many problems of one file are told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns of one file, all of the same length; the first row is row 1."""

    path: Path
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def rows(self, *names: str) -> Iterator[tuple[int, Any]]:
        """Yield the number of each row and a tuple of the named columns in it."""
        return enumerate(zip(*(self.columns[name] for name in names), strict=True), start=1)


class Problems:
    """Collects what is wrong with a file, to tell it all at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, row: int, column: str, what: str) -> None:
        """Note a fault of one cell."""
        self.found.append(f"row {row}, column {column!r}: {what}")

    def check(self) -> None:
        """Raise a DataError that names the file and the first `SHOWN` problems, if there are any."""
        if self.found:
            more = len(self.found) - SHOWN
            listed = "; ".join(self.found[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise DataError(f"{self.path}: {listed}.")


def read_table(folder: Path, stem: str, columns: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Read these columns of `stem`.parquet or, where there is none, of `stem`.jsonl; other columns are ignored.

    optional : columns that are read where the file has them.

    Raises DataError naming the folder, file, row or column that is missing or cannot be read.
    """
    if not folder.is_dir():
        siblings = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise DataError(f"{folder}: no such folder.{nearest(folder.name, siblings)}")
    for suffix, reader in _READERS.items():
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            table = Table(path=path, columns=reader(path, columns, optional))
            if not len(table):
                raise DataError(f"{path}: the file holds no rows.")
            return table
    raise DataError(f"{folder}: neither {' nor '.join(stem + suffix for suffix in _READERS)} is in this folder.")


def _parquet(path: Path, columns: Sequence[str], optional: Sequence[str]) -> dict[str, list[Any]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'switchpoint[train]'.") from None
    try:
        with pq.ParquetFile(path) as file:
            _require(path, columns, file.schema_arrow.names)
            there = [name for name in optional if name in file.schema_arrow.names]
            read: dict[str, list[Any]] = file.read(columns=[*columns, *there]).to_pydict()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as Parquet: {str(error).splitlines()[0]}") from None
    return read


def _json_lines(path: Path, columns: Sequence[str], optional: Sequence[str]) -> dict[str, list[Any]]:
    rows, problems = [], Problems(path)
    for number, line in enumerate(_lines(path), start=1):
        row = _json_object(line)
        if row is None:
            problems.found.append(f"row {number}: not a JSON object")
        else:
            rows.append((number, row))
    problems.check()
    if rows:
        _require(path, columns, {name for _, row in rows for name in row})
    for number, row in rows:
        for name in columns:
            if name not in row:
                problems.add(number, name, "is not there; write null where it is unknown")
    problems.check()
    there = [name for name in optional if any(name in row for _, row in rows)]
    return {name: [row.get(name) for _, row in rows] for name in (*columns, *there)}


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
    return text.split("\n") if text else []


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _require(path: Path, columns: Sequence[str], present: Sequence[str] | set[str]) -> None:
    for name in columns:
        if name not in present:
            raise DataError(
                f"{path}: column {name!r} is missing.{nearest(name, present)} "
                f"The file has {', '.join(sorted(present)) or 'none'}."
            )


_READERS: Mapping[str, Callable[[Path, Sequence[str], Sequence[str]], dict[str, list[Any]]]] = {
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
