"""A request joins the trace of its caller, begins one of its own, or passes one through."""

from __future__ import annotations

import contextvars
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchpoint.core.trace import CURRENT, Trace, enter, outgoing

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()


def entered(*headers: tuple[bytes, bytes], share: float | None = 1.0) -> Trace | None:
    """Return the trace of a request with these headers, in a context of its own."""

    def run() -> Trace | None:
        enter(headers, share)
        return CURRENT.get()

    return contextvars.copy_context().run(run)


def test_a_request_joins_the_trace_of_its_caller():
    trace = entered((b"traceparent", PARENT), (b"tracestate", b"a=1,b=2"))

    assert trace is not None
    assert (trace.trace_id, trace.parent_id, trace.sampled, trace.state) == (TRACE, SPAN, True, "a=1,b=2")
    assert trace.span_id != SPAN


def test_a_request_without_a_trace_begins_one():
    trace = entered()

    assert trace is not None and trace.parent_id is None
    assert re.fullmatch(r"[0-9a-f]{32}", trace.trace_id) and re.fullmatch(r"[0-9a-f]{16}", trace.span_id)


def test_where_no_spans_are_made_a_trace_is_passed_through_as_it_came():
    trace = entered((b"traceparent", PARENT), (b"tracestate", b"a=1"), share=None)

    assert trace is not None
    assert trace.headers() == {"traceparent": PARENT.decode(), "tracestate": "a=1"}
    assert entered(share=None) is None


def test_the_decision_of_the_caller_not_to_sample_is_kept():
    trace = entered((b"traceparent", PARENT[:-1] + b"0"))

    assert trace is not None and not trace.sampled
    assert trace.headers()["traceparent"].endswith("-00")


def test_of_the_traces_that_begin_here_a_share_is_sampled():
    sampled = [entered(share=0.5).sampled for _ in range(200)]

    assert 50 < sum(sampled) < 150
    assert not entered(share=0.0).sampled
    assert entered((b"traceparent", PARENT), share=0.0).sampled


@pytest.mark.parametrize(
    "parent",
    [
        b"",
        b"garbage",
        PARENT.upper(),
        PARENT[:-1],
        PARENT + b"-more",
        b"ff" + PARENT[2:],
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
    ],
)
def test_what_is_not_a_trace_context_is_ignored(parent: bytes):
    assert entered((b"traceparent", parent), share=None) is None


def test_two_parents_are_none():
    assert entered((b"traceparent", PARENT), (b"traceparent", PARENT), share=None) is None


def test_a_version_to_come_is_read_by_what_is_known_of_it():
    trace = entered((b"traceparent", b"01" + PARENT[2:] + b"-more"), share=None)

    assert trace is not None and trace.headers()["traceparent"] == PARENT.decode()


@pytest.mark.parametrize("state", [b"no pair", b"a=1\r\nx: y", b"=1", b",".join([b"a=1"] * 33), b"a=" + b"x" * 600])
def test_a_state_that_is_not_one_is_left_out(state: bytes):
    trace = entered((b"traceparent", PARENT), (b"tracestate", state), share=None)

    assert trace is not None and list(trace.headers()) == ["traceparent"]


@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate", b"x"]), st.binary(max_size=80))))
def test_no_header_can_break_a_request_or_inject_another_header(headers: list[tuple[bytes, bytes]]):
    trace = entered(*headers)

    assert trace is not None
    assert not [value for value in trace.headers().values() if not value.isprintable()]


def test_a_call_outside_of_a_request_has_no_trace():
    assert contextvars.Context().run(outgoing) == {}
