"""A trace goes from the caller through the gateway to the upstreams and to the sinks of records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.conftest import USER, Gateway, running

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}


@pytest.fixture(scope="module")
def traced() -> Iterator[Gateway]:
    """A gateway that makes spans."""
    with running(trace_share=1.0) as gateway:
        yield gateway


def asked(gateway: Gateway, headers: dict[str, str] | None = None, **body: object) -> list[dict[str, str]]:
    """Ask, and return the headers of every call of an upstream that came of it."""
    gateway.forget()
    gateway.http.post("/v1/chat/completions", json={"messages": [USER], **body}, headers=headers or {})
    return [request.headers for request in gateway.upstream.requests]


@pytest.mark.parametrize("stream", [False, True])
def test_a_trace_is_passed_through_as_it_came_where_no_spans_are_made(gateway: Gateway, stream: bool):
    [call] = asked(gateway, HEADERS, stream=stream)

    assert (call["traceparent"], call["tracestate"]) == (HEADERS["traceparent"], "a=1")


def test_a_call_of_an_upstream_is_a_child_of_the_requests_own_span(traced: Gateway):
    [call] = asked(traced, HEADERS)

    assert call["traceparent"].split("-")[1] == TRACE
    assert call["traceparent"].split("-")[2] != SPAN


def test_every_call_of_a_cascade_belongs_to_one_span(traced: Gateway):
    first, second = asked(traced, HEADERS, model="cheap-first")

    assert first["traceparent"] == second["traceparent"]


def test_a_request_without_a_trace_begins_one_of_its_own(traced: Gateway):
    [first], [second] = asked(traced), asked(traced)

    assert first["traceparent"].split("-")[1] != second["traceparent"].split("-")[1]


def test_where_nobody_traces_no_header_is_sent(gateway: Gateway):
    [call] = asked(gateway)

    assert not {"traceparent", "tracestate", "x-request-id"} & set(call)


@pytest.mark.parametrize("parent", ["nonsense", f"00-{'0' * 32}-{SPAN}-01"])
def test_a_header_that_is_no_trace_reaches_nobody(gateway: Gateway, parent: str):
    [call] = asked(gateway, {"traceparent": parent, "tracestate": "a=1"})

    assert not {"traceparent", "tracestate"} & set(call)
