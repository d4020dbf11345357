"""Sources with a row for each query and a column for each model: RouteLLM, RouterBench, SPROUT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from switchpoint.core.errors import DataError
from switchpoint.learning.observations import Chunk
from switchpoint.learning.source import files, require, split_of, table

if TYPE_CHECKING:
    import pyarrow as pa


def routellm(source: Path) -> Iterator[Chunk]:
    """Read RouteLLM's recorded evaluations: a CSV file, or a folder of them such as `evals/mmlu/responses`.

    Columns: prompt, one per model with whether it was right, and `<model>_response` where answers were kept (GSM8K).
    The file's name is the domain, without `mmlu_` and `_responses`.
    """
    for path in files(source, (".csv", ".parquet")):
        read = table(path, ("prompt",))
        require(path, read.column_names, ["prompt"], "an evaluation of RouteLLM's")
        passed = {"prompt", "", "Unnamed: 0", *(f"{name}_response" for name in read.column_names)}
        models = [name for name in read.column_names if name not in passed]
        domain = path.stem.removeprefix("mmlu_").removesuffix("_responses")
        for model in models:
            found = {"response": f"{model}_response"} if f"{model}_response" in read.column_names else {}
            yield _chunk(path, read, model, {"text": "prompt", "score": model, **found}, domain=domain)


def routerbench(source: Path) -> Iterator[Chunk]:
    """Read RouterBench's wide table, exported to Parquet, CSV or JSON lines; the published pickle is refused.

    Columns: prompt, eval_name (the domain), and `<model>`, `<model>|model_response`, `<model>|total_cost` per model.
    `oracle_model_to_route_to` is derived from them and not read.
    """
    for path in files(source):
        read = table(path, ("prompt", "eval_name"))
        require(path, read.column_names, ["prompt", "eval_name"], "RouterBench's table")
        models = [name for name in read.column_names if f"{name}|total_cost" in read.column_names]
        if not models:
            raise DataError(f"{path}: no model: for none of the columns there is one named <model>|total_cost.")
        for model in models:
            answer = f"{model}|model_response"
            columns = {"text": "prompt", "domain": "eval_name", "score": model, "cost_usd": f"{model}|total_cost"}
            found = {"response": answer} if answer in read.column_names else {}
            yield _chunk(path, read, model, {**columns, **found})


def sprout(source: Path) -> Iterator[Chunk]:
    """Read SPROUT (CARROT): Parquet or JSON lines with a struct {score, num_*_tokens, response} for each model.

    The file's name is the split, `dataset` the domain. SPROUT records tokens and no dollars: costs are null.
    """
    import pyarrow as pa

    for path in files(source, (".parquet", ".jsonl")):
        read = table(path, ("prompt",))
        require(path, read.column_names, ["prompt"], "SPROUT's table")
        models = [f.name for f in read.schema if pa.types.is_struct(f.type) and f.type.get_field_index("score") >= 0]
        if not models:
            raise DataError(f"{path}: no model: no column holds a struct with a score.")
        parts = {"input_tokens": "num_input_tokens", "output_tokens": "num_output_tokens", "response": "response"}
        for model in models:
            struct = pa.Table.from_struct_array(read[model])
            named = {ours: struct[theirs] for ours, theirs in parts.items() if theirs in struct.column_names}
            domain = {"domain": read["dataset"]} if "dataset" in read.column_names else {}
            columns = {"text": read["prompt"], "score": struct["score"], **named, **domain}
            yield _named(path, columns, model, {"score": f"{model}.score"}, {"split": split_of(path)})


def _chunk(path: Path, read: pa.Table, model: str, columns: Mapping[str, str], **constant: str | None) -> Chunk:
    return _named(path, {ours: read[theirs] for ours, theirs in columns.items()}, model, columns, constant)


def _named(
    path: Path,
    columns: Mapping[str, pa.ChunkedArray],
    model: str,
    names: Mapping[str, str],
    constant: Mapping[str, str | None],
) -> Chunk:
    import pyarrow as pa

    length = len(next(iter(columns.values())))
    same: Sequence[tuple[str, str | None]] = [("model", model), *constant.items()]
    repeated = {name: pa.repeat(pa.scalar(value, pa.string()), length) for name, value in same}
    return Chunk(path=path, table=pa.table({**columns, **repeated}), names=names)
