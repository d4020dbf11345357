"""Every query is a span, every call another, under the names of the conventions; none of them says what was said."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from switchpoint.core.record import Record
from switchpoint.core.session import Session
from switchpoint.core.trace import CURRENT, Trace
from switchpoint.records import semantics as names
from switchpoint.records.tracing import Spans, Tracing
from switchpoint.records.watching import Callee

TRACE = Trace("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", parent_id="00f067aa0ba902b7", state="a=1")
CALLEES = {"large": Callee("vendor", "openai", "large-latest", "api.openai.com", 443)}


def spans_of(record: Record, **options: Any) -> list[ReadableSpan]:
    return list(Spans(CALLEES, **options).of(record, TRACE))


def test_a_query_is_a_span_in_the_trace_of_its_caller(full: Record):
    span = spans_of(full)[0]

    assert f"{span.context.trace_id:032x}" == TRACE.trace_id
    assert (f"{span.parent.span_id:016x}", span.parent.is_remote) == (TRACE.parent_id, True)
    assert span.context.trace_state.to_header() == "a=1"
    assert (span.end_time - span.start_time) / 1e9 == full.latency_s


def test_a_query_says_how_it_was_decided_and_what_it_cost(full: Record):
    said = spans_of(full)[0].attributes

    told = {names.ROUTE: "auto", names.STRATEGY: "cheap-first", names.MODEL: "large", names.OUTCOME: "answered"}
    assert told.items() <= said.items()
    assert said[names.COST_USD] == pytest.approx(0.00221)
    assert said[names.SAVED_USD] == pytest.approx(0.00779)
    assert (said[names.ESCALATED], said[names.ATTEMPTS], said[names.RECORD]) == (True, 3, "rec-0")


def test_every_call_is_a_child_one_after_the_other(full: Record):
    query, *calls = spans_of(full)

    assert [call.parent.span_id for call in calls] == [query.context.span_id] * 3
    assert len({call.context.span_id for call in calls}) == 3
    assert all(before.end_time <= after.start_time for before, after in pairwise(calls))


def test_a_call_says_who_answered_and_what_it_used(full: Record):
    call = spans_of(full)[3]

    assert call.name == "chat large-latest"
    assert call.attributes[names.PROVIDER] == "openai"
    assert (call.attributes[names.ADDRESS], call.attributes[names.PORT]) == ("api.openai.com", 443)
    assert call.attributes[names.RESPONSE_MODEL] == "large-2026"
    assert call.attributes[names.FINISH_REASONS] == ("stop",)
    used = (names.INPUT_TOKENS, names.CACHED_INPUT_TOKENS, names.OUTPUT_TOKENS)
    assert [call.attributes[name] for name in used] == [100, 64, 5]
    assert call.attributes[names.PROPENSITY] == 0.9


def test_a_failed_call_says_its_kind_and_nothing_that_the_upstream_said(full: Record):
    call = spans_of(full)[2]

    assert call.attributes[names.ERROR] == call.status.description == "RateLimited"
    assert not call.status.is_ok


def test_a_verdict_is_an_event_and_a_failed_one_has_no_score(layered: Record):
    judged = spans_of(layered)[2].events

    assert [event.attributes[names.EVALUATION_NAME] for event in judged] == ["checks", "judge"]
    assert [names.EVALUATION_SCORE in event.attributes for event in judged] == [True, False]


def test_a_query_without_an_answer_is_an_error_and_one_whose_caller_left_is_none(full: Record):
    failed = replace(full, outcome="failed", accepted=None, attempts=full.attempts[:2])
    cancelled = replace(failed, outcome="cancelled")

    assert spans_of(failed)[0].attributes[names.ERROR] == "RateLimited"
    assert names.ERROR not in spans_of(cancelled)[0].attributes


def test_what_is_unknown_is_left_out(full: Record):
    said = spans_of(full)[1].attributes

    assert names.CACHED_INPUT_TOKENS not in said and names.ADDRESS not in said


def test_an_older_version_has_older_names(full: Record):
    said = spans_of(full, version="1.36")[3].attributes

    assert said["gen_ai.system"] == "openai"
    assert not {names.PROVIDER, names.CACHED_INPUT_TOKENS, names.FIRST_CHUNK_S} & set(said)


def test_a_session_is_told_by_a_hash_alone(full: Record):
    said = spans_of(replace(full, session=Session(id="alice@example.com")))[0].attributes

    assert len(said[names.CONVERSATION]) == 16
    assert "alice" not in str(said)


@pytest.mark.parametrize(
    ("host", "provider"),
    [("api.openai.com", "openai"), ("eu.openai.azure.com", "azure.ai.openai"), ("evilapi.openai.com.example", "own")],
)
def test_a_vendor_is_known_by_the_end_of_its_host(host: str, provider: str):
    assert names.provider_of(host, "own") == provider


@contextmanager
def receiver() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Run a receiver of OTLP over HTTP; give its address and what it received."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["content-length"]))
            received.append(ExportTraceServiceRequest.FromString(data))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()
        thread.join()


def traced(record: Record, url: str, trace: Trace | None, **options: Any) -> None:
    tracing = Tracing(OTLPSpanExporter(endpoint=url), CALLEES, **options)

    def run() -> None:
        CURRENT.set(trace)
        tracing(record)

    copy_context().run(run)
    tracing.close()


def test_a_receiver_gets_the_spans_and_nothing_that_was_said(full: Record):
    with receiver() as (url, received):
        traced(full, url, TRACE)

    [resource] = received[0].resource_spans
    spans = resource.scope_spans[0].spans
    assert [span.name for span in spans] == ["route", "chat unknown", "chat unknown", "chat large-latest"]
    assert {span.trace_id.hex() for span in spans} == {TRACE.trace_id}
    assert ("service.name", "switchpoint") in [(a.key, a.value.string_value) for a in resource.resource.attributes]
    assert not [word for word in ("France", "Paris", "Lyon", "acme", "slow down") if word in str(received)]


def test_a_trace_that_its_caller_does_not_sample_is_not_exported(full: Record):
    with receiver() as (url, received):
        traced(full, url, TRACE._replace(sampled=False))

    assert received == []


@pytest.mark.parametrize(("share", "requests"), [(0.0, 0), (1.0, 1)])
def test_a_query_outside_of_a_trace_begins_one(full: Record, share: float, requests: int):
    with receiver() as (url, received):
        traced(full, url, None, share=share)

    assert len(received) == requests
