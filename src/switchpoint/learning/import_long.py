"""Sources with a row for each answer, or a file for each model: EmbedLLM, LLMRouter, RouterArena, LLMRouterBench."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from switchpoint.core.errors import DataError
from switchpoint.learning.observations import Chunk, Row, of_rows
from switchpoint.learning.source import document, files, require, rows, split_of, table

EMBEDLLM = {"text": "prompt", "score": "label", "domain": "category"}


def embedllm(source: Path) -> Iterator[Chunk]:
    """Read EmbedLLM's train.csv, val.csv, test.csv: prompt, label, category, and model_name (else model_id).

    The file's name is the split; a validation file counts as train.
    """
    import pyarrow as pa

    for path in files(source, (".csv", ".parquet")):
        if path.stem == "model_order":
            continue
        read = table(path, ("prompt", "category", "model_name"))
        model = "model_name" if "model_name" in read.column_names else "model_id"
        require(path, read.column_names, ["prompt", "label", model], "EmbedLLM's table")
        names = {ours: theirs for ours, theirs in EMBEDLLM.items() if theirs in read.column_names} | {"model": model}
        columns = {ours: read[theirs] for ours, theirs in names.items()}
        split = pa.repeat(pa.scalar(split_of(path), pa.string()), read.num_rows)
        yield Chunk(path=path, table=pa.table({**columns, "split": split}), names=names)


class _Routed(msgspec.Struct):
    """A row of LLMRouter's routing data, which repeats its query."""

    query: str
    model_name: str
    performance: float | None
    task_name: str | None = None
    response: str | None = None
    cost: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    response_time: float | None = None


def llmrouter(source: Path) -> Iterator[Chunk]:
    """Read LLMRouter's routing data: JSON lines of query, task_name, model_name, performance, tokens, seconds, text.

    The file's name is the split. Files of queries alone (no `model_name`) are passed over.
    """
    names = {"text": "query", "score": "performance", "domain": "task_name", "model": "model_name"}
    names |= {"cost_usd": "cost", "latency_s": "response_time"}
    for path in files(source, (".jsonl", ".json")):
        if source.is_dir() and "model_name" not in _first(path):
            continue
        split = split_of(path)
        yield from of_rows(path, ((n, _routed(row, split)) for n, row in rows(path, _Routed)), names)


def _routed(row: _Routed, split: str | None) -> Row:
    return {
        "text": row.query,
        "model": row.model_name,
        "domain": row.task_name,
        "split": split,
        "score": row.performance,
        "cost_usd": row.cost,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "latency_s": row.response_time,
        "response": row.response,
    }


class _Tokens(msgspec.Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Evaluated(msgspec.Struct):
    score: float | None = None
    inference_cost: float | None = None


class _Generated(msgspec.Struct):
    generated_answer: str | None = None
    success: bool | None = None
    token_usage: _Tokens | None = None


class _Arena(msgspec.Struct):
    """A row of RouterArena: of the cached results of one model, or of a router's predictions."""

    cached_index: str | None = msgspec.field(name="global_index", default=None)
    predicted_index: str | None = msgspec.field(name="global index", default=None)
    question: str | None = None
    prompt: str | None = None
    llm_selected: str | None = None
    prediction: str | None = None
    generated_answer: str | None = None
    success: bool | None = None
    token_usage: _Tokens | None = None
    evaluation_result: _Evaluated | None = None
    generated_result: _Generated | None = None
    cost: float | None = None
    accuracy: float | None = None


def routerarena(source: Path) -> Iterator[Chunk]:
    """Read RouterArena's cached results (JSON lines, a file for each model) or a router's predictions (JSON).

    A failed call, and one that was not graded, has no score. Rows are test: the benchmark allows no fitting on them.
    """
    names = {"text": "prompt or question", "score": "accuracy or evaluation_result.score", "cost_usd": "cost"}
    for path in files(source, (".jsonl", ".json")):
        yield from of_rows(path, ((n, _arena(path, n, row)) for n, row in rows(path, _Arena)), names)


def _arena(path: Path, number: int, row: _Arena) -> Row:
    index, text = row.cached_index or row.predicted_index, row.question or row.prompt
    model = row.llm_selected or row.prediction
    if index is None or text is None or model is None:
        raise DataError(
            f"{path}: row {number}: neither a cached result (global_index, question, llm_selected) nor a prediction "
            "(global index, prompt, prediction) of RouterArena's."
        )
    answer = row.generated_result or _Generated(row.generated_answer, row.success, row.token_usage)
    graded = row.evaluation_result or _Evaluated(row.accuracy, row.cost)
    tokens = answer.token_usage or _Tokens()
    return {
        "text": text,
        "model": model,
        "domain": index.rpartition("_")[0] or index,
        "split": "test",
        "score": None if answer.success is False else graded.score,
        "cost_usd": graded.inference_cost,
        "input_tokens": tokens.input_tokens,
        "output_tokens": tokens.output_tokens,
        "response": answer.generated_answer,
    }


class _Usage(msgspec.Struct):
    cost: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None


class _Pooled(msgspec.Struct):
    """A row as Avengers reads it: all models' scores on one query."""

    query: str
    records: dict[str, float | None]
    usages: dict[str, _Usage | None] = {}
    dataset: str | None = None


class _Result(msgspec.Struct):
    prompt: str
    score: float | None
    cost: float | None = None
    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    raw_output: Any = None
    prediction: Any = None


class _Results(msgspec.Struct):
    """A result file: one model on one benchmark."""

    records: list[_Result]
    model_name: str | None = None
    dataset_name: str | None = None


def llmrouterbench(source: Path) -> Iterator[Chunk]:
    """Read LLMRouterBench: Avengers' JSON lines, or the result files `<dataset>/<split>/<model>/<time>.json`.

    Of several result files of a model on a benchmark the newest counts. The benchmark's own split is not one for
    routers, so it is not taken.
    """
    for path in _newest(files(source, (".jsonl", ".json"))):
        if path.suffix == ".jsonl":
            pairs = ((n, cell) for n, row in rows(path, _Pooled) for cell in _cells(row))
            yield from of_rows(path, pairs, {"score": "records", "cost_usd": "usages.cost"})
        else:
            yield from of_rows(path, enumerate(_results(path), start=1), {"text": "prompt", "cost_usd": "cost"})


def _cells(row: _Pooled) -> Iterator[Row]:
    for model, score in row.records.items():
        usage = row.usages.get(model) or _Usage()
        yield {"text": row.query, "model": model, "domain": row.dataset, "score": score, **_usage(usage)}


def _results(path: Path) -> Iterator[Row]:
    found = document(path, _Results)
    model = found.model_name or path.parent.name
    domain = found.dataset_name or path.parent.parent.parent.name
    for row in found.records:
        answer = row.raw_output if isinstance(row.raw_output, str) else row.prediction
        response = answer if isinstance(answer, str) else None
        usage = _usage(_Usage(row.cost, row.prompt_tokens, row.completion_tokens))
        yield {"text": row.prompt, "model": model, "domain": domain, "score": row.score, "response": response, **usage}


def _usage(usage: _Usage) -> Row:
    tokens = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    return {"cost_usd": usage.cost, **tokens}


def _newest(paths: list[Path]) -> list[Path]:
    """Keep the last result file of each folder of a model, whose names are times; all JSON lines."""
    newest = {path.parent if path.suffix == ".json" else path: path for path in paths}
    return list(newest.values())


def _first(path: Path) -> Mapping[str, Any]:
    return next((row for _, row in rows(path, dict[str, Any])), {})
