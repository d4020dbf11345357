"""Importers: how what others published, and what we recorded, becomes a dataset folder.

A source kind is a function that reads and a line in the table. Everything else is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from switchpoint.core.errors import ConfigError, DataError, nearest
from switchpoint.core.outcome import Preferences
from switchpoint.core.query import Query, text_id
from switchpoint.learning import import_battles, import_long, import_wide
from switchpoint.learning.import_records import records
from switchpoint.learning.leaks import text_groups
from switchpoint.learning.observations import Chunk, Dataset, dataset_of
from switchpoint.learning.write import Format, write_dataset, write_preferences

PREFERENCES = "preferences.jsonl"


class Importer(NamedTuple):
    """A kind of source: what it is, in a line, and how it is read."""

    summary: str
    read: Callable[[Path], Iterator[Chunk] | Preferences]


IMPORTERS: Mapping[str, Importer] = {
    "routellm": Importer("RouteLLM's recorded evaluations: CSV, right or wrong per model", import_wide.routellm),
    "routerbench": Importer("RouterBench's wide table, exported from its pickle", import_wide.routerbench),
    "sprout": Importer("SPROUT (CARROT): Parquet with a struct per model", import_wide.sprout),
    "embedllm": Importer("EmbedLLM: CSV, a row per prompt and model", import_long.embedllm),
    "llmrouter": Importer("LLMRouter's routing data: JSON lines", import_long.llmrouter),
    "routerarena": Importer("RouterArena's cached results or predictions", import_long.routerarena),
    "llmrouterbench": Importer("LLMRouterBench's results, or Avengers' rows", import_long.llmrouterbench),
    "judged": Importer("battles with a judge's score for each answer", import_battles.judged),
    "battles": Importer("Chatbot-Arena-style battles, RouteLLM's too; gives preferences", import_battles.battles),
    "records": Importer("Switchpoint's own record log, with its feedback", records),
}


class Imported(NamedTuple):
    """What was written, and what a reader of it should know."""

    files: tuple[Path, ...]
    queries: int
    rows: int  # outcomes, or battles
    models: int
    notes: tuple[str, ...] = ()


def import_dataset(
    kind: str,
    source: Path,
    out: Path,
    *,
    score_range: tuple[float, float] = (0.0, 1.0),
    split: str = "train",
    test_share: float | None = None,
    format: Format = "parquet",
) -> Imported:
    """Read a source of a known kind and write it to the folder `out`.

    score_range : the lowest and highest score of the source. split : of queries whose source names none.
    test_share : draw the splits anew, this share of the near-duplicate groups as test; no group is divided. The draw
        depends on the texts alone.

    Raises DataError for what cannot be read, ConfigError for an unknown kind.
    """
    if kind not in IMPORTERS:
        raise ConfigError(f"Unknown kind {kind!r}.{nearest(kind, IMPORTERS)} Known: {', '.join(IMPORTERS)}.")
    if split not in ("train", "test"):
        raise DataError(f"Split {split!r} is neither 'train' nor 'test'.")
    found = IMPORTERS[kind].read(source)
    if isinstance(found, Preferences):
        write_preferences(found, out / PREFERENCES)
        models = len({*found.a, *found.b})
        return Imported((out / PREFERENCES,), len({q.id for q in found.queries}), len(found.queries), models)
    dataset = dataset_of(found, score_range=score_range, split=split)
    if test_share is not None:
        dataset = with_splits(dataset, test_share)
    write_dataset(dataset, out, format=format)
    written = tuple(out / f"{stem}.{format}" for stem in ("queries", "outcomes"))
    models = len(dataset.outcomes["model"].unique())
    return Imported(written, dataset.queries.num_rows, dataset.outcomes.num_rows, models, dataset.notes)


def with_splits(dataset: Dataset, test_share: float) -> Dataset:
    """Return the dataset with its splits drawn anew by near-duplicate group; raises DataError outside (0, 1)."""
    import pyarrow as pa

    if not 0 < test_share < 1:
        raise DataError(f"The share of test queries must be in (0, 1), got {test_share:g}.")
    texts = dataset.queries["text"].to_pylist()
    names: dict[int, str] = {}
    groups = text_groups(texts).tolist()
    for group, text in zip(groups, texts, strict=True):
        name = text_id(text)
        names[group] = min(names.get(group, name), name)
    test = {group for group, name in names.items() if Query.of("", id=name).draw < test_share}
    splits = ["test" if group in test else "train" for group in groups]
    at = dataset.queries.column_names.index("split")
    return replace(dataset, queries=dataset.queries.set_column(at, "split", pa.array(splits)))
