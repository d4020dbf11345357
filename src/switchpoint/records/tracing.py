"""Tracing: records as OpenTelemetry spans. One of each query, one of each call, an event of each verdict; never text.

Needs the extra `otel`. Spans are made from finished records by the exporter's own thread, so a request pays for handing
over its record and nothing else. A record does not say when its calls began: they are laid one after the other, as they
ran, from the end of the first decision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import blake2b
from math import isnan
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from switchpoint.core.attempt import Attempt
from switchpoint.core.query import EMPTY
from switchpoint.core.record import Record
from switchpoint.core.trace import CURRENT, Trace, begun
from switchpoint.records import semantics as names
from switchpoint.records.watching import UNKNOWN, Callee

NS = 1_000_000_000


def exporter_to(endpoint: str | None) -> SpanExporter:
    """Return an exporter over HTTP to the address of a collector's traces; None is where OpenTelemetry's variables say.

    Its other settings, such as headers and timeouts, are OpenTelemetry's own variables.
    """
    return OTLPSpanExporter(endpoint=endpoint)


class Tracing:
    """A sink that hands records to an exporter of spans, in batches, from a thread.

    callees : by model, who is called. share : of the queries that come without a trace, such as those of a program, so
        many are traced, in [0, 1]. version : of the conventions' names.

    Records that the exporter does not take
    fast enough are dropped once 2,048 wait.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        callees: Mapping[str, Callee] = EMPTY,
        *,
        share: float = 1.0,
        version: names.Version = "latest",
    ) -> None:
        self._share = share
        self._processor: SpanProcessor = BatchSpanProcessor(_Unfolding(exporter, callees, version))

    def __call__(self, record: Record) -> None:
        """Take a record."""
        trace = CURRENT.get() or begun(self._share)
        if trace.sampled:
            self._processor.on_end(_Folded(record, trace))

    def close(self) -> None:
        """Export what waits, and stop."""
        self._processor.shutdown()


_NOBODY = Resource.get_empty()  # finding out what a process runs on takes a while, and is done once


class _Folded(ReadableSpan):
    """A record on its way to the exporter; all its spans are made there."""

    def __init__(self, record: Record, trace: Trace) -> None:
        super().__init__("route", context=_context(trace.trace_id, trace.span_id), resource=_NOBODY)
        self.record, self.trace = record, trace


class _Unfolding(SpanExporter):
    """Makes the spans of records and hands them to an exporter."""

    def __init__(self, exporter: SpanExporter, callees: Mapping[str, Callee], version: names.Version) -> None:
        self._exporter, self._spans = exporter, Spans(callees, version)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export every span of these records."""
        made = (span for span in spans if isinstance(span, _Folded))
        return self._exporter.export([each for span in made for each in self._spans.of(span.record, span.trace)])

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have the exporter send what it holds."""
        return self._exporter.force_flush(timeout_millis)


class Spans:
    """Makes the spans of a record."""

    def __init__(self, callees: Mapping[str, Callee] = EMPTY, version: names.Version = "latest") -> None:
        from importlib.metadata import version as version_of

        released = version_of("switchpoint")
        self._callees, self._version = callees, version
        self._resource = Resource.create({"service.name": "switchpoint", "service.version": released})
        self._scope = InstrumentationScope("switchpoint", released)

    def of(self, record: Record, trace: Trace) -> Iterator[ReadableSpan]:
        """Yield the span of the query, then one of every call."""
        state = TraceState.from_header([trace.state])
        context = _context(trace.trace_id, trace.span_id, state)
        parent = None if trace.parent_id is None else _context(trace.trace_id, trace.parent_id, state, remote=True)
        start = int(record.at.timestamp() * NS)
        yield self._span(
            "route",
            context,
            parent,
            SpanKind.SERVER,
            start=start,
            seconds=record.latency_s,
            error=_failed(record),
            attributes=_of_record(record),
        )
        at = start + int((record.preparation_s + record.decide_s) * NS)
        for number, attempt in enumerate(record.attempts):
            yield self._call(context, record, number, at)
            at += int(attempt.latency_s * NS)

    def _call(self, parent: SpanContext, record: Record, number: int, start: int) -> ReadableSpan:
        attempt = record.attempts[number]
        callee = self._callees.get(attempt.decision.model, UNKNOWN)
        end = start + int(attempt.latency_s * NS)
        return self._span(
            f"chat {callee.model}",
            _context(f"{parent.trace_id:032x}", _digest(f"{record.id}/{number}"), parent.trace_state),
            parent,
            SpanKind.CLIENT,
            start=start,
            seconds=attempt.latency_s,
            error=attempt.failure.kind if attempt.failure else None,
            attributes=_of_attempt(attempt, callee, number),
            events=[Event(names.EVALUATION, _of_verdict(v.verifier, v.score), end) for v in attempt.verdicts],
        )

    def _span(
        self,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        *,
        start: int,
        seconds: float,
        error: str | None,
        attributes: Mapping[str, Any],
        events: Sequence[Event] = (),
    ) -> ReadableSpan:
        said: Mapping[str, Any] = names.renamed({**attributes, names.ERROR: error}, self._version)
        return ReadableSpan(
            name,
            context=context,
            parent=parent,
            resource=self._resource,
            attributes=said,
            events=events,
            kind=kind,
            status=Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error),
            start_time=start,
            end_time=start + int(seconds * NS),
            instrumentation_scope=self._scope,
        )


