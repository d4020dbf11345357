"""Record what every option answers to every task, and what it costs: `python -m switchpoint.demo.record`.

One request at a time, so that the seconds are clean. The options of a task follow each other, so that a slow minute of
the machine falls on all of them; the server keeps no prompt between calls, so that none of them pays for another.
Nothing is written before the end: an interrupted recording changes no file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.progress import track

from switchpoint.core.attempt import Answer
from switchpoint.core.model import Model
from switchpoint.core.protocols import Upstream
from switchpoint.core.query import Query
from switchpoint.demo.configuration import DATA
from switchpoint.demo.local_server import serving, weights
from switchpoint.demo.options import OPTIONS, USD_PER_HOUR
from switchpoint.demo.tasks import Task, split, tasks
from switchpoint.upstreams.openai_compatible import OpenAICompatible

LOGPROBS: Mapping[str, Any] = {"logprobs": True, "top_logprobs": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of one task asked with one option; confidence : geometric mean of its tokens' probabilities."""

    query_id: str
    model: str
    score: float
    cost_usd: float
    input_tokens: int | None
    output_tokens: int | None
    latency_s: float
    confidence: float | None
    response: str


async def ask(upstream: Upstream, task: Task, option: Model) -> Row:
    """Ask one task with one option, and time it."""
    asked = replace(option, parameters={**option.parameters, **LOGPROBS})
    start = perf_counter()
    answer = await upstream.complete(asked, Query.of(task.text))
    return row_of(task, option, answer, perf_counter() - start)


def row_of(task: Task, option: Model, answer: Answer, latency_s: float) -> Row:
    """Make an answer a row of the recording."""
    cost_usd, text = option.cost_usd(answer.usage, latency_s), answer.text.strip()
    assert cost_usd is not None
    return Row(
        query_id=task.query_id,
        model=option.id,
        score=float(task.accepts(text)),
        cost_usd=float(f"{cost_usd:.4g}"),
        input_tokens=answer.usage.input_tokens if answer.usage else None,
        output_tokens=answer.usage.output_tokens if answer.usage else None,
        latency_s=round(latency_s, 4),
        confidence=round(math.exp(sum(answer.logprobs) / len(answer.logprobs)), 4) if answer.logprobs else None,
        response=text,
    )


async def answers(base_url: str) -> list[Row]:
    """Ask every task with every option, after a warm-up that is not counted."""
    # By query id, which is no order at all: a slow minute does not fall on one kind.
    queue = [(task, option) for task in sorted(tasks(), key=lambda task: task.query_id) for option in OPTIONS]
    upstream = OpenAICompatible("local", base_url)
    try:
        for task, option in queue[: len(OPTIONS)]:
            await ask(upstream, task, option)
        return [await ask(upstream, task, option) for task, option in track(queue, "Recording")]
    finally:
        await upstream.close()


def record(to: Path, *, threads: int) -> None:
    """Run the recording and write its three files."""
    started, load = datetime.now(UTC), os.getloadavg()[0]
    with serving(threads=threads) as base_url:
        rows = asyncio.run(answers(base_url))
    to.mkdir(parents=True, exist_ok=True)
    splits = split(tasks())
    write_lines(to / "queries.jsonl", (query_row(task, splits[task.query_id]) for task in tasks()))
    write_lines(to / "outcomes.jsonl", map(asdict, rows))
    note = {**provenance(rows, threads), "date": f"{started:%Y-%m-%d}", "load_before": round(load, 2)}
    (to / "recording.json").write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", "utf-8")


def query_row(task: Task, part: str) -> dict[str, str]:
    """A task as a row of `queries.jsonl`."""
    return {"query_id": task.query_id, "split": part, "domain": task.kind, "text": task.text}


def provenance(rows: Sequence[Row], threads: int) -> dict[str, Any]:
    """What a reader has to know to judge the numbers."""
    served = weights()
    return {
        "model": served.file,
        "model_sha256": served.sha256,
        "engine": served.engine,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": threads,
        "usd_per_hour": float(USD_PER_HOUR),
        "price_note": "an assumption for the whole machine, charged for the wall seconds of each call",
        "order": "task by task, all options of a task in turn, one request at a time",
        "prompt_cache": "off: every call reads its whole prompt",
        "tasks": len(tasks()),
        "calls": len(rows),
        "call_seconds": round(sum(row.latency_s for row in rows), 1),
        "options": [
            {
                "id": o.id,
                "preamble": [dict(m) for m in o.preamble],
                "parameters": dict(o.parameters),
                "samples": o.samples,
            }
            for o in OPTIONS
        ],
    }


def cpu_model() -> str:
    """Name of the processor as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(
        prog="python -m switchpoint.demo.record", description="Record the demo's outcomes."
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of the model server (default: 2)")
    parser.add_argument("--to", type=Path, default=DATA, help="folder to write to (default: the shipped data)")
    arguments = parser.parse_args()
    record(arguments.to, threads=arguments.threads)


if __name__ == "__main__":
    main()
