"""How commands print: data to standard output, progress and remarks to standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

UNKNOWN = "–"


def print_json(value: object) -> None:
    """Print one JSON document; NaN becomes null, money a string that loses nothing."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=_encode), indent=2) + b"\n")
    sys.stdout.flush()


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], caption: str | None = None
) -> None:
    """Print a table; numbers are aligned right, None and NaN are shown as unknown."""
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    body = [[_cell(value) for value in row] for row in rows]
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right")
    for row in body:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def remark(text: str) -> None:
    """Say something to the person, not to the pipe."""
    Console(stderr=True).print(text, markup=False, highlight=False, soft_wrap=True)


def progress() -> Progress:
    """Return a progress bar on standard error; use it as a context manager."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return UNKNOWN
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _encode(value: Any) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)
