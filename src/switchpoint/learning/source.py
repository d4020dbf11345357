"""Files as other projects publish them: CSV, Parquet, JSON lines, JSON. It knows rows and columns, not what they mean.

A pickle is never opened: opening one runs the code inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from switchpoint.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

READABLE = (".csv", ".parquet", ".jsonl", ".json")
PICKLES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".joblib", ".npy", ".bin"})
BLOCK_BYTES = 1 << 28
"""Types of a text file's columns are found in one block of at most this size."""
BATCH = 10_000
"""Rows that stand as Python objects at one time."""


def files(source: Path, suffixes: Sequence[str] = READABLE) -> list[Path]:
    """Return the file itself, or the readable files below a folder in the order of their names.

    Raises DataError when there is none, and for a pickle, saying how to convert it.
    """
    if source.is_file():
        _refuse(source, suffixes)
        return [source]
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder.")
    below = sorted(path for path in source.rglob("*") if path.is_file())
    found = [path for path in below if path.suffix in suffixes]
    if not found:
        for path in below:
            _refuse(path, suffixes)
        raise DataError(f"{source}: holds no file that ends in {', '.join(suffixes)}.")
    return found


def split_of(path: Path) -> str | None:
    """Return the split that a file's name or its folder's speaks of: "train", "test", or None where it names none.

    A validation split counts as train: it is not the one to report on.
    """
    for name in (path.stem, path.parent.name):
        words = set(name.lower().replace("-", "_").split("_"))
        if words & {"test"}:
            return "test"
        if words & {"train", "val", "valid", "validation", "dev"}:
            return "train"
    return None


def table(path: Path, texts: Sequence[str] = ()) -> pa.Table:
    """Read a file as columns; those named in `texts` are text whatever they look like.

    Raises DataError, which names the file and, where it is known, the row and the column.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(f"{path}: importing needs pyarrow: pip install 'switchpoint[train]'.") from None
    try:
        read: pa.Table = _TABLES[path.suffix](path, texts)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not readable as {path.suffix[1:]}: {str(error).splitlines()[0]}") from None
    if not read.num_rows:
        raise DataError(f"{path}: the file holds no rows.")
    return read


def rows(path: Path, kind: type[T]) -> Iterator[tuple[int, T]]:
    """Yield every row as a `kind` with its number, counted from 1.

    JSON lines and JSON arrays are read one row at a time; Parquet and CSV in batches. Raises DataError, which names
    the file, the row and the column at fault.
    """
    decode = msgspec.json.Decoder(kind).decode
    for number, raw in enumerate(_raw_rows(path), start=1):
        try:
            yield number, decode(raw) if isinstance(raw, bytes | msgspec.Raw) else msgspec.convert(raw, kind)
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
            hint = " JSON has no NaN: write null where a value is unknown." if _speaks_of_nan(raw) else ""
            raise DataError(f"{path}: row {number}: {error}.{hint}") from None


def document(path: Path, kind: type[T]) -> T:
    """Read a JSON file whole as a `kind`; raises DataError, which names the file and the place in it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError, OSError) as error:
        raise DataError(f"{path}: {error}.") from None


def require(path: Path, columns: Iterable[str], wanted: Sequence[str], of: str) -> None:
    """Raise DataError unless all wanted columns are there; `of` names the format."""
    present = list(columns)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise DataError(
            f"{path}: not {of}: column {missing[0]!r} is missing. The file has {', '.join(present) or 'none'}."
        )


def _refuse(path: Path, suffixes: Sequence[str]) -> None:
    if path.suffix in PICKLES:
        raise DataError(
            f"{path}: a pickle runs code when it is opened, so it is not opened here. Convert it where that harms "
            f"nothing, such as a container without network: python -c \"import pandas; pandas.read_pickle('"
            f"{path.name}').to_parquet('{path.stem}.parquet')\", and import the Parquet file."
        )
    if path.suffix not in suffixes:
        raise DataError(f"{path}: ends in none of {', '.join(suffixes)}.")


def _speaks_of_nan(raw: object) -> bool:
    return isinstance(raw, bytes) and any(word in raw for word in (b": NaN", b":NaN", b"Infinity"))


def _raw_rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".json":
        yield from document(path, list[msgspec.Raw])
    elif path.suffix == ".jsonl":
        with path.open("rb") as lines:
            yield from (line for line in lines if line.strip())
    else:
        yield from chain.from_iterable(batch.to_pylist() for batch in table(path).to_batches(max_chunksize=BATCH))


def _csv(path: Path, texts: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    # One thread: only then does an error name the row.
    return csv.read_csv(
        path,
        csv.ReadOptions(use_threads=False, block_size=min(BLOCK_BYTES, path.stat().st_size + 1)),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
    )


def _json_lines(path: Path, texts: Sequence[str]) -> pa.Table:
    from pyarrow import json

    return json.read_json(path, json.ReadOptions(block_size=min(BLOCK_BYTES, path.stat().st_size + 1)))


def _json_array(path: Path, texts: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(document(path, list[dict[str, Any]]))


def _parquet(path: Path, texts: Sequence[str]) -> pa.Table:
    from pyarrow import parquet

    return parquet.read_table(path)


_TABLES = {".csv": _csv, ".parquet": _parquet, ".jsonl": _json_lines, ".json": _json_array}
