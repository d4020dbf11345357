"""Record what every option answers to every task, and what it costs: `python -m switchpoint.demo.record`.

One request at a time, so that the seconds are clean. The options of a task follow each other, so that a
slow minute of the machine falls on all of them; the server keeps no prompt between calls, so that none of
them pays for another. Nothing is written before the end: an interrupted recording changes no file.
"""

import argparse
import asyncio
import json
import math
import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rich.progress import track

from switchpoint.demo.configuration import DATA
from switchpoint.demo.local_server import MODEL, serving, weights
from switchpoint.demo.options import OPTIONS, Option
from switchpoint.demo.tasks import Task, normalised, split, tasks

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Outcome", "Sample", "ask", "majority", "outcome", "record"]

MACHINE_USD_PER_HOUR = 0.08
"""An assumption: about what two shared cores rent for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answer of the model. confidence : mean probability of its tokens; None if it has none."""

    text: str
    input_tokens: int
    output_tokens: int
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one task asked with one option, all samples together.

    agreement : share of the samples that gave the answer; None if there was one sample only.
    """

    query_id: str
    model: str
    score: float
    cost_usd: float
    input_tokens: int
    output_tokens: int
    latency_s: float
    confidence: float | None
    agreement: float | None
    response: str


async def ask(client: "AsyncOpenAI", option: Option, text: str) -> Sample:
    """One answer: the only place that calls the server."""
    reply: Any = await client.chat.completions.create(
        model=MODEL,
        messages=[*option.preamble, {"role": "user", "content": text}],  # type: ignore[list-item]
        logprobs=True,
        top_logprobs=1,
        **option.parameters,
    )
    choice = reply.choices[0]
    logprobs = [token.logprob for token in choice.logprobs.content] if choice.logprobs else []
    return Sample(
        text=(choice.message.content or "").strip(),
        input_tokens=reply.usage.prompt_tokens,
        output_tokens=reply.usage.completion_tokens,
        confidence=math.exp(sum(logprobs) / len(logprobs)) if logprobs else None,
    )


def majority(answers: Sequence[str]) -> tuple[str, float]:
    """The answer given most often, the earliest of equals, and its share of the votes."""
    votes = Counter(map(normalised, answers))
    winner, count = votes.most_common(1)[0]
    return next(answer for answer in answers if normalised(answer) == winner), count / len(answers)


def outcome(task: Task, option: Option, samples: Sequence[Sample], latency_s: float) -> Outcome:
    """The samples of one call as a row of the recording."""
    response, share = majority([sample.text for sample in samples])
    known = [sample.confidence for sample in samples if sample.confidence is not None]
    return Outcome(
        query_id=task.query_id,
        model=option.id,
        score=float(task.accepts(response)),
        cost_usd=float(f"{latency_s * MACHINE_USD_PER_HOUR / 3600:.4g}"),
        input_tokens=sum(sample.input_tokens for sample in samples),
        output_tokens=sum(sample.output_tokens for sample in samples),
        latency_s=round(latency_s, 4),
        confidence=round(sum(known) / len(known), 4) if known else None,
        agreement=round(share, 4) if len(samples) > 1 else None,
        response=response,
    )


async def call(client: "AsyncOpenAI", task: Task, option: Option) -> Outcome:
    """Ask for all samples of an option, one after another, and time them together."""
    start = perf_counter()
    samples = [await ask(client, option, task.text) for _ in range(option.samples)]
    return outcome(task, option, samples, perf_counter() - start)


async def answers(base_url: str) -> list[Outcome]:
    """Every task with every option, after a warm-up that is not counted."""
    from openai import AsyncOpenAI

    # By query id, which is no order at all: a slow minute does not fall on one kind.
    queue = [(task, option) for task in sorted(tasks(), key=lambda task: task.query_id) for option in OPTIONS]
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0) as client:
        for task, option in queue[: len(OPTIONS)]:
            await call(client, task, option)
        return [await call(client, task, option) for task, option in track(queue, "Recording")]


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


def provenance(rows: Sequence[Outcome], threads: int) -> dict[str, Any]:
    """What a reader has to know to judge the numbers."""
    served = weights()
    return {
        "model": served.file,
        "model_sha256": served.sha256,
        "engine": served.engine,
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "threads": threads,
        "usd_per_hour": MACHINE_USD_PER_HOUR,
        "price_note": "an assumption for the whole machine, charged for the wall seconds of each call",
        "order": "task by task, all options of a task in turn, one request at a time",
        "prompt_cache": "off: every call reads its whole prompt",
        "tasks": len(tasks()),
        "calls": len(rows),
        "call_seconds": round(sum(row.latency_s for row in rows), 1),
        "options": [asdict(option) for option in OPTIONS],
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