def _of_record(record: Record) -> dict[str, object]:
    decision = record.attempts[-1 if record.accepted is None else record.accepted].decision if record.attempts else None
    return {
        names.OPERATION: "chat",
        names.CONVERSATION: None if record.session is None else _digest(record.session.id),
        names.RECORD: record.id,
        names.REQUEST: record.query_id,
        names.ROUTE: record.route,
        names.STRATEGY: record.strategy,
        names.OUTCOME: record.outcome,
        names.ACCEPT_REASON: record.accept_reason,
        names.MODEL: record.answered_by,
        names.REASON: None if decision is None else decision.reason.value,
        names.LAYER: record.layer,
        names.COST_USD: _usd(record.cost_usd),
        names.SAVED_USD: _usd(record.saved_usd),
        names.WASTED_USD: _usd(record.wasted_usd),
        names.BASELINE_MODEL: record.baseline_model,
        names.ESCALATED: record.escalated,
        names.ATTEMPTS: len(record.attempts),
        names.DECIDE_S: record.decide_s,
        names.OVERHEAD_S: record.overhead_s,
        names.FIRST_CHUNK_S: record.ttft_s,
        names.CONFIG: record.config,
        names.ARTIFACT: record.artifact,
    }


def _of_attempt(attempt: Attempt, callee: Callee, number: int) -> dict[str, object]:
    decision, answer = attempt.decision, attempt.answer
    usage = answer.usage if answer else None
    finish = answer.finish_reason if answer else None
    return {
        names.OPERATION: "chat",
        names.PROVIDER: callee.provider,
        names.REQUEST_MODEL: callee.model,
        names.STREAM: None if attempt.ttft_s is None else True,
        names.RESPONSE_MODEL: answer.model if answer else None,
        names.RESPONSE_ID: _id(answer.body) if answer else None,
        names.FINISH_REASONS: None if finish is None else (finish,),
        names.FIRST_CHUNK_S: attempt.ttft_s,
        names.INPUT_TOKENS: usage.input_tokens if usage else None,
        names.CACHED_INPUT_TOKENS: usage.cached_input_tokens if usage else None,
        names.OUTPUT_TOKENS: usage.output_tokens if usage else None,
        names.ADDRESS: callee.address,
        names.PORT: callee.port,
        names.ATTEMPT: number,
        names.MODEL: decision.model,
        names.REASON: decision.reason.value,
        names.PROPENSITY: decision.propensity,
        names.LAYER: decision.layer,
        names.NOVELTY: decision.novelty,
        names.QUALITY: decision.quality.get(decision.model),
        names.ESTIMATED_COST_USD: decision.cost_usd.get(decision.model),
        names.COST_USD: _usd(attempt.bill_usd),
    }


def _of_verdict(verifier: str, score: float) -> dict[str, Any]:
    """A verifier that failed gives no score, and none is said."""
    return {names.EVALUATION_NAME: verifier, **({} if isnan(score) else {names.EVALUATION_SCORE: score})}


def _failed(record: Record) -> str | None:
    """Return why a query has no answer, in one word; None where it has one, or where its caller went away."""
    if record.outcome != "failed":
        return None
    failure = record.attempts[-1].failure if record.attempts else None
    return failure.kind if failure else "no_answer"


def _id(body: Mapping[str, Any]) -> str | None:
    said = body.get("id")
    return said if isinstance(said, str) else None


def _usd(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _digest(text: str) -> str:
    """Return eight bytes of a hash as hexadecimal digits: an id that tells nothing."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _context(trace_id: str, span_id: str, state: TraceState | None = None, *, remote: bool = False) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED), state)
