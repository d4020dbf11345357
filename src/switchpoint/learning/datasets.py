"""Datasets: folders of recorded outcomes, read into `Outcomes`, and what two of them share.

A folder holds two tables, as Parquet or as JSON lines:

queries   query_id, split ("train" or "test"), domain, text
outcomes  query_id, model, score in [0, 1], cost_usd; where known input_tokens, output_tokens, latency_s, response

What is unknown is null, never zero.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from switchpoint.core.errors import DataError, nearest
from switchpoint.core.outcome import MEASURED, Outcomes
from switchpoint.core.query import BoolArray, IntArray, Query
from switchpoint.learning.tables import Problems, Table, read_table

Split = Literal["train", "test", "all"]
Folder = str | PathLike[str]

_TEMPLATE = re.compile(r"^(?:question|q)\s*:\s*|\s*\b(?:answer|a)\s*:$")
# A point between digits and every operator stay: "3.5" is not "35", "5 - 3" is not "5 + 3".
_NOT_MEANING = re.compile(r"[\s,;:?'\"‘’“”()]+|(?<!\d)\.|\.(?!\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered to a query, where the source recorded it."""

    query_id: str
    model: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    text: str
    split: str
    domain: str


def read(
    folder: Folder,
    split: Split = "all",
    models: Sequence[str] | None = None,
    scored: bool = True,
    answers: bool = False,
) -> Outcomes:
    """Read one folder: the queries of a split on which any of the models was observed.

    Columns follow `models`, by default every model of the folder in order of appearance. Rows follow the file.
    scored : leave out queries of which no score is known, else only those of which nothing is.
    answers : read the texts of the answers too, where they were recorded.

    Raises DataError, naming the file and up to ten rows and columns at once, for anything that breaks the schema:
    a missing file or column, a wrong type, a score outside [0, 1], a negative cost, NaN or an infinity where null is
    meant, one id for two texts or two splits, an outcome given twice or of an unknown query, and for a dataset in which
    nothing is left to read. Raises UnknownModel, which names the nearest one.
    """
    path = Path(folder)
    _check_split(split)
    queries = _queries(read_table(path, "queries", ("query_id", "split", "domain", "text")))
    known = (*MEASURED, "response") if answers else MEASURED
    outcomes = _outcomes(
        path.name, queries, read_table(path, "outcomes", ("query_id", "model", "score", "cost_usd"), known)
    )
    chosen = outcomes if models is None else outcomes.of(models)
    in_split = np.array([split in ("all", row.split) for row in queries.values()])
    observed = ~np.isnan(chosen.quality).all(axis=1)
    if not (in_split & observed).any():
        raise DataError(
            f"{path}: nothing is observed of {', '.join(chosen.models) or 'any model'} in split {split!r}; it holds "
            f"{int(in_split.sum())} of {len(queries)} queries."
        )
    return chosen.take(np.flatnonzero(in_split & (observed if scored else _known(chosen).any(axis=1))))


def read_many(
    folders: Sequence[Folder],
    split: Split = "all",
    models: Sequence[str] | None = None,
    say: Callable[[str], None] = lambda text: None,
    scored: bool = True,
    answers: bool = False,
) -> Outcomes:
    """Read several folders as one: the union of their models, NaN where a model was not run.

    A text (see `normalised_text`) that stands in several folders becomes one row, and what an earlier folder says of
    a model stands; `say` is told how many there were. Each of `models` must stand in at least one folder.

    Raises what `read` raises.
    """
    if not folders:
        raise DataError("No dataset folder was given.")
    parts = [read(folder, split, scored=scored, answers=answers) for folder in folders]
    pooled = parts[0] if len(parts) == 1 else _pool(parts, say)
    if models is None:
        return pooled
    chosen = pooled.of(models)
    observed = ~np.isnan(chosen.quality).all(axis=1)
    if not observed.any():
        raise DataError(f"{pooled.name}: nothing is observed of {', '.join(models)} in split {split!r}.")
    return chosen.take(np.flatnonzero(observed if scored else _known(chosen).any(axis=1)))


def responses(folder: Folder) -> Iterator[Response]:
    """Yield every recorded answer of a folder in the order of the file; outcomes without one are passed over."""
    table = read_table(Path(folder), "outcomes", ("query_id", "model", "response"))
    for _, (query_id, model, text) in table.rows("query_id", "model", "response"):
        if text is not None:
            yield Response(query_id=query_id, model=model, text=text)


