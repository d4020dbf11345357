"""The record log: what a request pays for being remembered, beside one committed insert per record."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from benchmarks.timing import in_turns, us
from switchpoint.core.attempt import Answer, Attempt
from switchpoint.core.decision import Decision, Reason
from switchpoint.core.record import Record
from switchpoint.records.log import RecordLog
from switchpoint.records.telemetry import Metrics

WRITTEN = 9_000


def example() -> Record:
    decision = Decision(model="mini", router="auto", reason=Reason.ESTIMATED, quality={"mini": 0.7, "big": 0.8})
    answer = Answer(text="answer", body={})
    attempt = Attempt(decision=decision, answer=answer, cost_usd=Decimal("0.001"), latency_s=0.5)
    return Record(
        id="", at=datetime.now(UTC), query_id="q", route="auto", strategy="auto", attempts=(attempt,), accepted=0,
        outcome="answered", decide_s=0.0001, latency_s=0.5,
    )  # fmt: skip


def measure() -> list[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        log = RecordLog(Path(folder) / "log.sqlite")
        plain = sqlite3.connect(Path(folder) / "plain.sqlite", isolation_level=None)
        plain.execute("PRAGMA journal_mode=WAL")
        plain.execute("CREATE TABLE records (id TEXT PRIMARY KEY, body TEXT)")
        numbers = iter(range(10**9))
        record = example()
        seconds = in_turns(
            {
                "ours": lambda: log(replace(record, id=f"{next(numbers):032x}")),
                "insert": lambda: plain.execute("INSERT INTO records VALUES (?, ?)", (str(next(numbers)), "x" * 500)),
            },
            rounds=3000,
        )
        wall_s, cpu_s = writing(log, [replace(record, id=f"{next(numbers):032x}") for _ in range(WRITTEN)])
        log.close()
        plain.close()
    ours, insert = np.median(seconds["ours"]), np.median(seconds["insert"])
    return [
        {"what": "taking a record, p50", "value": us(ours), "beside": f"{insert / ours:.1f}x cheaper than an insert"},
        {"what": "records written to disk, per second", "value": f"{WRITTEN / wall_s:,.0f}"},
        {"what": "CPU of a record: taken, made rows, written", "value": us(cpu_s / WRITTEN)},
        {"what": "CPU of a record: counted for Prometheus", "value": us(counting(record))},
    ]


def writing(log: RecordLog, records: list[Record]) -> tuple[float, float]:
    """Return seconds on the clock and of the processor, all threads together."""
    log.flush()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for record in records:
        log(record)
    log.flush()
    return time.perf_counter() - wall_s, time.process_time() - cpu_s


def counting(record: Record, rounds: int = 5000) -> float:
    """Return seconds of the processor for one record: the least of ten runs, since others share its caches."""
    metrics, found = Metrics(CollectorRegistry()), []
    for _ in range(10):
        start = time.thread_time()
        for _ in range(rounds):
            metrics(record)
        found.append((time.thread_time() - start) / rounds)
    return min(found)
