"""What telling of a query costs its request: counting it, handing it to the exporter of spans, logging a line of it."""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import replace
from io import StringIO

import numpy as np
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from benchmarks.records import example
from benchmarks.timing import in_turns, us
from switchpoint.core.model import Usage
from switchpoint.core.record import Record
from switchpoint.core.trace import enter, outgoing
from switchpoint.records.lines import configure, log_request
from switchpoint.records.telemetry import Metrics
from switchpoint.records.tracing import Tracing

PARENT = [(b"host", b"x"), (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]


def streamed() -> Record:
    """A streamed answer with its usage: all that one call can have counted."""
    record = example()
    [attempt] = record.attempts
    answer = replace(attempt.answer, usage=Usage(input_tokens=900, cached_input_tokens=100, output_tokens=200))
    return replace(record, attempts=(replace(attempt, answer=answer, ttft_s=0.1),), ttft_s=0.1, overhead_s=0.0002)


def cascade(record: Record) -> Record:
    return replace(record, attempts=record.attempts * 3, accepted=2)


def trace(share: float | None) -> None:
    enter(PARENT, share)
    outgoing()


def measure() -> list[dict[str, str]]:
    record = streamed()
    three = cascade(record)
    metrics, tracing = Metrics(CollectorRegistry()), Tracing(InMemorySpanExporter())
    log = configure("json", "info", stream=StringIO())
    work = {
        "counting a record of one call": lambda: metrics(record),
        "counting a record of three calls": lambda: metrics(three),
        "handing a record to the exporter of spans": lambda: tracing(record),
        "a line of the log": lambda: log_request(record),
        "reading and sending a trace context": lambda: trace(1.0),
        "no trace context, and no spans": lambda: enter(PARENT[:1], None),
    }
    seconds = copy_context().run(lambda: in_turns(work, rounds=2000, block=50))
    tracing.close()
    log.stop()
    return [{"what": f"{name}, p50", "value": us(np.median(seconds[name]))} for name in work]