def normalised_text(text: str) -> str:
    """Return what identifies a question whatever its template: for finding leaks, never for showing.

    Case, width (NFKC), white space and most punctuation are gone, and a leading "Question:" or trailing "Answer:".
    """
    folded = unicodedata.normalize("NFKC", text).casefold().strip()
    return _NOT_MEANING.sub("", _TEMPLATE.sub("", folded))


def overlap(a: Outcomes, b: Outcomes) -> IntArray:
    """Return the rows of `a` whose normalised text stands in `b`, ascending, shape (n_shared,)."""
    texts = {normalised_text(query.full_text) for query in b.queries}
    rows = [row for row, query in enumerate(a.queries) if normalised_text(query.full_text) in texts]
    return np.array(rows, dtype=np.intp)


def without_overlap(train: Outcomes, test: Outcomes) -> tuple[Outcomes, int]:
    """Return the training rows whose normalised text does not stand in `test`, and how many were removed.

    Raises DataError when none are left.
    """
    shared = overlap(train, test)
    if len(shared) == len(train):
        raise DataError(f"{train.name}: every row to train on stands in {test.name} too; nothing is left.")
    return train.take(np.setdiff1d(np.arange(len(train)), shared)), len(shared)


def _check_split(split: str) -> None:
    if split not in get_args(Split):
        allowed = get_args(Split)
        raise DataError(f"Split {split!r} is none of {', '.join(allowed)}.{nearest(split, allowed)}")


def _queries(table: Table) -> dict[str, _Row]:
    rows: dict[str, _Row] = {}
    problems = Problems(table.path)
    for number, values in table.rows("query_id", "split", "domain", "text"):
        if not _all_text(problems, number, ("query_id", "split", "domain", "text"), values):
            continue
        query_id, split, domain, text = values
        row = _Row(text=text, split=split, domain=domain)
        known = rows.setdefault(query_id, row)
        if split not in ("train", "test"):
            problems.add(number, "split", f"{split!r} is neither 'train' nor 'test'")
        elif not text.strip():
            problems.add(number, "text", "is empty")
        elif known.text != text:
            problems.add(number, "query_id", f"{query_id!r} stood above with another text; ids are unique")
        elif known.split != split:
            problems.add(number, "split", f"{query_id!r} stands in {known.split!r} and in {split!r}")
    problems.check()
    return rows


def _outcomes(name: str, queries: Mapping[str, _Row], table: Table) -> Outcomes:
    _check_outcomes(table, queries)
    models = tuple(dict.fromkeys(table.columns["model"]))
    row_of = {query_id: row for row, query_id in enumerate(queries)}
    column_of = {model: column for column, model in enumerate(models)}
    rows = [row_of[query_id] for query_id in table.columns["query_id"]]
    columns = [column_of[model] for model in table.columns["model"]]
    quality, cost_usd = np.full((2, len(queries), len(models)), np.nan)
    # A null becomes NaN on the way from a list of objects to floats.
    quality[rows, columns] = np.array(table.columns["score"], dtype=float)
    cost_usd[rows, columns] = np.array(table.columns["cost_usd"], dtype=float)
    measured: dict[str, Any] = {}
    for column in MEASURED:
        values = np.array(table.columns.get(column, ()), dtype=float)
        if not np.isnan(values).all():
            measured[column] = np.full(quality.shape, np.nan)
            measured[column][rows, columns] = values
    responses = None
    if any(text is not None for text in table.columns.get("response", ())):
        responses = np.full(quality.shape, None, dtype=object)
        responses[rows, columns] = np.array(table.columns["response"], dtype=object)
    return Outcomes(
        queries=tuple(Query.of(row.text, id=query_id) for query_id, row in queries.items()),
        models=models,
        quality=quality,
        cost_usd=cost_usd,
        domains=tuple(row.domain for row in queries.values()),
        name=name,
        responses=responses,
        **measured,
    )


def _check_outcomes(table: Table, queries: Mapping[str, _Row]) -> None:
    problems = Problems(table.path)
    seen: set[tuple[str, str]] = set()
    for number, (query_id, model, score, cost) in table.rows("query_id", "model", "score", "cost_usd"):
        _check_number(problems, number, "score", score, high=1.0)
        _check_number(problems, number, "cost_usd", cost, high=math.inf)
        if not _all_text(problems, number, ("query_id", "model"), (query_id, model)):
            continue
        if query_id not in queries:
            problems.add(number, "query_id", f"{query_id!r} stands in no row of the queries")
        elif (query_id, model) in seen:
            problems.add(number, "model", f"a second outcome of {model!r} on query {query_id!r}")
        seen.add((query_id, model))
    for column in MEASURED:
        for number, value in enumerate(table.columns.get(column, ()), start=1):
            _check_number(problems, number, column, value, high=1.0 if column == "confidence" else math.inf)
    problems.check()


def _all_text(problems: Problems, number: int, names: Sequence[str], values: Sequence[object]) -> bool:
    wrong = [(name, value) for name, value in zip(names, values, strict=True) if not isinstance(value, str)]
    for name, value in wrong:
        problems.add(number, name, f"{_shown(value)} is not text")
    return not wrong


def _check_number(problems: Problems, number: int, name: str, value: object, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        problems.add(number, name, f"{_shown(value)} is not a number; write null where it is unknown")
    elif math.isnan(value) or math.isinf(value):
        problems.add(number, name, f"{value} is not a value; write null where it is unknown")
    elif not 0 <= value <= high:
        problems.add(number, name, f"{value} is {'negative' if value < 0 else 'outside [0, 1]'}")


def _shown(value: object) -> str:
    """Name a wrong value; a long one may be a prompt, which no message quotes."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


def _known(outcomes: Outcomes) -> BoolArray:
    """Say of which cells anything is known, shape (n_queries, n_models)."""
    unknown: BoolArray = np.isnan(np.stack([outcomes.quality, outcomes.cost_usd, *outcomes.measured().values()])).all(0)
    return ~unknown


def _pool(parts: Sequence[Outcomes], say: Callable[[str], None]) -> Outcomes:
    places, merged = _places(parts)
    rows = max(int(place.max()) for place in places) + 1
    models = tuple(dict.fromkeys(model for part in parts for model in part.models))
    quality, cost_usd = np.full((2, rows, len(models)), np.nan)
    told = np.zeros(quality.shape, dtype=bool)
    known = {column for part in parts for column in part.measured()}
    responses = np.full(quality.shape, None, dtype=object)
    measured = {column: np.full(quality.shape, np.nan) for column in MEASURED if column in known}
    queries: dict[int, Query] = {}
    domains: dict[int, str] = {}
    ids: set[str] = set()
    for part, place in zip(parts, places, strict=True):
        cells = np.ix_(place, np.array([models.index(model) for model in part.models]))
        # All that is known of one cell comes from one folder: the first that has a score, else the first.
        free = np.isnan(quality[cells]) & (~np.isnan(part.quality) | ~told[cells])
        told[cells] |= _known(part)
        quality[cells] = np.where(free, part.quality, quality[cells])
        cost_usd[cells] = np.where(free, part.cost_usd, cost_usd[cells])
        if part.responses is not None:
            responses[cells] = np.where(free, part.responses, responses[cells])
        for column, values in measured.items():
            values[cells] = np.where(free, part.measured().get(column, np.nan), values[cells])
        for row, query, domain in zip(place.tolist(), part.queries, part.domains, strict=True):
            if row not in queries:
                queries[row] = query if query.id not in ids else replace(query, id=f"{part.name}/{query.id}")
                domains[row] = domain
                ids.add(queries[row].id)
    if merged:
        say(f"{merged} texts stand in several of {', '.join(part.name for part in parts)}: each became one row.")
    return Outcomes(
        queries=tuple(queries[row] for row in range(rows)),
        models=models,
        quality=quality,
        cost_usd=cost_usd,
        domains=tuple(domains[row] for row in range(rows)),
        name="+".join(part.name for part in parts),
        responses=responses if any(part.responses is not None for part in parts) else None,
        **measured,
    )


def _places(parts: Sequence[Outcomes]) -> tuple[list[IntArray], int]:
    """Give every row of every part its row in the pool; only texts of *different* parts share one."""
    row_of: dict[str, int] = {}
    places: list[IntArray] = []
    merged, size = 0, 0
    for part in parts:
        texts = [normalised_text(query.full_text) for query in part.queries]
        place = np.empty(len(texts), dtype=np.intp)
        taken: set[int] = set()
        for i, text in enumerate(texts):
            known = row_of.get(text)
            if known is not None and known not in taken:
                place[i], merged = known, merged + 1
            else:
                place[i], size = size, size + 1
            taken.add(int(place[i]))
        row_of = {**dict(zip(texts, place.tolist(), strict=True)), **row_of}
        places.append(place)
    return places, merged
